//! The JSON format: one valid document, one record a line, made to be read, searched and edited.
//!
//! ```text
//! {"header":{"format":"sessile-snapshot-json-v1","version":1,...},"sessions":[
//! {"id":"cart_...",...},
//! {"digest":"...",...}
//! ],"tombstones":[
//! {"digest":"...",...}
//! ],"trailer":{"sessions":2,"tombstones":1,"checksum":"crc32c:0a1b2c3d"}}
//! ```
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
const FORMAT: &str = "sessile-snapshot-json-v1";
const BEFORE_HEADER: &str = "{\"header\":";
const BEFORE_SESSIONS: &str = ",\"sessions\":[";
const BEFORE_TOMBSTONES: &str = "],\"tombstones\":[";
const BEFORE_TRAILER: &str = "],\"trailer\":";

/// The last line, without its line break.
fn trailer(sessions: u64, tombstones: u64, checksum: u32) -> String {
    format!(
        "{BEFORE_TRAILER}{{\"sessions\":{sessions},\"tombstones\":{tombstones},\"checksum\":\"crc32c:{checksum:08x}\"}}}}"
    )
}
