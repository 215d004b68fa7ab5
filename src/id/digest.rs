//! What tables and files hold in place of an id.

use std::fmt;

use sha2::{Digest, Sha256};

use super::SessionId;
use crate::principal::OwnerKey;

/// SHA-256 of what names a session: what tables and files hold in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionDigest(pub(crate) [u8; 32]);

impl SessionDigest {
    /// The first 16 bytes, the registry's key.
    pub(crate) fn key(&self) -> SessionKey {
        let mut key = [0; 16];
        key.copy_from_slice(self.0.split_at(16).0);
        SessionKey(key)
    }

    /// A short tag for logs.
    pub(crate) fn tag(&self) -> String {
        self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for SessionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionDigest({})", self.tag())
    }
}

/// Key of the registry: half of a digest. Equal keys still compare the whole digest in the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) [u8; 16]);

/// The digest of a minted id.
pub(crate) fn generated_digest(id: &SessionId) -> SessionDigest {
    let mut hash = Sha256::new();
    hash.update(b"sessile session v1\0");
    hash.update(id.as_str().as_bytes());
    SessionDigest(hash.finalize().into())
}

/// The digest of a name chosen by an owner: in a space of the owner's own, so that nobody learns of another's names.
pub(crate) fn chosen_digest(owner: &OwnerKey, name: &str) -> SessionDigest {
    let mut hash = Sha256::new();
    hash.update(b"sessile chosen v1\0");
    hash.update((owner.0.len() as u64).to_le_bytes());
    hash.update(owner.0);
    hash.update(name.as_bytes());
    SessionDigest(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_names_of_two_owners_do_not_meet() {
        let (one, two) = (OwnerKey([1; 32]), OwnerKey([2; 32]));
        assert_ne!(chosen_digest(&one, "cart"), chosen_digest(&two, "cart"));
        assert_ne!(chosen_digest(&one, "cart").key(), chosen_digest(&one, "cart2").key());
    }

    #[test]
    fn a_tag_is_the_first_four_bytes_in_hex() {
        let mut bytes = [0xff; 32];
        bytes[..5].copy_from_slice(&[0x01, 0xab, 0x00, 0x7f, 0x55]);
        let digest = SessionDigest(bytes);
        assert_eq!((digest.tag().as_str(), format!("{digest:?}").as_str()), ("01ab007f", "SessionDigest(01ab007f)"));
    }
}
