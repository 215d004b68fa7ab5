//! The header of a packed buffer, and where it says that things are.

use std::cmp::Ordering;
use std::time::Duration;

use super::narrow::Narrow;
use super::{ABSOLUTE, HEADER, SLIDING, TTL_ROW, WIDE};
use crate::error::Revision;
use crate::state::entries::{EntryRef, Found, Text};
use crate::state::lifetime::Expiry;
use crate::time::Timestamp;

/// Read anew at each look: kept, it would cost every session its bytes twice. Positions saturate, so a lying header
/// finds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    pub(super) wide: bool,
    pub(super) count: usize,
    pub(super) timed: usize,
    pub(super) base: u64,
}

impl Header {
    /// Reads the fields without checking anything but that they are there.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [_, flags, _, _, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes.first_chunk::<HEADER>()?;
        Some(Self {
            wide: flags & WIDE != 0,
            count: usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?,
            timed: usize::try_from(u32::from_le_bytes([e, f, g, h])).ok()?,
            base: u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        })
    }

    pub(super) fn width(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    pub(super) fn timed_at(&self) -> usize {
        self.count.saturating_mul(3 * self.width()).saturating_add(HEADER)
    }

    pub(super) fn keys_at(&self) -> usize {
        self.timed.saturating_mul(TTL_ROW).saturating_add(self.timed_at())
    }

    /// Where the key is, or where it would be.
    pub(super) fn find(&self, bytes: &[u8], key: &str) -> Result<usize, usize> {
        if let Some(table) = Narrow::of(self, bytes) {
            return table.find(key.as_bytes());
        }
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(bytes, middle).unwrap_or_default().cmp(key.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// What stands in a row, without its key and with its value not yet looked through.
    #[inline]
    pub(super) fn found<'a>(&self, bytes: &'a [u8], key: &str) -> Option<Found<'a>> {
        let (index, value) = match Narrow::of(self, bytes) {
            Some(table) => {
                let index = table.position(key.as_bytes())?;
                (index, table.value(index)?)
            }
            None => {
                let index = self.find(bytes, key).ok()?;
                (index, self.value(bytes, index)?)
            }
        };
        Some(Found { value: Text::Packed(value), expiry: self.expiry(bytes, index), place: index })
    }

    pub(super) fn entry<'a>(&self, bytes: &'a [u8], index: usize) -> Option<EntryRef<'a>> {
        let (key, value, delta) = match Narrow::of(self, bytes) {
            Some(table) => (table.key(index)?, table.value(index)?, u64::from(table.delta(index)?)),
            None => (self.key(bytes, index)?, self.value(bytes, index)?, self.cell(bytes, index, 2)?),
        };
        let revision = Revision::new(self.base.saturating_add(delta));
        let (key, value) = (str::from_utf8(key).ok()?, str::from_utf8(value).ok()?);
        Some(EntryRef { key, value, revision, expiry: self.expiry(bytes, index) })
    }

    pub(super) fn expiry(&self, bytes: &[u8], index: usize) -> Expiry {
        let (mut low, mut high) = (0, self.timed);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.ttl_index(bytes, middle).unwrap_or_default().cmp(&index) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.ttl(bytes, middle).map_or(Expiry::Never, |(_, ttl)| ttl),
            }
        }
        Expiry::Never
    }

    /// One of the three cells of a row.
    pub(super) fn cell(&self, bytes: &[u8], row: usize, cell: usize) -> Option<u64> {
        let place = row.checked_mul(3)?.checked_add(cell)?;
        if self.wide {
            word(bytes, HEADER.checked_add(place.checked_mul(8)?)?)
        } else {
            half(bytes, HEADER.checked_add(place.checked_mul(4)?)?).map(u64::from)
        }
    }

    /// Where the keys (cell 0) or the values (cell 1) of the entries before `index` end.
    pub(super) fn end(&self, bytes: &[u8], index: usize, cell: usize) -> Option<usize> {
        match index.checked_sub(1) {
            Some(before) => usize::try_from(self.cell(bytes, before, cell)?).ok(),
            None => Some(0),
        }
    }

    /// Where an entry's part of the keys (cell 0) or of the values (cell 1) starts and ends.
    pub(super) fn span(&self, bytes: &[u8], index: usize, cell: usize) -> Option<(usize, usize)> {
        Some((self.end(bytes, index, cell)?, self.end(bytes, index.checked_add(1)?, cell)?))
    }

    pub(super) fn key<'a>(&self, bytes: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let ((start, end), at) = (self.span(bytes, index, 0)?, self.keys_at());
        bytes.get(at.checked_add(start)?..at.checked_add(end)?)
    }

    pub(super) fn value<'a>(&self, bytes: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let keys = self.end(bytes, self.count, 0)?;
        let ((start, end), at) = (self.span(bytes, index, 1)?, self.keys_at().checked_add(keys)?);
        bytes.get(at.checked_add(start)?..at.checked_add(end)?)
    }

    pub(super) fn ttl_index(&self, bytes: &[u8], row: usize) -> Option<usize> {
        let at = row.checked_mul(TTL_ROW)?.checked_add(self.timed_at())?;
        usize::try_from(half(bytes, at)?).ok()
    }

    /// The entry's index and expiry in a row of the second table; `None` when the row is not as described.
    pub(super) fn ttl(&self, bytes: &[u8], row: usize) -> Option<(usize, Expiry)> {
        let at = row.checked_mul(TTL_ROW)?.checked_add(self.timed_at())?;
        let micros = word(bytes, at.checked_add(5)?)?;
        let expiry = match *bytes.get(at.checked_add(4)?)? {
            ABSOLUTE => Expiry::At(Timestamp::from_micros(micros)),
            SLIDING if micros > 0 => Expiry::Sliding(Duration::from_micros(micros)),
            _ => return None,
        };
        Some((self.ttl_index(bytes, row)?, expiry))
    }
}

/// A little-endian u64.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A little-endian u32.
fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
