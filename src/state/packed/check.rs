//! Checking a packed buffer that comes from outside: every promise of the layout, in time linear in its length.

use super::header::Header;
use super::{HEADER, VERSION, WIDE};
use crate::config::MAX_ENTRIES;
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

/// Checks a whole buffer.
pub(super) fn validate(bytes: &[u8]) -> Result<(), PackedError> {
    let header = header(bytes)?;
    entries(bytes, &header)?;
    ttls(bytes, &header)
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
    if header.count as u64 > MAX_ENTRIES {
        return Err(layout("more entries than any session has"));
    }
    if header.timed > header.count {
        return Err(layout("more entries with a ttl than entries"));
    }
    if header.keys_at() > bytes.len() || bytes.len() < HEADER {
        return Err(layout("the tables are cut off"));
    }
    Ok(header)
}

/// Checks rows, keys and values, each entry with all that belongs to it.
fn entries(bytes: &[u8], header: &Header) -> Result<(), PackedError> {
    let rows = bytes.get(HEADER..header.timed_at()).unwrap_or_default().chunks_exact(3 * header.width());
    let payload = bytes.get(header.keys_at()..).unwrap_or_default();
    let [keys, ..] = rows.clone().next_back().and_then(|row| cells(row, header)).unwrap_or_default();
    let (keys, values) =
        usize::try_from(keys).ok().and_then(|keys| payload.split_at_checked(keys)).ok_or_else(unfilled)?;
    // In one go where that will do; most text is of such characters alone.
    let ascii = payload.is_ascii();
    let (mut key_end, mut value_end, mut base_used, mut newest) = (0, 0, header.count == 0, 0);
    let (mut before, mut scan): (&[u8], _) = (&[], scan::Scan::default());
    for (index, row) in rows.enumerate() {
        let [next_key, next_value, delta] = cells(row, header).ok_or_else(|| entry(index, "its row is cut off"))?;
        if next_key <= key_end || next_value <= value_end {
            return Err(entry(index, "its key or value is empty or starts before the one before it ends"));
        }
        if header.base.checked_add(delta).is_none() {
            return Err(entry(index, "its revision is beyond all numbers"));
        }
        let key = piece(keys, key_end, next_key).ok_or_else(unfilled)?;
        let value = piece(values, value_end, next_value).ok_or_else(unfilled)?;
        if key <= before {
            return Err(entry(index, "its key is out of order"));
        }
        if !ascii && str::from_utf8(key).is_err() {
            return Err(entry(index, "its key is not utf-8"));
        }
        if !ascii && str::from_utf8(value).is_err() {
            return Err(entry(index, "its value is not utf-8"));
        }
        // Both fit the slice that was just cut out.
        if !scan.compact(values, value_end as usize, next_value as usize) {
            return Err(entry(index, "its value is not compact json"));
        }
        (key_end, value_end, before) = (next_key, next_value, key);
        base_used |= delta == 0;
        newest = newest.max(delta);
    }
    if (key_end, value_end) != (keys.len() as u64, values.len() as u64) {
        return Err(unfilled());
    }
    if !base_used || (header.count == 0 && header.base != 0) {
        return Err(layout("the base is not the lowest revision"));
    }
    if header.wide != [key_end, value_end, newest].iter().any(|&figure| figure > u64::from(u32::MAX)) {
        return Err(layout("the tables are wide without need, or narrow"));
    }
    Ok(())
}

/// The three cells of a row.
#[inline]
fn cells(row: &[u8], header: &Header) -> Option<[u64; 3]> {
    if header.wide {
        let &[a, b, c] = row.as_chunks().0.first_chunk()?;
        Some([a, b, c].map(u64::from_le_bytes))
    } else {
        let &[a, b, c] = row.as_chunks().0.first_chunk()?;
        Some([a, b, c].map(|cell| u32::from_le_bytes(cell).into()))
    }
}

#[inline]
fn piece(all: &[u8], from: u64, to: u64) -> Option<&[u8]> {
    all.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
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

fn unfilled() -> PackedError {
    layout("keys and values do not fill the buffer exactly")
}

fn layout(what: &'static str) -> PackedError {
    PackedError::Layout { what }
}

fn entry(index: usize, what: &'static str) -> PackedError {
    PackedError::Entry { index, what }
}
