//! Checking a packed buffer that comes from outside: every promise of the layout, in time linear in its length.

use super::header::Header;
use super::{HEADER, VERSION, WIDE};
use crate::state::scan;

/// Why a buffer is not entries in the packed layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PackedError {
    /// Made by a later version of this library.
    #[error("the entries have layout version {found}, this version reads up to {VERSION}; use a newer version")]
    Version {
        /// What the buffer says.
        found: u8,
    },
    /// The header or the tables contradict themselves or the length.
    #[error("the entries are damaged: {what}")]
    Layout {
        /// What does not fit.
        what: &'static str,
    },
    /// One entry is not as promised.
    #[error("entry {index} is damaged: {what}")]
    Entry {
        /// Its place in the table.
        index: usize,
        /// What does not fit.
        what: &'static str,
    },
}

/// Checks a whole buffer and gives its header.
pub(super) fn validate(bytes: &[u8]) -> Result<Header, PackedError> {
    let header = header(bytes)?;
    let (mut key_end, mut value_end, mut base_used, mut newest) = (0, 0, header.count == 0, 0);
    // Ends first: once they are known to grow and to fill the buffer exactly, no slice below can go astray.
    for index in 0..header.count {
        let cell = |cell| header.cell(bytes, index, cell).ok_or_else(|| entry(index, "its row is cut off"));
        let (key, value, delta) = (cell(0)?, cell(1)?, cell(2)?);
        if key <= key_end || value <= value_end {
            return Err(entry(index, "its key or value is empty or starts before the one before it ends"));
        }
        if header.base.checked_add(delta).is_none() {
            return Err(entry(index, "its revision is beyond all numbers"));
        }
        (key_end, value_end) = (key, value);
        base_used |= delta == 0;
        newest = newest.max(delta);
    }
    let payload = bytes.len().saturating_sub(header.keys_at()) as u64;
    if key_end.checked_add(value_end) != Some(payload) {
        return Err(layout("keys and values do not fill the buffer exactly"));
    }
    if !base_used || (header.count == 0 && header.base != 0) {
        return Err(layout("the base is not the lowest revision"));
    }
    if header.wide != [key_end, value_end, newest].iter().any(|&figure| figure > u64::from(u32::MAX)) {
        return Err(layout("the tables are wide without need, or narrow"));
    }
    texts(bytes, &header)?;
    ttls(bytes, &header)?;
    Ok(header)
}

fn header(bytes: &[u8]) -> Result<Header, PackedError> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&found) if found > VERSION => return Err(PackedError::Version { found }),
        _ => return Err(layout("no layout version")),
    }
    let header = Header::read(bytes).ok_or_else(|| layout("the header is cut off"))?;
    if bytes.get(1).is_some_and(|flags| flags & !WIDE != 0) || bytes.get(2..4) != Some(&[0, 0]) {
        return Err(layout("a reserved bit is set"));
    }
    if header.timed > header.count {
        return Err(layout("more entries with a ttl than entries"));
    }
    if header.keys_at() > bytes.len() || bytes.len() < HEADER {
        return Err(layout("the tables are cut off"));
    }
    Ok(header)
}

fn texts(bytes: &[u8], header: &Header) -> Result<(), PackedError> {
    // In one go where that will do; a piece that is cut out of it between two characters is utf-8 as well.
    let all = bytes.get(header.keys_at()..).and_then(|payload| str::from_utf8(payload).ok());
    let start = header.end(bytes, header.count, 0).unwrap_or_default();
    let text = |span: Option<(usize, usize)>, at: usize| {
        let (from, to) = span?;
        let (from, to) = (from.checked_add(at)?, to.checked_add(at)?);
        all.and_then(|all| all.get(from..to))
    };
    let (mut before, mut scan): (&[u8], _) = (&[], scan::Scan::default());
    for index in 0..header.count {
        let key = header.key(bytes, index).ok_or_else(|| entry(index, "its key is cut off"))?;
        if key <= before {
            return Err(entry(index, "its key is out of order"));
        }
        if text(header.span(bytes, index, 0), 0).is_none() && str::from_utf8(key).is_err() {
            return Err(entry(index, "its key is not utf-8"));
        }
        let value = match text(header.span(bytes, index, 1), start) {
            Some(value) => value,
            None => {
                let value = header.value(bytes, index).ok_or_else(|| entry(index, "its value is cut off"))?;
                str::from_utf8(value).map_err(|_| entry(index, "its value is not utf-8"))?
            }
        };
        if scan.check(value) != Ok(true) {
            return Err(entry(index, "its value is not compact json"));
        }
        before = key;
    }
    Ok(())
}

fn ttls(bytes: &[u8], header: &Header) -> Result<(), PackedError> {
    let mut next = 0;
    for row in 0..header.timed {
        let (index, _) = header.ttl(bytes, row).ok_or_else(|| layout("a ttl is of no known kind, or zero"))?;
        if index < next || index >= header.count {
            return Err(layout("a ttl belongs to no entry, or is out of order"));
        }
        next = index + 1;
    }
    Ok(())
}

fn layout(what: &'static str) -> PackedError {
    PackedError::Layout { what }
}

fn entry(index: usize, what: &'static str) -> PackedError {
    PackedError::Entry { index, what }
}
