//! The first 16 bytes of every file but the readable ones, the same in every version: what it is, and in which version.
//!
//! ```text
//! preamble = magic[8] version:u32 crc32c(magic version):u32       integers are little-endian
//! ```

use super::FileError;

/// Its bytes.
pub(super) const PREAMBLE_BYTES: usize = 16;
/// Those before the checksum.
const TOLD_BYTES: usize = 12;
pub(super) const MAGIC_BYTES: usize = 8;

/// What a file begins with that is written.
pub(super) fn preamble(magic: &[u8; MAGIC_BYTES], version: u32) -> Vec<u8> {
    let mut preamble = magic.to_vec();
    preamble.extend(version.to_le_bytes());
    preamble.extend(crc32c::crc32c(&preamble).to_le_bytes());
    preamble
}

/// The version of a file that begins so, `supported` being the newest that is read; a newer one is told from damage, before
/// anything else is looked at.
pub(super) fn version(bytes: &[u8], magic: &[u8; MAGIC_BYTES], supported: u32) -> Result<u32, FileError> {
    let damaged = |detail: &str| FileError::Damaged { offset: 0, detail: detail.to_owned() };
    if !bytes.starts_with(magic) {
        let cut = bytes.len() < magic.len() && magic.starts_with(bytes);
        return Err(if cut { FileError::Truncated } else { FileError::NotOurs });
    }
    let number = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let (Some(version), Some(sum), Some(told)) = (number(MAGIC_BYTES), number(TOLD_BYTES), bytes.get(..TOLD_BYTES))
    else {
        return Err(FileError::Truncated);
    };
    match version {
        _ if crc32c::crc32c(told) != sum => Err(damaged("the version does not fit its checksum")),
        0 => Err(damaged("there is no version 0")),
        found if found > supported => Err(FileError::NewerVersion { found, supported }),
        version => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_ours_only_as_far_as_it_goes() {
        let magic = b"SESSILE\0";
        let whole = preamble(magic, 1);
        assert_eq!(version(&whole, magic, 1).unwrap(), 1);
        for length in 0..whole.len() {
            assert!(matches!(version(&whole[..length], magic, 1), Err(FileError::Truncated)), "{length}");
        }
        for foreign in ["x", "SESSX", "a text of some length"] {
            assert!(matches!(version(foreign.as_bytes(), magic, 1), Err(FileError::NotOurs)), "{foreign}");
        }
    }
}
