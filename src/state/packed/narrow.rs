//! The tables of a buffer whose rows are narrow, as nearly all are: sliced once, then looked at without sums.

use std::cmp::Ordering;

use super::HEADER;
use super::header::Header;

/// A row of the narrow table: key end, value end, revision; each a u32.
pub(super) const ROW: usize = 12;
/// So many keys are looked through one after another sooner than by halves.
const FEW: usize = 16;

#[derive(Clone, Copy)]
pub(super) struct Narrow<'a> {
    pub(super) rows: &'a [[u8; ROW]],
    pub(super) keys: &'a [u8],
    pub(super) values: &'a [u8],
}

impl<'a> Narrow<'a> {
    /// Slices a buffer; `None` when its rows are wide.
    pub(super) fn of(header: &Header, bytes: &'a [u8]) -> Option<Self> {
        if header.wide {
            return None;
        }
        let (rows, _) = bytes.get(HEADER..header.timed_at())?.as_chunks();
        let payload = bytes.get(header.keys_at()..)?;
        let (keys, values) = payload.split_at_checked(rows.last().map_or(0, end::<0>))?;
        Some(Self { rows, keys, values })
    }

    /// Where the key is, or where it would be.
    pub(super) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).unwrap_or_default().cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Where the key is, if it is there.
    pub(super) fn position(&self, key: &[u8]) -> Option<usize> {
        if self.rows.len() > FEW {
            return self.find(key).ok();
        }
        let (mut start, last) = (0, *key.last()?);
        for (place, row) in self.rows.iter().enumerate() {
            let end = end::<0>(row);
            // Keys that are as long as each other mostly differ in their last byte.
            if end.wrapping_sub(start) == key.len()
                && let Some(held) = self.keys.get(start..end)
                && held.last() == Some(&last)
                && held == key
            {
                return Some(place);
            }
            start = end;
        }
        None
    }

    pub(super) fn key(&self, index: usize) -> Option<&'a [u8]> {
        self.keys.get(self.end::<0>(index)..end::<0>(self.rows.get(index)?))
    }

    pub(super) fn value(&self, index: usize) -> Option<&'a [u8]> {
        self.values.get(self.end::<1>(index)..end::<1>(self.rows.get(index)?))
    }

    pub(super) fn delta(&self, index: usize) -> Option<u32> {
        self.rows.get(index).map(|row| cells(row)[2])
    }

    /// Where the keys (0) or the values (1) of the entries before `index` end.
    pub(super) fn end<const CELL: usize>(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, end::<CELL>)
    }
}

fn end<const CELL: usize>(row: &[u8; ROW]) -> usize {
    let [key, value, _] = cells(row);
    (if CELL == 0 { key } else { value }) as usize
}

pub(super) fn cells(row: &[u8; ROW]) -> [u32; 3] {
    let &[a, b, c, d, e, f, g, h, i, j, k, l] = row;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]), u32::from_le_bytes([i, j, k, l])]
}

pub(super) fn row_of(key: u32, value: u32, delta: u32) -> [u8; ROW] {
    let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (key.to_le_bytes(), value.to_le_bytes(), delta.to_le_bytes());
    [a, b, c, d, e, f, g, h, i, j, k, l]
}
