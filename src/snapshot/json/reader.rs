//! Reads the JSON format, a line at a time.

use serde::de::DeserializeOwned;

use super::{BEFORE_EVENTS, BEFORE_TOMBSTONES, BEFORE_TRAILER, Section, head, trailer, unique};
use crate::snapshot::reader::{Item, Scan};
use crate::snapshot::record::{EventsView, SessionView, TombstoneView};
use crate::snapshot::stream::{KEPT_BYTES, LineEnd, Source};
use crate::snapshot::writer::{FileHeader, Summary};
use crate::snapshot::{FileError, MAX_RECORD_BYTES};

/// A record, its comma, and the line break of another system's editor.
const MOST_LINE_BYTES: usize = MAX_RECORD_BYTES + 2;
/// What to do where a file fits itself no longer.
const EDITED: &str = "if it was edited by hand, import it as edited";

/// Reads a whole file, hands each record on, and checks counts and checksum at the end.
pub(in crate::snapshot) fn scan(source: &mut Source<'_>, scan: &mut Scan<'_>) -> Result<Summary, FileError> {
    let header = head::read(source)?;
    let edited = scan.options.accept_edited;
    let mut lines = Lines { source, line: Vec::new(), number: 1, start: 0, before: 0, cut: false, edited };
    let (mut section, mut first, mut comma) = (Section::Sessions, true, false);
    loop {
        lines.next()?;
        let text = lines.text()?;
        if edited && text.is_empty() {
            continue;
        }
        let next = after(section, header.version).filter(|(_, before)| text == *before);
        let ends = section == Section::Tombstones && text.starts_with(BEFORE_TRAILER);
        let section_ends = next.is_some() || ends;
        // Who edits a file by hand may lose or leave a comma; nothing else depends on them.
        if !edited && comma == (section_ends || first) {
            return Err(lines.damaged("a comma is missing or left over"));
        }
        if let Some((next, _)) = next {
            (section, first, comma) = (next, true, false);
        } else if ends {
            return lines.ended(scan, header);
        } else {
            let record = text.strip_suffix(',');
            (first, comma) = (false, record.is_some());
            let view = View::of(record.unwrap_or(text), section, header.version);
            lines.let_go();
            let index = scan.next_index();
            let view = view.map_err(|detail| FileError::Record { index, detail });
            if let Err(error) = view.and_then(|view| view.take(lines.start, scan)) {
                return Err(lines.settle(error));
            }
        }
    }
}

/// The section that comes after one, and the line before it.
fn after(section: Section, version: u32) -> Option<(Section, &'static str)> {
    match section {
        Section::Sessions if version > 1 => Some((Section::Events, BEFORE_EVENTS)),
        Section::Sessions | Section::Events => Some((Section::Tombstones, BEFORE_TOMBSTONES)),
        Section::Tombstones => None,
    }
}

/// A line that was understood; it holds nothing of the line itself.
enum View {
    Session(Box<SessionView>),
    Events(EventsView),
    Tombstone(TombstoneView),
}

impl View {
    fn of(text: &str, section: Section, version: u32) -> Result<Self, String> {
        // First for members named twice, then by type: what either takes is given back before the other.
        unique::check(text)?;
        Ok(match section {
            Section::Events => Self::Events(parse(text)?),
            Section::Tombstones => Self::Tombstone(parse(text)?),
            Section::Sessions => {
                let view: SessionView = parse(text)?;
                if version == 1 && view.is_later() {
                    return Err("version 1 remembers no keyed updates".to_owned());
                }
                Self::Session(Box::new(view))
            }
        })
    }

    /// Hands on the record.
    fn take(self, offset: u64, scan: &mut Scan<'_>) -> Result<(), FileError> {
        let index = scan.next_index();
        let unusable = |detail| FileError::Record { index, detail };
        match self {
            Self::Session(view) => {
                let record = view.into_record(scan.options.entries).map_err(unusable)?;
                scan.take(offset, Item::Session(&record.borrowed()))
            }
            Self::Events(view) => {
                let record = view.into_record().map_err(unusable)?;
                scan.take(offset, Item::Events(&record.borrowed()))
            }
            Self::Tombstone(view) => scan.take(offset, Item::Tombstone(&view.into())),
        }
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The lines of a file, with what is known before each.
struct Lines<'a, 'b> {
    source: &'a mut Source<'b>,
    line: Vec<u8>,
    number: u64,
    /// Where the line starts.
    start: u64,
    /// crc32c of the bytes before it.
    before: u32,
    /// The file ended before the line did.
    cut: bool,
    edited: bool,
}

impl Lines<'_, '_> {
    /// Reads the next line; there always is one until the trailer.
    fn next(&mut self) -> Result<(), FileError> {
        (self.start, self.before) = (self.source.offset(), self.source.checksum());
        self.number += 1;
        match self.source.line(MOST_LINE_BYTES, &mut self.line)? {
            LineEnd::Whole => Ok(()),
            LineEnd::TooLong => Err(self.damaged("a line is too long")),
            // Cut off, damaged, or by an editor that ends no last line: told apart in `ended`.
            LineEnd::Cut if self.line.starts_with(BEFORE_TRAILER.as_bytes()) => {
                self.cut = true;
                Ok(())
            }
            LineEnd::Cut => Err(FileError::Truncated),
        }
    }

    /// Gives back what a long line takes.
    fn let_go(&mut self) {
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES);
    }

    fn text(&self) -> Result<&str, FileError> {
        let text = std::str::from_utf8(&self.line).map_err(|error| self.damaged(&error.to_string()))?;
        Ok(if self.edited { text.trim() } else { text })
    }

    /// Checks the last line and that nothing follows it.
    fn ended(&mut self, scan: &Scan<'_>, header: FileHeader) -> Result<Summary, FileError> {
        let right = trailer(header.version, scan.sessions(), scan.events(), scan.tombstones(), self.before);
        if self.edited {
            return Ok(scan.summary(header, self.source.offset()));
        }
        if self.cut && right.as_bytes().starts_with(&self.line) {
            return Err(FileError::Truncated);
        }
        if self.cut || self.line != right.as_bytes() {
            return Err(self.damaged(&format!("counts or checksum do not fit; {EDITED}")));
        }
        if self.source.peek()?.is_some() {
            let offset = self.source.offset();
            return Err(FileError::Damaged { offset, detail: "the file goes on after its trailer".to_owned() });
        }
        Ok(scan.summary(header, self.source.offset()))
    }

    /// Tells a record that was damaged from one that was written so: the checksum decides.
    fn settle(&mut self, error: FileError) -> FileError {
        let FileError::Record { index, detail } = error else { return error };
        let detail = format!("line {}: {detail}", self.number);
        if self.edited {
            return FileError::Record { index, detail };
        }
        let damaged = FileError::Damaged { offset: self.start, detail: format!("{detail}; {EDITED}") };
        loop {
            match self.next() {
                Ok(()) if self.line.starts_with(BEFORE_TRAILER.as_bytes()) => break,
                Ok(()) => {}
                Err(FileError::Truncated) => return damaged,
                Err(error) => return error,
            }
        }
        let right = format!("\"checksum\":\"crc32c:{:08x}\"}}}}", self.before);
        if self.line.ends_with(right.as_bytes()) { FileError::Record { index, detail } } else { damaged }
    }

    fn damaged(&self, detail: &str) -> FileError {
        FileError::Damaged { offset: self.start, detail: format!("line {}: {detail}", self.number) }
    }
}
