//! The most frequent change: another value under a key that is there. Three copies, and the ends behind it moved.

use super::HEADER;
use super::header::Header;
use super::narrow::{Narrow, ROW, cells, row_of};
use super::splice::Edit;

/// Writes the outcome; `None` when more than a value and its revision changes.
pub(super) fn replace(old: &Header, bytes: &[u8], edit: &Edit<'_>) -> Option<Box<[u8]>> {
    let (table, at) = (Narrow::of(old, bytes)?, edit.at);
    let new = edit.new.filter(|_| edit.replaces)?;
    let delta = u32::try_from(new.revision.get().checked_sub(old.base)?).ok()?;
    // If it was of the lowest revision, the base may move.
    if table.delta(at)? == 0 || old.expiry(bytes, at) != new.expiry {
        return None;
    }
    let (start, end) = (table.end::<1>(at), table.end::<1>(at + 1));
    let values_at = bytes.len() - table.values.len();
    let mut out = Vec::with_capacity(bytes.len() - (end - start) + new.value.len());
    out.extend_from_slice(bytes.get(..values_at + start)?);
    out.extend_from_slice(new.value.as_bytes());
    out.extend_from_slice(bytes.get(values_at + end..)?);
    u32::try_from(out.len()).ok()?;
    let longer = u32::try_from(new.value.len()).ok()?.wrapping_sub(u32::try_from(end - start).ok()?);
    let (rows, _) = out.get_mut(HEADER..old.timed_at())?.as_chunks_mut::<ROW>();
    let (changed, behind) = rows.get_mut(at..)?.split_first_mut()?;
    let [key, value, _] = cells(changed);
    *changed = row_of(key, value.wrapping_add(longer), delta);
    if longer != 0 {
        for row in behind {
            let [key, value, delta] = cells(row);
            *row = row_of(key, value.wrapping_add(longer), delta);
        }
    }
    Some(out.into_boxed_slice())
}
