//! The journal: what changed since a snapshot was begun, appended as it happens.
//!
//! ```text
//! file   = preamble head frame* zeros  integers are little-endian; every frame begins at a multiple of 512 bytes
//! preamble= magic[8] version:u32 crc32c(magic version):u32       the same in every version, as that of a snapshot
//! head   = length:u32 crc32c(header):u32 header[length]          after the preamble, in the first 512 bytes
//! frame  = magic[4] length:u32 number:u64 written_at:u64 crc32c(payload):u32 crc32c(the 28 bytes before):u32
//!          payload[length]
//! payload= (tag:u8 length:u32 record[length])*, sealed (16 bytes more) where there are keys
//! ```
//!
//! A frame is what one write made durable: all of it counts or none. Frames are numbered through all files of a chain,
//! so that one that is missing is noticed; both of its checksums start from the file's salt, so that a frame that lies
//! in another file is none. Files are filled with zeros ahead of what is written, so that a write changes nothing but
//! bytes. Frames begin at sectors of their own: no write touches a sector that holds an earlier one.
//!
//! Frames are sealed each by itself, by its number: nonces begin with random bytes of the file, and head and header are
//! associated data. A file is not written on once it was read, so that no number is used twice.
//!
//! # Which file follows which
//! `journal-<generation>-<segment>` holds what changed after the walk for the snapshot of that generation began, or
//! since the start of a service that restored it; a chain begins with the first segment of the generation that is restored. A
//! file says in its header which frame it goes on with: what an earlier file holds from that one on was never
//! acknowledged, and is not read. A gap ends the chain.

mod chain;
mod frame;
mod header;
mod latest;
mod reader;
mod records;
mod sealed;
mod writer;

pub(in crate::snapshot) use chain::walk;
pub(crate) use chain::{Chain, Cut, chain, is_blank};
pub(crate) use frame::Frame;
pub(crate) use header::JournalHeader;
pub(crate) use latest::{Laid, LogChange, Replay};
#[cfg(test)]
pub(in crate::snapshot) use reader::read;
pub(crate) use reader::{Read as JournalRead, Rest, read as read_journal};
#[cfg(test)]
pub(in crate::snapshot) use records::items;
pub(crate) use records::{DeltaRecord, GrowthRecord, JournalItem, TouchRecord, TrimRecord};
pub(crate) use writer::JournalWriter;

/// The first bytes of a journal; the first of them begins no text.
pub(crate) const MAGIC: [u8; 8] = *b"\x89SESJRNL";
/// The version that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;
/// Frames begin at multiples of it.
const SECTOR: u64 = 512;
