//! What a journal says of itself at its start.

use garde::Validate;
use serde::{Deserialize, Serialize};

use super::sealed::SealRecord;
use super::{MAGIC, SECTOR, VERSION};
use crate::config::Wrap;
use crate::snapshot::preamble::{PREAMBLE_BYTES, preamble, version};
use crate::snapshot::record::{MAX_STAMP, check};
use crate::snapshot::{FileError, codec};

/// The header of a journal file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub(crate) struct JournalHeader {
    /// The snapshot that it goes on from; zero for the beginning of all.
    #[garde(skip)]
    pub(crate) generation: u64,
    /// Its number among those of the generation.
    #[garde(skip)]
    pub(crate) segment: u64,
    /// The number of its first frame.
    #[garde(range(min = 1))]
    pub(crate) first_frame: u64,
    /// When it was begun: wall clock, microseconds since the Unix epoch.
    #[garde(range(max = MAX_STAMP))]
    pub(crate) created_at: u64,
    /// The release that wrote it.
    #[garde(length(bytes, max = 64))]
    pub(crate) service: String,
    /// Where the checksums of its frames start from.
    #[garde(skip)]
    pub(crate) salt: u32,
    /// How its frames are sealed, if they are.
    #[garde(skip)]
    pub(crate) seal: Option<SealRecord>,
}

/// Preamble, and length and checksum of the header.
const BEFORE: usize = PREAMBLE_BYTES + 8;

impl JournalHeader {
    /// Whether there are keys, and it is not sealed under the one that writes.
    pub(crate) fn is_behind(&self, wrap: &Wrap) -> bool {
        #[cfg(feature = "seal")]
        if let Some(keys) = &wrap.keys {
            return self.seal.as_ref().map(SealRecord::key) != Some(keys.writing().to_string());
        }
        let _ = wrap;
        false
    }

    /// As it stands in the file's first sector.
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        check(self)?;
        let mut sector = preamble(&MAGIC, VERSION);
        let mut header = Vec::new();
        codec::encode(self, &mut header)?;
        let length = u32::try_from(header.len()).map_err(|error| error.to_string())?;
        sector.extend(length.to_le_bytes());
        sector.extend(crc32c::crc32c(&header).to_le_bytes());
        sector.extend(header);
        if sector.len() as u64 > SECTOR {
            return Err("the header does not fit".to_owned());
        }
        sector.resize(SECTOR as usize, 0);
        Ok(sector)
    }

    /// Reads it back; tells a newer version from damage.
    pub(super) fn decode(sector: &[u8]) -> Result<Self, FileError> {
        let damaged = |detail: &str| FileError::Damaged { offset: 0, detail: detail.to_owned() };
        let number = |at: usize| {
            let bytes = sector.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(FileError::Truncated)
        };
        if sector.is_empty() {
            return Err(FileError::Empty);
        }
        version(sector, &MAGIC, VERSION)?;
        let (length, sum) = (number(PREAMBLE_BYTES)? as usize, number(PREAMBLE_BYTES + 4)?);
        let header = sector.get(BEFORE..).and_then(|rest| rest.get(..length)).ok_or(FileError::Truncated)?;
        if crc32c::crc32c(header) != sum {
            return Err(damaged("the header does not fit its checksum"));
        }
        let header: Self = codec::decode(header).map_err(|detail| damaged(&detail))?;
        check(&header).map_err(|detail| damaged(&detail))?;
        Ok(header)
    }
}
