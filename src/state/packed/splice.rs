//! A buffer with changes laid into it: what they leave alone is copied in runs, not entry by entry.

use std::ops::Range;

use super::header::Header;
use super::{HEADER, TTL_ROW, VERSION, write};
use crate::state::entries::{EntryRef, is_large};
use crate::state::lifetime::Expiry;

/// A row of the narrow table: key end, value end, revision.
const ROW: usize = 12;

/// One change, and where in the buffer it falls.
pub(in crate::state) struct Edit<'a> {
    /// Of the entry that it replaces or removes, or of the one that it goes before.
    at: usize,
    /// Whether the entry there makes way.
    replaces: bool,
    new: Option<EntryRef<'a>>,
}

impl<'a> Edit<'a> {
    pub(super) fn of(found: Result<usize, usize>, new: Option<EntryRef<'a>>) -> Option<Self> {
        match found {
            Ok(at) => Some(Self { at, replaces: true, new }),
            Err(at) => new.is_some().then_some(Self { at, replaces: false, new }),
        }
    }

    /// Whether its value is too large to be packed.
    pub(in crate::state) fn puts_large(&self) -> bool {
        self.new.is_some_and(|new| is_large(new.value))
    }

    fn next(&self) -> usize {
        self.at + usize::from(self.replaces)
    }
}

/// What the outcome holds.
#[derive(Default)]
pub(in crate::state) struct Totals {
    pub(in crate::state) count: usize,
    pub(in crate::state) payload: usize,
    keys: usize,
    timed: usize,
    base: u64,
}

