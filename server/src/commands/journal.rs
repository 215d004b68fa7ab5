//! What `inspect` and `verify` tell of a journal.

use std::fmt::Write as _;
use std::path::Path;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use sessile::files::{Journal, JournalRest};

use super::{counted, one_line, row, time};

/// In full, for people.
pub(super) fn as_text(file: &Path, held: &Journal) -> String {
    let mut text = String::new();
    row(&mut text, "file", file.display());
    row(&mut text, "format", format_args!("journal, version {}", held.version));
    let (begun, release) = (time(held.begun_at), one_line(&held.release));
    let place = format!("number {} after generation {}", held.segment, held.generation);
    row(&mut text, "begun", format_args!("{begun} by release {release}, {place}"));
    row(&mut text, "size", format_args!("{} ({} of {} bytes used)", HumanBytes(held.bytes), held.used, held.bytes));
    if let Some(key) = &held.sealed_under {
        row(&mut text, "wrapped", format_args!("sealed under key {key}"));
    }
    let frames = counted(held.frames, "frame");
    row(&mut text, "frames", format_args!("{frames}, from {}; the next is {}", held.first_frame, held.next_frame));
    row(&mut text, "written", time(held.written_at));
    row(&mut text, "holds", records(held));
    row(&mut text, "rest", rest(held));
    text
}

/// In a line.
pub(super) fn line(held: &Journal) -> String {
    let frames = counted(held.frames, "frame");
    let mut text = format!("journal, {frames}, {}, {} bytes", records(held), held.used);
    if let Some(key) = &held.sealed_under {
        let _ = write!(text, ", sealed under key {key}");
    }
    if held.rest != JournalRest::Clean {
        let _ = write!(text, "; {}", rest(held));
    }
    text
}

/// For programs.
pub(super) fn as_json(file: &Path, held: &Journal) -> Value {
    let records = held.records;
    json!({
        "file": file.display().to_string(),
        "ok": held.is_whole(),
        "journal": {
            "version": held.version, "generation": held.generation, "segment": held.segment,
            "begun_at": time(held.begun_at), "release": held.release,
        },
        "sealed_under": held.sealed_under,
        "first_frame": held.first_frame, "frames": held.frames, "next_frame": held.next_frame,
        "written_at": time(held.written_at), "used": held.used, "bytes": held.bytes,
        "records": {
            "sessions": records.sessions, "changes": records.changes, "events": records.events,
            "last_uses": records.last_uses,
            "ends": records.ends,
        },
        "rest": word(held.rest),
    })
}

fn records(held: &Journal) -> String {
    let records = held.records;
    let (sessions, changes) = (counted(records.sessions, "session"), counted(records.changes, "change"));
    let (uses, ends) = (counted(records.last_uses, "last use"), counted(records.ends, "end"));
    format!("{sessions}, {changes}, {uses}, {ends}")
}

fn rest(held: &Journal) -> String {
    let at = held.used;
    match held.rest {
        JournalRest::Clean => "nothing after the last frame".to_owned(),
        JournalRest::CutShort => format!("a write cut short at byte {at}, of which nobody had been told"),
        _ => format!("damaged at byte {at}, what was written from there on is lost"),
    }
}

/// A stable word for programs.
const fn word(rest: JournalRest) -> &'static str {
    match rest {
        JournalRest::Clean => "clean",
        JournalRest::CutShort => "cut_short",
        _ => "damaged",
    }
}
