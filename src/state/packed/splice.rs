//! A buffer with changes laid into it: what they leave alone is copied in runs, not entry by entry.

use std::ops::Range;

use super::header::Header;
use super::narrow::{Narrow, ROW, cells, row_of};
use super::{HEADER, TTL_ROW, write};
use crate::state::entries::{EntryRef, is_large};
use crate::state::lifetime::Expiry;

/// One change, and where in the buffer it falls.
pub(in crate::state) struct Edit<'a> {
    /// Of the entry that it replaces or removes, or of the one that it goes before.
    pub(super) at: usize,
    /// Whether the entry there makes way.
    pub(super) replaces: bool,
    pub(super) new: Option<EntryRef<'a>>,
}

impl<'a> Edit<'a> {
    /// `None` for the removal of what is not there.
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
pub(in crate::state) struct Totals {
    pub(in crate::state) count: usize,
    pub(in crate::state) payload: usize,
    timed: usize,
    base: u64,
}

impl Totals {
    /// Adds up what `edits` make of a buffer; `None` when a row of the outcome might not be narrow, or one is not now.
    pub(super) fn of(old: &Header, bytes: &[u8], edits: &[Edit<'_>]) -> Option<Self> {
        let table = Narrow::of(old, bytes)?;
        let payload = table.keys.len() + table.values.len();
        let mut totals = Self { count: old.count, payload, timed: old.timed, base: old.base };
        let (mut lowest_goes, mut lowest, mut highest) = (old.count == 0, u64::MAX, 0);
        for edit in edits {
            if edit.replaces {
                totals.count -= 1;
                totals.payload -= table.key(edit.at)?.len() + table.value(edit.at)?.len();
                totals.timed -= usize::from(old.expiry(bytes, edit.at) != Expiry::Never);
                lowest_goes |= table.delta(edit.at)? == 0;
            }
            if let Some(new) = &edit.new {
                totals.count += 1;
                totals.payload += new.key.len() + new.value.len();
                totals.timed += usize::from(new.expiry != Expiry::Never);
                lowest = lowest.min(new.revision.get());
                highest = highest.max(new.revision.get());
            }
        }
        if lowest_goes {
            let left = runs(edits, old.count).filter_map(|(run, _)| table.rows.get(run)).flatten();
            let left = left.map(|row| old.base.saturating_add(u64::from(cells(row)[2]))).min();
            totals.base = left.unwrap_or(u64::MAX).min(lowest);
        }
        if totals.count == 0 {
            totals.base = 0;
        }
        // Differences in the old table are narrow, so they are above a base that is no lower.
        let lower = old.count > 0 && totals.base.min(lowest) < old.base && totals.count > 0;
        let narrow = u64::from(u32::MAX);
        let far = highest.saturating_sub(totals.base) > narrow || totals.payload as u64 > narrow;
        (!lower && !far).then_some(totals)
    }
}

/// Writes the outcome, in one allocation.
pub(super) fn splice(old: &Header, bytes: &[u8], edits: &[Edit<'_>], totals: &Totals) -> Option<Box<[u8]>> {
    let table = Narrow::of(old, bytes)?;
    let mut out = Vec::with_capacity(HEADER + totals.count * ROW + totals.timed * TTL_ROW + totals.payload);
    let (count, timed) = (narrow(totals.count)?, narrow(totals.timed)?);
    out.extend_from_slice(&write::header(false, count, timed, totals.base));
    let older = if old.count == 0 || count == 0 { 0 } else { u32::try_from(totals.base - old.base).ok()? };
    rows(&table, edits, totals.base, older, &mut out)?;
    if timed > 0 {
        ttls(old, bytes, edits, &mut out)?;
    }
    for (run, edit) in runs(edits, old.count) {
        out.extend_from_slice(table.keys.get(table.end::<0>(run.start)..table.end::<0>(run.end))?);
        out.extend_from_slice(edit.and_then(|edit| edit.new).map_or(&[], |new| new.key.as_bytes()));
    }
    for (run, edit) in runs(edits, old.count) {
        out.extend_from_slice(table.values.get(table.end::<1>(run.start)..table.end::<1>(run.end))?);
        out.extend_from_slice(edit.and_then(|edit| edit.new).map_or(&[], |new| new.value.as_bytes()));
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

fn rows(table: &Narrow<'_>, edits: &[Edit<'_>], base: u64, older: u32, out: &mut Vec<u8>) -> Option<()> {
    // Ends move by what was put in minus what made way: below zero too, so the sums wrap.
    let (mut keys, mut values) = (0_u32, 0_u32);
    for (run, edit) in runs(edits, table.rows.len()) {
        let stays = table.rows.get(run)?;
        if (keys, values, older) == (0, 0, 0) {
            out.extend_from_slice(stays.as_flattened());
        } else {
            for row in stays {
                let [key, value, delta] = cells(row);
                let moved = row_of(key.wrapping_add(keys), value.wrapping_add(values), delta.wrapping_sub(older));
                out.extend_from_slice(&moved);
            }
        }
        let Some(edit) = edit else { break };
        let (key, value) = (narrow(table.end::<0>(edit.at))?, narrow(table.end::<1>(edit.at))?);
        if let Some(new) = &edit.new {
            keys = keys.wrapping_add(narrow(new.key.len())?);
            values = values.wrapping_add(narrow(new.value.len())?);
            let delta = u32::try_from(new.revision.get().checked_sub(base)?).ok()?;
            out.extend_from_slice(&row_of(key.wrapping_add(keys), value.wrapping_add(values), delta));
        }
        keys = keys.wrapping_sub(narrow(table.end::<0>(edit.next()))?.wrapping_sub(key));
        values = values.wrapping_sub(narrow(table.end::<1>(edit.next()))?.wrapping_sub(value));
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

fn narrow(figure: usize) -> Option<u32> {
    u32::try_from(figure).ok()
}
