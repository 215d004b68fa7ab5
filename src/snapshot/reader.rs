//! Reads a file of state in either format, a record at a time.

use std::io::Read;
use std::thread;

use super::record::{EntriesCodec, EventsRef, SessionRef, TombstoneRecord, check};
use super::stream::Source;
use super::writer::{FileHeader, Summary};
use super::{FileError, RecordError, binary, json};
use crate::config::Format;

/// More threads than this have one thread's reading to wait for.
const MOST_LANES: usize = 8;

/// What a file is made of.
#[derive(Clone, Copy)]
pub(crate) enum Item<'a> {
    /// A session.
    Session(&'a SessionRef<'a>),
    /// A part of an event log.
    Events(&'a EventsRef<'a>),
    /// A tombstone.
    Tombstone(&'a TombstoneRecord),
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadOptions {
    /// How entries are packed.
    pub(crate) entries: EntriesCodec,
    /// Takes a JSON file that was edited by hand: its counts and checksum are not looked at. Each record still is.
    pub(crate) accept_edited: bool,
}

/// Reads what a file says of itself at its start, and no further: the rest may be damaged.
///
/// # Errors
/// Every [`FileError`] but [`FileError::Record`].
pub(crate) fn header(input: &mut dyn Read) -> Result<FileHeader, FileError> {
    let mut source = Source::new(input);
    match format_of(&mut source)? {
        Format::Bincode => binary::header(&mut source),
        Format::Json => json::header(&mut source),
    }
}

/// Reads a whole file and checks header, structure, counts, checksums and every record, before anything is built.
///
/// # Errors
/// Every [`FileError`].
pub(crate) fn verify(input: &mut dyn Read, options: &ReadOptions) -> Result<Summary, FileError> {
    let entries = options.entries;
    read(input, options, &mut |item| match item {
        Item::Session(record) => {
            (entries.check)(record.entries).map_err(|detail| RecordError(format!("its entries: {detail}")))
        }
        Item::Events(_) | Item::Tombstone(_) => Ok(()),
    })
}

/// Reads a file and hands each record to `each`, in the file's order: sessions, then event logs in parts, then tombstones.
///
/// Whether a part has its session and continues the one before is for whoever puts the parts together.
///
/// Counts and checksum are known at the end only. Run [`verify`] first, or throw away on an error what was built.
///
/// # Errors
/// Every [`FileError`]; [`FileError::Record`] for what `each` refuses.
pub(crate) fn read(
    input: &mut dyn Read,
    options: &ReadOptions,
    each: &mut dyn FnMut(Item<'_>) -> Result<(), RecordError>,
) -> Result<Summary, FileError> {
    let mut source = Source::new(input);
    match format_of(&mut source)? {
        Format::Bincode => binary::scan(&mut source, each),
        Format::Json => json::scan(&mut source, &mut Scan::new(*options, each)),
    }
}

/// Reads a file on many threads where its format allows that: each of `builders`, of which there is one at least, makes
/// something of records on a thread of its own, and `each` is handed that, on this one and in the file's order.
///
/// As with [`read`], what was built is to be thrown away on an error; it is the same that `read` would give.
///
/// # Errors
/// Every [`FileError`]; [`FileError::Record`] for what a builder or `each` refuses.
pub(crate) fn read_on_all_cores<T: Send, B: FnMut(Item<'_>) -> Result<T, RecordError> + Send>(
    input: &mut dyn Read,
    options: &ReadOptions,
    mut builders: Vec<B>,
    each: &mut dyn FnMut(T) -> Result<(), RecordError>,
) -> Result<Summary, FileError> {
    let mut source = Source::new(input);
    match format_of(&mut source)? {
        Format::Bincode => binary::scan_on_all_cores(&mut source, builders, each),
        Format::Json => {
            let each = &mut |item: Item<'_>| match builders.first_mut() {
                Some(build) => each(build(item)?),
                None => Ok(()),
            };
            json::scan(&mut source, &mut Scan::new(*options, each))
        }
    }
}

/// How many builders keep all cores busy.
pub(crate) fn lanes() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MOST_LANES)
}

fn format_of(source: &mut Source<'_>) -> Result<Format, FileError> {
    match source.peek()? {
        None => Err(FileError::Empty),
        Some(byte) if byte == binary::MAGIC[0] => Ok(Format::Bincode),
        Some(b'{') => Ok(Format::Json),
        Some(_) => Err(FileError::NotOurs),
    }
}

/// What one pass over a file that is read line by line has met.
pub(super) struct Scan<'a> {
    pub(super) options: ReadOptions,
    each: &'a mut dyn FnMut(Item<'_>) -> Result<(), RecordError>,
    sessions: u64,
    events: u64,
    tombstones: u64,
}

impl<'a> Scan<'a> {
    fn new(options: ReadOptions, each: &'a mut dyn FnMut(Item<'_>) -> Result<(), RecordError>) -> Self {
        Self { options, each, sessions: 0, events: 0, tombstones: 0 }
    }

    /// Checks a record that was met at `offset`, counts it and hands it on.
    pub(super) fn take(&mut self, offset: u64, item: Item<'_>) -> Result<(), FileError> {
        let flaws = match item {
            Item::Session(_) if self.tombstones > 0 => {
                let detail = "a session stands after the tombstones".to_owned();
                return Err(FileError::Damaged { offset, detail });
            }
            Item::Session(_) if self.events > 0 => {
                let detail = "a session stands after the events".to_owned();
                return Err(FileError::Damaged { offset, detail });
            }
            Item::Events(_) if self.tombstones > 0 => {
                let detail = "events stand after the tombstones".to_owned();
                return Err(FileError::Damaged { offset, detail });
            }
            Item::Session(record) => {
                self.sessions += 1;
                check(record)
            }
            Item::Events(record) => {
                self.events += 1;
                check(record)
            }
            Item::Tombstone(record) => {
                self.tombstones += 1;
                check(record)
            }
        };
        let index = self.next_index() - 1;
        flaws.map_err(|detail| FileError::Record { index, detail })?;
        (self.each)(item).map_err(|RecordError(detail)| FileError::Record { index, detail })
    }

    /// The number of the record that comes next.
    pub(super) const fn next_index(&self) -> u64 {
        self.sessions + self.events + self.tombstones + 1
    }

    pub(super) const fn sessions(&self) -> u64 {
        self.sessions
    }

    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    pub(super) const fn tombstones(&self) -> u64 {
        self.tombstones
    }

    pub(super) const fn summary(&self, header: FileHeader, bytes: u64) -> Summary {
        Summary { header, sessions: self.sessions, events: self.events, tombstones: self.tombstones, bytes }
    }
}
