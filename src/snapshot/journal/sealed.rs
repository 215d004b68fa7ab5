//! Frames that are sealed each by itself, where there are keys.

use std::io;

use serde::{Deserialize, Serialize};

use crate::config::Wrap;
use crate::snapshot::FileError;
#[cfg(feature = "seal")]
use crate::snapshot::seal::JournalSeal;

/// What a header says of the seals of its journal: the name of the key, and where nonces begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealRecord {
    key: [u8; 8],
    salt: [u8; 16],
}

impl SealRecord {
    /// The name of the key.
    pub(crate) fn key(&self) -> String {
        self.key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Seals the frames of one journal, or leaves them as they are.
#[derive(Default)]
pub(super) struct FrameSeal {
    #[cfg(feature = "seal")]
    seal: Option<JournalSeal>,
}

impl FrameSeal {
    /// For a journal that is begun.
    pub(super) fn writing(wrap: &Wrap) -> io::Result<(Option<SealRecord>, Self)> {
        #[cfg(feature = "seal")]
        if let Some(keys) = &wrap.keys {
            let (key, salt, seal) = JournalSeal::writing(keys)?;
            return Ok((Some(SealRecord { key, salt }), Self { seal: Some(seal) }));
        }
        let _ = wrap;
        Ok((None, Self::default()))
    }

    /// For a journal that is there.
    pub(super) fn reading(wrap: &Wrap, record: Option<&SealRecord>) -> Result<Self, FileError> {
        let Some(record) = record else { return Ok(Self::default()) };
        #[cfg(feature = "seal")]
        {
            let none = crate::keys::KeyId(record.key).to_string();
            let keys = wrap.keys.as_ref().ok_or(FileError::Sealed { key: none })?;
            let seal = JournalSeal::reading(keys, record.key, record.salt);
            Ok(Self { seal: Some(seal.map_err(|unknown| FileError::Sealed { key: unknown.0.to_string() })?) })
        }
        #[cfg(not(feature = "seal"))]
        {
            let _ = (wrap, record);
            Err(FileError::Unbuilt { feature: "seal" })
        }
    }

    /// How many bytes longer a payload gets.
    pub(super) fn more(&self) -> usize {
        #[cfg(feature = "seal")]
        if self.seal.is_some() {
            return 16;
        }
        0
    }

    /// Seals a payload that begins there, in place.
    pub(super) fn seal(&self, number: u64, associated: &[u8], bytes: &mut Vec<u8>, start: usize) -> io::Result<()> {
        #[cfg(feature = "seal")]
        if let Some(seal) = &self.seal {
            let mut payload = bytes.split_off(start.min(bytes.len()));
            let sealed = seal.seal(number, associated, &mut payload);
            sealed.map_err(|error| io::Error::other(error.to_string()))?;
            bytes.append(&mut payload);
        }
        let _ = (number, associated, bytes, start);
        Ok(())
    }

    /// Opens a payload; `None` for one that is not what was sealed there.
    pub(super) fn open<'a>(
        &self,
        number: u64,
        associated: &[u8],
        payload: &'a [u8],
        room: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        #[cfg(feature = "seal")]
        if let Some(seal) = &self.seal {
            room.clear();
            room.extend_from_slice(payload);
            return seal.open(number, associated, room).ok().map(|()| room.as_slice());
        }
        let _ = (number, associated, room);
        Some(payload)
    }
}