impl Totals {
    /// Adds up what `edits` make of a buffer; `None` when a cell would not fit the narrow table, or none does now.
    pub(super) fn of(old: &Header, bytes: &[u8], edits: &[Edit<'_>]) -> Option<Self> {
        let old_keys = if old.count == 0 { 0 } else { old.end(bytes, old.count, 0)? };
        let mut totals = Self {
            count: old.count,
            payload: bytes.len().checked_sub(old.keys_at())?,
            keys: old_keys,
            timed: old.timed,
            base: old.base,
        };
        let (mut lowest_goes, mut lowest, mut highest) = (old.count == 0, u64::MAX, 0);
        for edit in edits {
            if edit.replaces {
                let (key, value) = (old.key(bytes, edit.at)?.len(), old.value(bytes, edit.at)?.len());
                totals.count -= 1;
                totals.keys -= key;
                totals.payload -= key + value;
                totals.timed -= usize::from(old.expiry(bytes, edit.at) != Expiry::Never);
                lowest_goes |= old.cell(bytes, edit.at, 2)? == 0;
            }
            if let Some(new) = &edit.new {
                totals.count += 1;
                totals.keys += new.key.len();
                totals.payload += new.key.len() + new.value.len();
                totals.timed += usize::from(new.expiry != Expiry::Never);
                lowest = lowest.min(new.revision.get());
                highest = highest.max(new.revision.get());
            }
        }
        if lowest_goes {
            let mut deltas = runs(edits, old.count).flat_map(|(run, _)| run);
            let left = deltas.try_fold(u64::MAX, |low, index| Some(low.min(old.cell(bytes, index, 2)?)))?;
            totals.base = old.base.saturating_add(left).min(lowest);
        }
        if totals.count == 0 {
            totals.base = 0;
        }
        // Differences in the old table fit, so they do above a base that is no lower.
        let lower = old.count > 0 && totals.count > 0 && totals.base.min(lowest) < old.base;
        let narrow = u64::from(u32::MAX);
        let far = highest.saturating_sub(totals.base) > narrow || totals.payload as u64 > narrow;
        (!old.wide && !lower && !far).then_some(totals)
    }
}

/// Writes the outcome, in one allocation.
pub(super) fn splice(old: &Header, bytes: &[u8], edits: &[Edit<'_>], totals: &Totals) -> Option<Box<[u8]>> {
    let tables = HEADER + totals.count * ROW + totals.timed * TTL_ROW;
    let mut out = Vec::with_capacity(tables + totals.payload);
    out.extend_from_slice(&[VERSION, 0, 0, 0]);
    out.extend_from_slice(&u32::try_from(totals.count).ok()?.to_le_bytes());
    out.extend_from_slice(&u32::try_from(totals.timed).ok()?.to_le_bytes());
    out.extend_from_slice(&totals.base.to_le_bytes());
    rows(old, bytes, edits, totals.base, &mut out)?;
    if totals.timed > 0 {
        ttls(old, bytes, edits, &mut out)?;
    }
    let keys_at = old.keys_at();
    let values_at = keys_at + if old.count == 0 { 0 } else { old.end(bytes, old.count, 0)? };
    for (cell, at) in [(0, keys_at), (1, values_at)] {
        for (run, edit) in runs(edits, old.count) {
            let (start, end) = (old.end(bytes, run.start, cell)?, old.end(bytes, run.end, cell)?);
            out.extend_from_slice(bytes.get(at + start..at + end)?);
            if let Some(new) = edit.and_then(|edit| edit.new.as_ref()) {
                out.extend_from_slice(if cell == 0 { new.key.as_bytes() } else { new.value.as_bytes() });
            }
        }
    }
    Some(out.into_boxed_slice())
}

/// The entries that stay, in runs, each with the edit that follows it.
fn runs<'e, 'a>(edits: &'e [Edit<'a>], count: usize) -> impl Iterator<Item = (Range<usize>, Option<&'e Edit<'a>>)> {
    let mut next = 0;
    edits.iter().map(Some).chain([None]).map(move |edit| {
        let run = next..edit.map_or(count, |edit| edit.at);
        next = edit.map_or(count, Edit::next);
        (run, edit)
    })
}

fn rows(old: &Header, bytes: &[u8], edits: &[Edit<'_>], base: u64, out: &mut Vec<u8>) -> Option<()> {
    let (table, _) = bytes.get(HEADER..old.timed_at())?.as_chunks::<ROW>();
    // Ends move by what was put in minus what went before them: below zero too, so the sums wrap.
    let (mut key_shift, mut value_shift) = (0_u32, 0_u32);
    let older = if old.count == 0 { 0 } else { u32::try_from(base - old.base).ok()? };
    for (run, edit) in runs(edits, old.count) {
        let stays = table.get(run)?;
        if (key_shift, value_shift, older) == (0, 0, 0) {
            out.extend_from_slice(stays.as_flattened());
        } else {
            for row in stays {
                let [key, value, delta] = cells(row);
                out.extend_from_slice(&row_of(
                    key.wrapping_add(key_shift),
                    value.wrapping_add(value_shift),
                    delta.wrapping_sub(older),
                ));
            }
        }
        let Some(edit) = edit else { break };
        let (key, value) = (narrow(old.end(bytes, edit.at, 0)?)?, narrow(old.end(bytes, edit.at, 1)?)?);
        if let Some(new) = &edit.new {
            let (keys, values) = (narrow(new.key.len())?, narrow(new.value.len())?);
            key_shift = key_shift.wrapping_add(keys);
            value_shift = value_shift.wrapping_add(values);
            let delta = u32::try_from(new.revision.get().checked_sub(base)?).ok()?;
            out.extend_from_slice(&row_of(key.wrapping_add(key_shift), value.wrapping_add(value_shift), delta));
        }
        if edit.replaces {
            key_shift = key_shift.wrapping_sub(narrow(old.end(bytes, edit.next(), 0)?)? - key);
            value_shift = value_shift.wrapping_sub(narrow(old.end(bytes, edit.next(), 1)?)? - value);
        }
    }
    Some(())
}

fn ttls(old: &Header, bytes: &[u8], edits: &[Edit<'_>], out: &mut Vec<u8>) -> Option<()> {
    let (mut row, mut index) = (0, 0_u32);
    for (run, edit) in runs(edits, old.count) {
        while row < old.timed {
            let (at, expiry) = old.ttl(bytes, row)?;
            if at >= run.end {
                break;
            }
            write::ttl(out, index + narrow(at - run.start)?, expiry);
            row += 1;
        }
        index += narrow(run.len())?;
        let Some(edit) = edit else { break };
        row += usize::from(edit.replaces && row < old.timed && old.ttl_index(bytes, row)? == edit.at);
        if let Some(new) = &edit.new {
            write::ttl(out, index, new.expiry);
            index += 1;
        }
    }
    Some(())
}

fn cells(row: &[u8; ROW]) -> [u32; 3] {
    let mut cells = [0; 3];
    for (cell, bytes) in cells.iter_mut().zip(row.as_chunks::<4>().0) {
        *cell = u32::from_le_bytes(*bytes);
    }
    cells
}

fn row_of(key: u32, value: u32, delta: u32) -> [u8; ROW] {
    let mut row = [0; ROW];
    for (bytes, cell) in row.as_chunks_mut::<4>().0.iter_mut().zip([key, value, delta]) {
        *bytes = cell.to_le_bytes();
    }
    row
}

fn narrow(figure: usize) -> Option<u32> {
    u32::try_from(figure).ok()
}
