//! The JSON format: one valid document, one record a line, made to be read, searched and edited.
//!
//! ```text
//! {"header":{"format":"sessile-snapshot-json-v2","version":2,...},"sessions":[
//! {"id":"cart_...",...},
//! {"digest":"...",...}
//! ],"events":[
//! {"digest":"...",...}
//! ],"tombstones":[
//! {"digest":"...",...}
//! ],"trailer":{"sessions":2,"events":1,"tombstones":1,"checksum":"crc32c:0a1b2c3d"}}
//! ```
//!
//! Files of version 1 have no events, and do not count them.
//!
//! The checksum is of all bytes before the last line; the last line itself must be the very one that a writer would
//! have written. The header names its version twice in every version, so that a flipped bit in one of the two is told
//! apart from a newer file.

mod head;
mod reader;
mod unique;
mod writer;

pub(super) use head::read as header;
pub(super) use reader::scan;
pub(super) use writer::JsonWriter;

/// What every version begins with; the version follows, twice.
const START: &str = "{\"header\":{\"format\":\"sessile-snapshot-json-v";
const FORMAT: &str = "sessile-snapshot-json-v2";
const BEFORE_HEADER: &str = "{\"header\":";
const BEFORE_SESSIONS: &str = ",\"sessions\":[";
const BEFORE_EVENTS: &str = "],\"events\":[";
const BEFORE_TOMBSTONES: &str = "],\"tombstones\":[";
const BEFORE_TRAILER: &str = "],\"trailer\":";

/// What the records at hand are; in the order of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Section {
    Sessions,
    Events,
    Tombstones,
}

/// The last line of a version's file, without its line break.
fn trailer(version: u32, sessions: u64, events: u64, tombstones: u64, checksum: u32) -> String {
    let events = if version == 1 { String::new() } else { format!("\"events\":{events},") };
    format!(
        "{BEFORE_TRAILER}{{\"sessions\":{sessions},{events}\"tombstones\":{tombstones},\"checksum\":\"crc32c:{checksum:08x}\"}}}}"
    )
}
