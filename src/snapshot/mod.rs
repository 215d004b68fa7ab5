//! Files of state: what is written down, how it is spelled, and the folder that keeps it.
//!
//! Nothing here knows of actors or of live sessions: the layer above converts them to records and back. In reading
//! order:
//!
//! 1. [`record`]: the stored form, `v1` and `v2`, of sessions, event logs and tombstones; the only types that files are
//!    made from.
//! 2. [`codec`]: a record as bytes, by bincode.
//! 3. [`binary`] and [`json`]: the two file formats. Both are streams of records between a header, which names version,
//!    time, generation and service, and a trailer, which holds counts and a checksum of every byte before it.
//!    Sessions come first, then event logs in parts, so that either format can be written while the other is read; and
//!    tombstones last, so a session that ended while the file was being written is in it
//!    twice, and the tombstone is the later word.
//! 4. [`Writer`], and [`verify`] and [`read`]: the formats behind one door, with bounded memory both ways.
//! 5. [`FileLayer`]: what is asked of a file system, so that its faults can be simulated.
//! 6. [`chain`], [`JournalWriter`]: what changed since a snapshot, appended as it happens.
//! 7. [`wrapped`] and [`open`]: seals and compression around the bytes of either format.
//! 8. [`Folder`]: generations of files, written whole or not at all, and the choice of the one to restore.
//!
//! # What every version keeps
//! The first bytes tell format and version apart from anything else and check themselves, so a file of a newer version
//! is told apart from a damaged one: 16 bytes in the binary format ([`binary`]), the first two members in JSON
//! ([`json`]). A file that is wrapped ([`seal`]) begins like the binary format, with a magic of its own.

mod binary;
mod codec;
mod error;
mod export;
mod folder;
mod journal;
mod json;
mod layer;
mod preamble;
mod reader;
mod record;
mod seal;
mod stream;
mod writer;

pub(crate) use error::{FileError, FolderError, RecordError, RestoreError, WriteError};
pub(crate) use export::write_new;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use folder::JournalFile;
pub(crate) use folder::{BeginError, Folder, Found, GenerationFile, generations, is_journal_name, journals};
pub(crate) use journal::{
    Chain, Cut, DeltaRecord, Frame, GrowthRecord, JournalItem, JournalRead, JournalWriter, Laid, LogChange,
    MAGIC as JOURNAL_MAGIC, Replay, Rest, TouchRecord, TrimRecord, VERSION as JOURNAL_VERSION, chain, is_blank,
    read_journal,
};
#[cfg(test)]
pub(crate) use layer::ListedKind;
pub(crate) use layer::{FileLayer, StdLayer};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use layer::{LayerFile, Listed, Lock};
pub(crate) use reader::{Item, ReadOptions, header, lanes, read, read_on_all_cores, verify};
#[cfg(feature = "rmcp")]
pub(crate) use record::spell_time;
pub(crate) use record::{
    AppliedRecord, EndRecord, EventRecord, EventsRecord, EventsRef, OwnerRecord, Role, SessionRecord, SessionRef,
    SlidingRecord, TombstoneRecord, entries_codec,
};
pub(crate) use seal::{Opened, open, wrapped};
pub(crate) use writer::{FileHeader, Summary, Writer};

/// The version of the file formats that is written, and the newest that is read.
pub(crate) const VERSION: u32 = 2;
/// The most bytes that one stored session may have, in either format: 1 GiB.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests;
