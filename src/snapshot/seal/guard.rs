//! What a frame is known to be right by: a seal, or a checksum where there is no key.

use std::io;

#[cfg(feature = "seal")]
use {
    aead_stream::{NewStream, StreamBE32, StreamPrimitive},
    chacha20poly1305::{KeyInit, XChaCha20Poly1305},
};

#[cfg(feature = "seal")]
use super::head::{HEAD_BYTES, NONCE_BYTES};
use super::head::{Head, Sealing};
use crate::config::Wrap;
use crate::snapshot::FileError;

/// The most bytes that a guard adds to a frame.
pub(super) const MOST_TAG_BYTES: usize = 16;

/// Guards the frames of one file.
pub(super) enum Guard {
    /// crc32c of the head, to go on from.
    Sum(u32),
    /// The head goes with every frame as associated data.
    #[cfg(feature = "seal")]
    Sealed(Box<StreamBE32<XChaCha20Poly1305>>, [u8; HEAD_BYTES]),
}

impl Guard {
    /// For a new file: its head, and what guards its frames.
    pub(super) fn writing(wrap: &Wrap) -> io::Result<(Head, Self)> {
        let plain = Head { sealing: Sealing::None, compressed: wrap.compress };
        #[cfg(feature = "seal")]
        if let Some(keys) = &wrap.keys {
            let key = keys.first().ok_or_else(|| io::Error::other("the ring holds no key"))?;
            let mut nonce = [0; NONCE_BYTES];
            getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
            let head = Head { sealing: Sealing::Key { id: key.id().0, nonce }, ..plain };
            return Ok((head, Self::sealed(key, &nonce, head.bytes())));
        }
        Ok((plain, Self::Sum(crc32c::crc32c(&plain.bytes()))))
    }

    /// For a file that is there.
    pub(super) fn reading(head: &Head, wrap: &Wrap) -> Result<Self, FileError> {
        match head.sealing {
            Sealing::None => Ok(Self::Sum(crc32c::crc32c(&head.bytes()))),
            #[cfg(feature = "seal")]
            Sealing::Key { id, nonce } => {
                let id = crate::keys::KeyId(id);
                let key = wrap.keys.as_ref().and_then(|keys| keys.find(id));
                let key = key.ok_or_else(|| FileError::Sealed { key: id.to_string() })?;
                Ok(Self::sealed(key, &nonce, head.bytes()))
            }
            #[cfg(not(feature = "seal"))]
            Sealing::Key { .. } => {
                let _ = wrap;
                Err(FileError::Unbuilt { feature: "seal" })
            }
        }
    }

    #[cfg(feature = "seal")]
    fn sealed(key: &crate::keys::Key, nonce: &[u8; NONCE_BYTES], head: [u8; HEAD_BYTES]) -> Self {
        let cipher = XChaCha20Poly1305::new(key.secret().into());
        Self::Sealed(Box::new(StreamBE32::from_aead(cipher, nonce.into())), head)
    }

    /// Puts the guard on a frame.
    pub(super) fn seal(&self, number: u32, last: bool, frame: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Sum(head) => frame.extend(sum(*head, number, last, frame).to_le_bytes()),
            #[cfg(feature = "seal")]
            Self::Sealed(stream, head) => stream
                .encrypt_in_place(number, last, head, frame)
                .map_err(|_| io::Error::other("a frame is too large to be sealed"))?,
        }
        Ok(())
    }

    /// Takes the guard off a frame; false where it is not the frame that was written in this place.
    pub(super) fn open(&self, number: u32, last: bool, frame: &mut Vec<u8>) -> bool {
        match self {
            Self::Sum(head) => {
                let Some((content, told)) = frame.split_last_chunk() else { return false };
                let (right, length) = (sum(*head, number, last, content).to_le_bytes() == *told, content.len());
                frame.truncate(length);
                right
            }
            #[cfg(feature = "seal")]
            Self::Sealed(stream, head) => stream.decrypt_in_place(number, last, head, frame).is_ok(),
        }
    }
}

fn sum(head: u32, number: u32, last: bool, content: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(head, &number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(place, &[u8::from(last)]), content)
}
