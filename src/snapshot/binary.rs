//! The binary format.
//!
//! ```text
//! file    = preamble block*            integers are little-endian
//! preamble= magic[8] version:u32 crc32c(magic version):u32        the same in every version
//! block   = length:u32 crc32c(payload):u32 crc32c(the 8 bytes before):u32 payload[length]
//! payload = (tag:u8 length:u32 record[length])*
//! ```
//!
//! The first block holds the header alone, the last one the trailer alone; between them, blocks of about 256 KiB hold
//! several records, or a single one that is larger. A block's length has a checksum of its own, so that a flipped bit
//! in it is told apart from a file that was cut off.

mod lanes;
mod reader;
mod records;
mod writer;

pub(super) use lanes::scan as scan_on_all_cores;
pub(super) use reader::header;
pub(super) use records::scan;
pub(super) use writer::BinaryWriter;

/// The first bytes of the format; the first of them begins no text.
pub(super) const MAGIC: [u8; 8] = *b"\x89SESSILE";
/// A block is closed once it has as many bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// Tag and length before a record.
const RECORD_HEAD: usize = 5;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Header = 0,
    Session = 1,
    Tombstone = 2,
    Trailer = 3,
    /// From version 2 on.
    Events = 4,
}

impl Tag {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Header),
            1 => Some(Self::Session),
            2 => Some(Self::Tombstone),
            3 => Some(Self::Trailer),
            4 => Some(Self::Events),
            _ => None,
        }
    }
}
