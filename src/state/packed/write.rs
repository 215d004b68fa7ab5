//! Writing the packed layout.

use super::{ABSOLUTE, HEADER, SLIDING, TTL_ROW, VERSION, WIDE};
use crate::state::entries::EntryRef;
use crate::state::lifetime::Expiry;
use crate::time::micros;

/// Writes entries that are sorted by key; `entries` is called once for each pass over them.
pub(in crate::state) fn encode<'a, I: Iterator<Item = EntryRef<'a>>>(entries: impl Fn() -> I) -> Vec<u8> {
    let (mut count, mut timed, mut keys, mut values) = (0_u32, 0_u32, 0_u64, 0_u64);
    let (mut base, mut newest) = (u64::MAX, 0);
    for entry in entries() {
        count += 1;
        timed += u32::from(entry.expiry != Expiry::Never);
        keys += entry.key.len() as u64;
        values += entry.value.len() as u64;
        base = base.min(entry.revision.get());
        newest = newest.max(entry.revision.get());
    }
    let base = if count == 0 { 0 } else { base };
    let wide = [keys, values, newest - base].iter().any(|&figure| figure > u64::from(u32::MAX));
    let width = if wide { 8 } else { 4 };
    let tables = HEADER + count as usize * 3 * width + timed as usize * TTL_ROW;
    let mut out = Vec::with_capacity(tables.saturating_add(usize::try_from(keys + values).unwrap_or(0)));

    out.extend(header(wide, count, timed, base));
    let (mut key_end, mut value_end) = (0_u64, 0_u64);
    for entry in entries() {
        key_end += entry.key.len() as u64;
        value_end += entry.value.len() as u64;
        for cell in [key_end, value_end, entry.revision.get() - base] {
            out.extend(cell.to_le_bytes().iter().take(width));
        }
    }
    for (index, entry) in (0_u32..).zip(entries()) {
        ttl(&mut out, index, entry.expiry);
    }
    entries().for_each(|entry| out.extend(entry.key.as_bytes()));
    entries().for_each(|entry| out.extend(entry.value.as_bytes()));
    out
}

/// The bytes before the tables.
pub(super) fn header(wide: bool, count: u32, timed: u32, base: u64) -> [u8; HEADER] {
    let flags = if wide { WIDE } else { 0 };
    let ([a, b, c, d], [e, f, g, h]) = (count.to_le_bytes(), timed.to_le_bytes());
    let [i, j, k, l, m, n, o, p] = base.to_le_bytes();
    [VERSION, flags, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Writes the row of an entry that has a ttl.
pub(super) fn ttl(out: &mut Vec<u8>, index: u32, expiry: Expiry) {
    let (kind, micros) = match expiry {
        Expiry::Never => return,
        Expiry::At(at) => (ABSOLUTE, at.as_micros()),
        Expiry::Sliding(ttl) => (SLIDING, micros(ttl).max(1)),
    };
    out.extend(index.to_le_bytes());
    out.push(kind);
    out.extend(micros.to_le_bytes());
}
