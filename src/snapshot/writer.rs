//! Writes a file of state in either format, a record at a time.

use std::io::{self, Write};

use garde::Validate;

use super::binary::BinaryWriter;
use super::json::JsonWriter;
use super::record::{EntriesCodec, EventsRef, HeaderRecord, SessionRef, TombstoneRecord, check};
use super::stream::Sink;
use super::{MAX_RECORD_BYTES, VERSION, WriteError};
use crate::config::Format;

/// What a file says of itself at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// The version of its format.
    pub(crate) version: u32,
    /// Its format.
    pub(crate) format: Format,
    /// When it was begun: wall clock, microseconds since the Unix epoch.
    pub(crate) created_at: u64,
    /// Its number in the folder; zero for an export.
    pub(crate) generation: u64,
    /// The release that wrote it.
    pub(crate) service: String,
}

impl FileHeader {
    /// The header of a file that this release writes.
    pub(crate) fn new(format: Format, created_at: u64, generation: u64) -> Self {
        Self { version: VERSION, format, created_at, generation, service: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// What a whole file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// What it says of itself.
    pub(crate) header: FileHeader,
    /// Its sessions.
    pub(crate) sessions: u64,
    /// Its parts of event logs.
    pub(crate) events: u64,
    /// Its tombstones.
    pub(crate) tombstones: u64,
    /// Its size.
    pub(crate) bytes: u64,
}

/// Writes a header, sessions, event logs, tombstones and a trailer.
///
/// Each record is checked by the rules it is read back by, so no file is written that would be refused later. Without
/// [`Writer::finish`] a file is cut off, and refused as such.
pub(crate) struct Writer<'a> {
    inner: Inner<'a>,
    summary: Summary,
}

enum Inner<'a> {
    Binary(BinaryWriter<'a>),
    Json(JsonWriter<'a>),
}

/// What one of the formats met; the index is added here.
pub(super) enum Fault {
    Io(io::Error),
    Record(String),
    TooLarge(usize),
}

impl<'a> Writer<'a> {
    /// Begins a file in the header's format, as [`VERSION`].
    ///
    /// # Errors
    /// [`WriteError::Io`] when `output` fails.
    pub(crate) fn new(
        output: &'a mut dyn Write,
        header: FileHeader,
        entries: EntriesCodec,
    ) -> Result<Self, WriteError> {
        let header = FileHeader { version: VERSION, ..header };
        let FileHeader { created_at, generation, .. } = header;
        let stored = HeaderRecord { created_at, generation, service: header.service.clone() };
        check(&stored).map_err(|detail| WriteError::Record { index: 0, detail })?;
        let sink = Sink::new(output);
        let inner = match header.format {
            Format::Bincode => BinaryWriter::new(sink, &stored).map(Inner::Binary),
            Format::Json => JsonWriter::new(sink, stored, entries).map(Inner::Json),
        };
        let inner = inner.map_err(|fault| named(fault, 0))?;
        Ok(Self { inner, summary: Summary { header, sessions: 0, events: 0, tombstones: 0, bytes: 0 } })
    }

    /// Adds a session. One that is refused is not in the file, which can be continued without it.
    ///
    /// # Errors
    /// [`WriteError::Order`] after events or a tombstone; [`WriteError::Record`] and [`WriteError::TooLarge`] when the record
    /// could not be read back; [`WriteError::Io`] when the output fails, and the file is lost.
    pub(crate) fn session(&mut self, record: &SessionRef<'_>) -> Result<(), WriteError> {
        if self.summary.events + self.summary.tombstones > 0 {
            return Err(WriteError::Order);
        }
        let index = self.next_checked(record)?;
        match &mut self.inner {
            Inner::Binary(writer) => writer.session(record),
            Inner::Json(writer) => writer.session(record),
        }
        .map_err(|fault| named(fault, index))?;
        self.summary.sessions += 1;
        Ok(())
    }

    /// Adds a part of an event log, whose session is in the file.
    ///
    /// # Errors
    /// As [`Writer::session`].
    pub(crate) fn events(&mut self, record: &EventsRef<'_>) -> Result<(), WriteError> {
        if self.summary.tombstones > 0 {
            return Err(WriteError::Order);
        }
        let index = self.next_checked(record)?;
        match &mut self.inner {
            Inner::Binary(writer) => writer.events(record),
            Inner::Json(writer) => writer.events(record),
        }
        .map_err(|fault| named(fault, index))?;
        self.summary.events += 1;
        Ok(())
    }

    /// Adds a tombstone.
    ///
    /// # Errors
    /// As [`Writer::session`], without the order.
    pub(crate) fn tombstone(&mut self, record: &TombstoneRecord) -> Result<(), WriteError> {
        let index = self.next_checked(record)?;
        match &mut self.inner {
            Inner::Binary(writer) => writer.tombstone(record),
            Inner::Json(writer) => writer.tombstone(record),
        }
        .map_err(|fault| named(fault, index))?;
        self.summary.tombstones += 1;
        Ok(())
    }

    /// Ends the file with its trailer and flushes the output.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the output fails.
    pub(crate) fn finish(self) -> Result<Summary, WriteError> {
        let Self { inner, mut summary } = self;
        let bytes = match inner {
            Inner::Binary(writer) => writer.finish(&summary),
            Inner::Json(writer) => writer.finish(&summary),
        };
        summary.bytes = bytes.map_err(|fault| named(fault, 0))?;
        Ok(summary)
    }

    /// Checks a record; gives its number.
    fn next_checked<T: Validate<Context = ()>>(&self, record: &T) -> Result<u64, WriteError> {
        let index = self.summary.sessions + self.summary.events + self.summary.tombstones + 1;
        check(record).map_err(|detail| WriteError::Record { index, detail })?;
        Ok(index)
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

fn named(fault: Fault, index: u64) -> WriteError {
    match fault {
        Fault::Io(source) => WriteError::Io { step: "write the file", source },
        Fault::Record(detail) => WriteError::Record { index, detail },
        Fault::TooLarge(bytes) => WriteError::TooLarge { index, bytes, max: MAX_RECORD_BYTES },
    }
}
