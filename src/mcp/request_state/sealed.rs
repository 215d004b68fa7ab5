//! The text of a state: sealed, so that a client can neither read nor change it.
//!
//! ```text
//! text   = lower-case hex of: version:u8 key id[8] nonce[24] sealed
//! sealed = XChaCha20-Poly1305 over JSON, associated data = version and key id
//! ```
//!
//! The nonce is random for each state and names it in the ledger. The key is derived from that of the ring: what else the ring
//! seals, files for one, shares no key with states.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::IdError;
use crate::keys::{KEY_BYTES, KEY_ID_BYTES, Key, KeyId, KeyRing};

const VERSION: u8 = 1;
const KEY_DOMAIN: &[u8] = b"sessile request state key v1\0";
pub(super) const NONCE_BYTES: usize = 24;
/// Version and key id.
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES;
const TAG_BYTES: usize = 16;
/// The most bytes of JSON in a state.
pub(super) const MAX_PLAIN_BYTES: usize = 12 << 10;
/// The most bytes of a state's text; a longer one is looked at no further.
const MAX_TEXT_BYTES: usize = 2 * (HEAD_BYTES + NONCE_BYTES + MAX_PLAIN_BYTES + TAG_BYTES);

/// Why a text did not open, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// No text of ours.
    Malformed,
    /// Sealed under a key that is not in the ring.
    UnknownKey,
    /// Changed, or made up.
    Changed,
}

/// Seals; gives the text and the nonce that names it.
pub(super) fn seal(keys: &KeyRing, mut plain: Vec<u8>) -> Result<(String, [u8; NONCE_BYTES]), IdError> {
    let no_randomness = |detail: String| IdError::NoRandomness { detail };
    let key = keys.first().ok_or_else(|| no_randomness("the ring holds no key".to_owned()))?;
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| no_randomness(error.to_string()))?;
    let head = head(key.id());
    let sealed = cipher(key).encrypt_in_place(&XNonce::from(nonce), &head, &mut plain);
    sealed.map_err(|error| no_randomness(error.to_string()))?;
    let mut text = String::with_capacity(2 * (HEAD_BYTES + NONCE_BYTES + plain.len()));
    for byte in head.iter().chain(&nonce).chain(&plain) {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    Ok((text, nonce))
}

/// Opens; gives what was sealed and the nonce.
pub(super) fn open(keys: &KeyRing, text: &str) -> Result<(Vec<u8>, [u8; NONCE_BYTES]), NotOpened> {
    let bytes = bytes(text).ok_or(NotOpened::Malformed)?;
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(NotOpened::Malformed)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(NotOpened::Malformed)?;
    let [version, id @ ..] = head;
    if *version != VERSION {
        return Err(NotOpened::Malformed);
    }
    let key = keys.find(KeyId(*id)).ok_or(NotOpened::UnknownKey)?;
    let mut plain = sealed.to_vec();
    let opened = cipher(key).decrypt_in_place(&XNonce::from(*nonce), head, &mut plain);
    opened.map_err(|_| NotOpened::Changed)?;
    Ok((plain, *nonce))
}

fn head(id: KeyId) -> [u8; HEAD_BYTES] {
    let mut head = [VERSION; HEAD_BYTES];
    for (place, byte) in head.iter_mut().skip(1).zip(id.0) {
        *place = byte;
    }
    head
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    let hash = Sha256::new_with_prefix(KEY_DOMAIN).chain_update(key.secret());
    hash.finalize_into((&mut *derived).into());
    XChaCha20Poly1305::new((&*derived).into())
}

/// The bytes of one spelling alone: lower-case digits, so that no second text opens like the first.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() > MAX_TEXT_BYTES || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(digits: &[char]) -> KeyRing {
        let lines: Vec<_> = digits.iter().map(|digit| digit.to_string().repeat(64)).collect();
        KeyRing::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn every_changed_digit_and_every_cut_is_refused() {
        let keys = ring(&['a']);
        let (text, nonce) = seal(&keys, b"{\"amount\":7}".to_vec()).unwrap();
        assert_eq!(open(&keys, &text), Ok((b"{\"amount\":7}".to_vec(), nonce)));
        for place in 0..text.len() {
            for bit in 0..4 {
                let mut changed = text.clone().into_bytes();
                let digit = char::from(changed[place]).to_digit(16).unwrap() ^ 1 << bit;
                changed[place] = char::from_digit(digit, 16).unwrap() as u8;
                assert!(open(&keys, str::from_utf8(&changed).unwrap()).is_err(), "{place}");
            }
            assert!(open(&keys, &text[..place]).is_err(), "{place}");
        }
        for other in [text.to_uppercase(), format!("{text}00"), format!(" {text}"), "0".repeat(MAX_TEXT_BYTES + 2)] {
            assert!(open(&keys, &other).is_err());
        }
    }

    #[test]
    fn all_keys_read_and_the_first_one_writes() {
        let (old, both, new) = (ring(&['a']), ring(&['b', 'a']), ring(&['b']));
        let (before, _) = seal(&old, b"1".to_vec()).unwrap();
        let (after, _) = seal(&both, b"2".to_vec()).unwrap();
        assert!(open(&both, &before).is_ok() && open(&new, &after).is_ok());
        assert_eq!(open(&new, &before), Err(NotOpened::UnknownKey));
        assert_ne!(seal(&old, b"1".to_vec()).unwrap().0, before, "a nonce of its own for each");
    }
}
