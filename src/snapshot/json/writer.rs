//! Writes the JSON format, a line at a time.

use serde::Serialize;

use super::{BEFORE_EVENTS, BEFORE_HEADER, BEFORE_SESSIONS, BEFORE_TOMBSTONES, FORMAT, Section, trailer};
use crate::snapshot::record::{
    EntriesCodec, EventsRef, EventsView, HeaderRecord, HeaderView, SessionRef, SessionView, TombstoneRecord,
    TombstoneView,
};
use crate::snapshot::stream::Sink;
use crate::snapshot::writer::{Fault, Summary};
use crate::snapshot::{MAX_RECORD_BYTES, VERSION};

/// The most memory that a line keeps for the next one.
const KEPT_BYTES: usize = 1 << 20;

/// Spells records out, a line each.
pub(in crate::snapshot) struct JsonWriter<'a> {
    sink: Sink<'a>,
    entries: EntriesCodec,
    line: Vec<u8>,
    /// What stands between the last line and the next one.
    between: &'static str,
    section: Section,
}

impl<'a> JsonWriter<'a> {
    /// Begins a file.
    pub(in crate::snapshot) fn new(sink: Sink<'a>, header: HeaderRecord, entries: EntriesCodec) -> Result<Self, Fault> {
        let mut writer = Self { sink, entries, line: Vec::new(), between: "\n", section: Section::Sessions };
        let HeaderRecord { created_at, generation, service } = header;
        let view = HeaderView { format: FORMAT.to_owned(), version: VERSION, created_at, generation, service };
        writer.spell(&view)?;
        writer.sink.put(BEFORE_HEADER.as_bytes())?;
        writer.sink.put(&writer.line)?;
        writer.sink.put(BEFORE_SESSIONS.as_bytes())?;
        Ok(writer)
    }

    pub(in crate::snapshot) fn session(&mut self, record: &SessionRef<'_>) -> Result<(), Fault> {
        let view = SessionView::of(record, self.entries).map_err(Fault::Record)?;
        self.spell(&view)?;
        self.put_line()
    }

    pub(in crate::snapshot) fn events(&mut self, record: &EventsRef<'_>) -> Result<(), Fault> {
        let view = EventsView::of(record).map_err(Fault::Record)?;
        self.begin(Section::Events)?;
        self.spell(&view)?;
        self.put_line()
    }

    pub(in crate::snapshot) fn tombstone(&mut self, record: &TombstoneRecord) -> Result<(), Fault> {
        self.begin(Section::Tombstones)?;
        self.spell(&TombstoneView::from(record))?;
        self.put_line()
    }

    /// Ends the file; gives its bytes.
    pub(in crate::snapshot) fn finish(mut self, summary: &Summary) -> Result<u64, Fault> {
        self.begin(Section::Tombstones)?;
        self.sink.put(b"\n")?;
        let mut last = trailer(VERSION, summary.sessions, summary.events, summary.tombstones, self.sink.checksum());
        last.push('\n');
        self.sink.put(last.as_bytes())?;
        self.sink.flush()?;
        Ok(self.sink.bytes())
    }

    /// Goes on to a section, over those between.
    fn begin(&mut self, section: Section) -> Result<(), Fault> {
        while self.section < section {
            let (next, before) = match self.section {
                Section::Sessions => (Section::Events, BEFORE_EVENTS),
                _ => (Section::Tombstones, BEFORE_TOMBSTONES),
            };
            (self.section, self.between) = (next, "\n");
            self.sink.put(b"\n")?;
            self.sink.put(before.as_bytes())?;
        }
        Ok(())
    }

    /// Puts a record into `line`, so that one that is refused leaves no trace in the file.
    fn spell<T: Serialize>(&mut self, view: &T) -> Result<(), Fault> {
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES);
        serde_json::to_writer(&mut self.line, view).map_err(|error| Fault::Record(error.to_string()))?;
        if self.line.len() > MAX_RECORD_BYTES {
            return Err(Fault::TooLarge(self.line.len()));
        }
        if self.line.contains(&b'\n') {
            return Err(Fault::Record("a value is not compact json".to_owned()));
        }
        Ok(())
    }

    fn put_line(&mut self) -> Result<(), Fault> {
        self.sink.put(self.between.as_bytes())?;
        self.sink.put(&self.line)?;
        self.between = ",\n";
        Ok(())
    }
}
