//! A value of the same length in place of another, in the buffer itself: nothing is moved and nothing allocated.

use std::ops::Range;

use super::HEADER;
use super::header::Header;
use super::narrow::{Narrow, ROW};
use crate::state::entries::NewEntry;

/// A longer value is not written in place: readers stand at the lock meanwhile, and may not for longer than for a pointer.
const SHORT: usize = 256;

/// Where it is written, in a buffer that has not changed since.
pub(in crate::state) struct Amend {
    row: Range<usize>,
    value: Range<usize>,
    delta: u32,
}

/// Finds the places; `None` when more than a value and its revision would change.
pub(super) fn plan(old: &Header, bytes: &[u8], key: &str, near: usize, new: &NewEntry) -> Option<Amend> {
    let table = Narrow::of(old, bytes)?;
    let near = table.key(near).is_some_and(|held| held == key.as_bytes()).then_some(near);
    let at = near.or_else(|| table.position(key.as_bytes()))?;
    let delta = u32::try_from(new.revision.get().checked_sub(old.base)?).ok()?;
    let value = table.end::<1>(at)..table.end::<1>(at + 1);
    // If it was of the lowest revision, the base may move.
    if table.delta(at)? == 0
        || value.len() > SHORT
        || value.len() != new.value.as_str().len()
        || old.expiry(bytes, at) != new.expiry
    {
        return None;
    }
    let (row, values_at) = (HEADER + at * ROW + 8, bytes.len() - table.values.len());
    Some(Amend { row: row..row + 4, value: values_at + value.start..values_at + value.end, delta })
}

impl Amend {
    /// Writes both, or nothing at all.
    pub(super) fn write(&self, bytes: &mut [u8], new: &[u8]) -> bool {
        if self.row.end > bytes.len() || self.value.end > bytes.len() || self.value.len() != new.len() {
            return false;
        }
        bytes.get_mut(self.row.clone()).into_iter().for_each(|row| row.copy_from_slice(&self.delta.to_le_bytes()));
        bytes.get_mut(self.value.clone()).into_iter().for_each(|value| value.copy_from_slice(new));
        true
    }
}
