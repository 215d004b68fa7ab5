//! Reads the first line of the JSON format.

use super::{BEFORE_HEADER, BEFORE_SESSIONS, START};
use crate::config::Format;
use crate::snapshot::record::{HeaderRecord, HeaderView, check};
use crate::snapshot::stream::{LineEnd, Source};
use crate::snapshot::writer::FileHeader;
use crate::snapshot::{FileError, VERSION};

/// The first line is short, so that any other file that begins with a brace is not read to its end.
const MOST_BYTES: usize = 64 << 10;

/// Reads the header and tells a newer version from damage.
pub(in crate::snapshot) fn read(source: &mut Source<'_>) -> Result<FileHeader, FileError> {
    let mut line = Vec::new();
    let end = source.line(MOST_BYTES, &mut line)?;
    let cut = matches!(end, LineEnd::Cut);
    let Some(told) = line.strip_prefix(START.as_bytes()) else {
        return Err(if cut && START.as_bytes().starts_with(&line) { FileError::Truncated } else { FileError::NotOurs });
    };
    // Whole lines only: half a number is another number.
    if cut {
        return Err(FileError::Truncated);
    }
    let told = std::str::from_utf8(told).map_err(damaged)?;
    let version = match version(told) {
        Some(version @ 1..=VERSION) => version,
        Some(found) if found > VERSION => return Err(FileError::NewerVersion { found, supported: VERSION }),
        _ => return Err(damaged("the version is not named twice alike")),
    };
    let line = std::str::from_utf8(&line).map_err(damaged)?.trim_end_matches('\r');
    let header = line.strip_prefix(BEFORE_HEADER).and_then(|line| line.strip_suffix(BEFORE_SESSIONS));
    let header = header.ok_or_else(|| damaged("the first line is not a header"))?;
    let HeaderView { created_at, generation, service, .. } = serde_json::from_str(header).map_err(damaged)?;
    let stored = HeaderRecord { created_at, generation, service };
    check(&stored).map_err(damaged)?;
    Ok(FileHeader { version, format: Format::Json, created_at, generation, service: stored.service })
}

/// The version, where both places agree on it.
fn version(told: &str) -> Option<u32> {
    let (first, rest) = told.split_once("\",\"version\":")?;
    let (second, _) = rest.split_once([',', '}'])?;
    let plain = first == second && first.bytes().all(|byte| byte.is_ascii_digit()) && !first.starts_with('0');
    first.parse().ok().filter(|_| plain)
}

fn damaged(detail: impl ToString) -> FileError {
    FileError::Damaged { offset: 0, detail: detail.to_string() }
}
