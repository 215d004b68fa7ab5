//! Seals for the frames of a journal: each by itself, by its number.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use crate::keys::{KEY_ID_BYTES, Key, KeyId, KeyRing};

/// Bytes of a journal's salt.
pub(crate) const SALT_BYTES: usize = 16;

/// Seals and opens the frames of one journal.
///
/// The nonce of a frame is the journal's salt and the frame's number: XChaCha20 derives a key of the journal's own from the
/// salt. **A number is used for one content alone under one salt.** A journal that is opened to be read is therefore never
/// written on with its salt, since what a crash cut off may have had the next number: what goes on gets a salt of its own.
#[cfg_attr(not(test), allow(dead_code, reason = "for journals, which are built on it"))]
pub(crate) struct JournalSeal {
    cipher: XChaCha20Poly1305,
    salt: [u8; SALT_BYTES],
}

/// The key of a journal is not in the ring.
#[derive(Debug, thiserror::Error)]
#[error("the journal is sealed under key {0}, which is not among the keys given; name a key file that holds it")]
pub(crate) struct UnknownKey(pub(crate) KeyId);

/// A frame that is not the one that was sealed under this number with this associated data.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame does not open: it was changed, or is not in its place")]
pub(crate) struct Changed;

#[cfg_attr(not(test), allow(dead_code, reason = "for journals, which are built on it"))]
impl JournalSeal {
    /// For a new journal: the name of its key and its salt, which stand in its header, and what seals its frames.
    ///
    /// # Errors
    /// The system gave no random numbers.
    pub(crate) fn writing(keys: &KeyRing) -> std::io::Result<([u8; KEY_ID_BYTES], [u8; SALT_BYTES], Self)> {
        let key = keys.first().ok_or_else(|| std::io::Error::other("the ring holds no key"))?;
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok((key.id().0, salt, Self::new(key, salt)))
    }

    /// For a journal that is there, by what its header says.
    ///
    /// # Errors
    /// [`UnknownKey`].
    pub(crate) fn reading(keys: &KeyRing, key: [u8; KEY_ID_BYTES], salt: [u8; SALT_BYTES]) -> Result<Self, UnknownKey> {
        let key = keys.find(KeyId(key)).ok_or(UnknownKey(KeyId(key)))?;
        Ok(Self::new(key, salt))
    }

    fn new(key: &Key, salt: [u8; SALT_BYTES]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.secret().into()), salt }
    }

    fn nonce(&self, number: u64) -> XNonce {
        let mut nonce = XNonce::default();
        for (to, from) in nonce.iter_mut().zip(self.salt.into_iter().chain(number.to_be_bytes())) {
            *to = from;
        }
        nonce
    }

    /// Seals a frame in place; it gets 16 bytes longer.
    ///
    /// # Errors
    /// [`Changed`] for a frame of more than 256 GiB.
    pub(crate) fn seal(&self, number: u64, associated: &[u8], plain: &mut Vec<u8>) -> Result<(), Changed> {
        self.cipher.encrypt_in_place(&self.nonce(number), associated, plain).map_err(|_| Changed)
    }

    /// Opens a frame in place. One that is refused is left sealed or empty, never half open.
    ///
    /// # Errors
    /// [`Changed`].
    pub(crate) fn open(&self, number: u64, associated: &[u8], sealed: &mut Vec<u8>) -> Result<(), Changed> {
        self.cipher.decrypt_in_place(&self.nonce(number), associated, sealed).map_err(|_| Changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(digit: char) -> KeyRing {
        KeyRing::parse(&digit.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn a_frame_opens_under_its_own_number_data_salt_and_key_alone() {
        let keys = ring('a');
        let (id, salt, seal) = JournalSeal::writing(&keys).unwrap();
        let mut sealed = b"a record".to_vec();
        seal.seal(7, b"header", &mut sealed).unwrap();
        assert!(sealed.len() == 8 + 16 && !sealed.starts_with(b"a rec"));
        let opened = |seal: &JournalSeal, number, associated: &[u8], bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            seal.open(number, associated, &mut bytes).map(|()| bytes)
        };
        let reading = JournalSeal::reading(&keys, id, salt).unwrap();
        assert_eq!(opened(&reading, 7, b"header", &sealed).unwrap(), b"a record");
        for (number, associated) in [(8, &b"header"[..]), (7 + (1 << 32), b"header"), (7, b"headed"), (7, b"")] {
            assert_eq!(opened(&reading, number, associated, &sealed), Err(Changed));
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&reading, 7, b"header", &changed), Err(Changed));
            assert_eq!(opened(&reading, 7, b"header", &sealed[..at]), Err(Changed));
        }
        let other = JournalSeal::reading(&keys, id, [1; SALT_BYTES]).unwrap();
        assert_eq!(opened(&other, 7, b"header", &sealed), Err(Changed));
        let (_, _, stranger) = JournalSeal::writing(&ring('b')).unwrap();
        assert_eq!(opened(&stranger, 7, b"header", &sealed), Err(Changed));
        let unknown = JournalSeal::reading(&ring('b'), id, salt).map(drop).unwrap_err();
        assert_eq!(unknown.0, keys.writing());
        assert_ne!(JournalSeal::writing(&keys).unwrap().1, salt, "every journal has a salt of its own");
    }
}
