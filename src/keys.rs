//! Keys that files of state are sealed under.

mod error;
mod file;

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use error::KeyError;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of what a file names a key by.
pub(crate) const KEY_ID_BYTES: usize = 8;
/// Keeps the hash that names a key apart from any other use of the key.
const ID_DOMAIN: &[u8] = b"sessile key id v1\0";

/// What files name a key by: 64 bits of a hash of it, which tell nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) [u8; KEY_ID_BYTES]);

/// One key, wiped when it is dropped.
pub(crate) struct Key {
    id: KeyId,
    /// In a place of its own: moved about, it would leave copies behind that nobody wipes.
    secret: Box<Zeroizing<[u8; KEY_BYTES]>>,
}

/// The keys that files of state are sealed under: the first one writes, all of them read.
///
/// To rotate, put the new key first and keep the old one below it: the next snapshot is sealed under the new one. The old
/// one may go once no file is left that was sealed under it. Keys are wiped from memory when the last clone is dropped, and
/// neither shown nor compared: two rings are equal when they name the same keys in the same order.
///
/// ```
/// // As `openssl rand -hex 32` prints it.
/// let ring = sessile::KeyRing::parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?;
/// assert_eq!(format!("{ring:?}"), format!("KeyRing([{}])", ring.writing()));
/// # Ok::<_, sessile::KeyError>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    /// Not empty.
    keys: Arc<[Key]>,
}

impl KeyRing {
    /// Reads keys from text: one a line, of 64 hex digits. Blank lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// [`KeyError::Lines`] names the lines that are no key, or a key that is there already, and never what they hold.
    /// [`KeyError::Empty`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (mut keys, mut problems) = (Vec::<(u64, Key)>::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some(key) = Key::parse(text) else {
                problems.push(format!("line {line} is not a key of 64 hex digits"));
                continue;
            };
            match keys.iter().find(|(_, known)| known.id == key.id) {
                Some((first, _)) => problems.push(format!("line {line} repeats the key of line {first}")),
                None => keys.push((line, key)),
            }
        }
        if !problems.is_empty() {
            return Err(KeyError::Lines(problems));
        }
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self { keys: keys.into_iter().map(|(_, key)| key).collect() })
    }

    /// A ring of one key that nobody else has.
    #[cfg(feature = "rmcp")]
    pub(crate) fn random() -> Result<Self, crate::error::IdError> {
        let mut secret = Box::new(Zeroizing::new([0; KEY_BYTES]));
        getrandom::fill(secret.as_mut_slice())
            .map_err(|source| crate::error::IdError::NoRandomness { detail: source.to_string() })?;
        Ok(Self { keys: Key::of(secret).into_iter().collect() })
    }

    /// The key that new files are sealed under.
    #[must_use]
    pub fn writing(&self) -> KeyId {
        self.first().map_or(KeyId([0; KEY_ID_BYTES]), |key| key.id)
    }

    /// Every key, the writing one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|key| key.id)
    }

    /// The key that new files are sealed under; there always is one.
    pub(crate) fn first(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// The key of that name.
    pub(crate) fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let mut secret = Box::new(Zeroizing::new([0; KEY_BYTES]));
        if text.len() != 2 * KEY_BYTES {
            return None;
        }
        for (byte, digits) in secret.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            for digit in digits {
                let digit = char::from(*digit).to_digit(16)?;
                *byte = *byte << 4 | u8::try_from(digit).ok()?;
            }
        }
        Self::of(secret)
    }

    fn of(secret: Box<Zeroizing<[u8; KEY_BYTES]>>) -> Option<Self> {
        let hash = Sha256::new().chain_update(ID_DOMAIN).chain_update(secret.as_slice()).finalize();
        let id = KeyId(*hash.first_chunk()?);
        Some(Self { id, secret })
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }
}

impl PartialEq for KeyRing {
    fn eq(&self, other: &Self) -> bool {
        self.ids().eq(other.ids())
    }
}

impl Eq for KeyRing {}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.ids().collect();
        f.debug_tuple("KeyRing").field(&ids).finish()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
