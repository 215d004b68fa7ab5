//! The keys of an authorization server, and what each may be used for.

use std::error::Error;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;

/// Bytes of a key set.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Keys of a set; further ones are not looked at.
const MAX_KEYS: usize = 256;
/// Digits of an RSA modulus in base64: 2,048 bits, below which signatures can be forged, to 4,096, above which the
/// implementation checks none.
const RSA_DIGITS: std::ops::RangeInclusive<usize> = 342..=683;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysUnusable {
    /// They cannot be read.
    #[error("the key set cannot be read")]
    Read(#[source] Box<dyn Error + Send + Sync>),
    /// The source took too long.
    #[error("the key set did not arrive within 10 seconds")]
    Late,
    /// Not a key set.
    #[error("the key set is longer than 1 MiB, or no JSON Web Key Set: write {{\"keys\": [...]}}")]
    Format,
    /// A key set without a key that could have signed a token.
    #[error(
        "the key set has no key that can be used: each needs a `kid`, and has to be RSA of 2048 to 4096 bits, \
         EC of P-256 or P-384, or Ed25519, for signatures"
    )]
    Empty,
}

/// Keys that can be used.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

struct Key {
    kid: String,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// Reads a key set. Keys of kinds that are not known, and keys for anything but signatures, are passed over: a set may
    /// hold them beside those that count.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, KeysUnusable> {
        if bytes.len() > MAX_BYTES {
            return Err(KeysUnusable::Format);
        }
        let set: Set = serde_json::from_slice(bytes).map_err(|_| KeysUnusable::Format)?;
        let known = set.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<_> = known.filter_map(|jwk| Key::of(&jwk)).collect();
        if keys.is_empty() { Err(KeysUnusable::Empty) } else { Ok(Self(keys)) }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of this name that signs with this algorithm.
    pub(super) fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&DecodingKey> {
        let fits = |key: &&Key| key.kid == kid && key.algorithms.contains(&algorithm);
        self.0.iter().find(fits).map(|key| &key.key)
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
        let verifies = |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
        if !signs || !jwk.common.key_operations.as_ref().is_none_or(verifies) {
            return None;
        }
        let mut algorithms = of_kind(&jwk.algorithm)?.to_vec();
        if let Some(one) = jwk.common.key_algorithm {
            algorithms.retain(|algorithm| jsonwebtoken::jwk::KeyAlgorithm::from(*algorithm) == one);
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let kid = jwk.common.key_id.clone()?;
        // A public key must never serve as the secret of a symmetric algorithm.
        let public = key.family() != AlgorithmFamily::Hmac && !algorithms.is_empty();
        public.then_some(Self { kid, algorithms, key })
    }
}

/// The algorithms of a kind of key; none for kinds that are not taken, symmetric ones above all.
fn of_kind(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(rsa) if RSA_DIGITS.contains(&rsa.n.trim_end_matches('=').len()) => {
            Some(&[RS256, RS384, RS512, PS256, PS384, PS512])
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(&[ES256]),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Some(&[ES384]),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(&[EdDSA]),
        _ => None,
    }
}
