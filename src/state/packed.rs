//! The packed layout: all entries of a small session in one immutable buffer, the same in memory and in files.
//!
//! # Layout v1 (frozen; part of the file format; little endian; nothing is aligned)
//! | bytes | what |
//! | --- | --- |
//! | 0 | layout version: 1 |
//! | 1 | flags: bit 0 = wide; the others are 0 |
//! | 2..4 | 0 |
//! | 4..8 | `n`, count of entries |
//! | 8..12 | `t`, count of entries with a ttl |
//! | 12..20 | base: the lowest revision of any entry; 0 when there is none |
//! | `n` rows | key end, value end, revision - base; each a u32, or a u64 when wide |
//! | `t` rows of 13 | index of the entry (u32), kind (u8: 1 = absolute, 2 = sliding), microseconds (u64: the deadline since the Unix epoch, or the duration, which is not 0) |
//! | keys | UTF-8, one after the other, sorted by bytes, none empty, none twice |
//! | values | compact JSON, one after the other, in the order of the keys |
//!
//! Ends count from the start of the keys and of the values; a key or value starts where the one before it ends. Rows
//! with a ttl are sorted by index. Wide is chosen when, and only when, an end or a difference does not fit a u32, so
//! equal entries have equal bytes. The cap on entries of a session keeps both counts far below 2^32.

mod check;
mod write;

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::entries::EntryRef;
use super::lifetime::Expiry;
use crate::error::Revision;
use crate::time::Timestamp;

pub(crate) use check::PackedError;
pub(super) use write::encode;

const VERSION: u8 = 1;
const WIDE: u8 = 1;
const HEADER: usize = 20;
const TTL_ROW: usize = 13;
const ABSOLUTE: u8 = 1;
const SLIDING: u8 = 2;

/// A buffer in the packed layout that has been checked, or was written here.
#[derive(Clone)]
pub(super) struct Packed {
    bytes: Arc<[u8]>,
    header: Header,
}

impl Packed {
    /// Takes a buffer from outside after checking every promise of the layout.
    pub(super) fn checked(bytes: &[u8]) -> Result<Self, PackedError> {
        let header = check::validate(bytes)?;
        Ok(Self { bytes: bytes.into(), header })
    }

    /// Writes entries that are sorted by key; `entries` is called once for each pass over them.
    pub(super) fn of<'a, I: Iterator<Item = EntryRef<'a>>>(entries: impl Fn() -> I) -> Self {
        let bytes = encode(entries);
        let header = Header::read(&bytes).unwrap_or_default();
        Self { bytes: bytes.into(), header }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.header.count
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.bytes.len().saturating_sub(self.header.keys_at()) as u64
    }

    pub(super) fn get(&self, key: &str) -> Option<EntryRef<'_>> {
        self.find(key).ok().and_then(|index| self.entry(index))
    }

    pub(super) fn iter_from(&self, start: Bound<&str>) -> impl Iterator<Item = EntryRef<'_>> + use<'_> {
        let first = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.find(key).unwrap_or_else(|index| index),
            Bound::Excluded(key) => self.find(key).map_or_else(|index| index, |index| index + 1),
        };
        (first..self.header.count).map_while(|index| self.entry(index))
    }

    /// The entries with a ttl, sorted by key.
    pub(super) fn timed(&self) -> impl Iterator<Item = EntryRef<'_>> + use<'_> {
        (0..self.header.timed).map_while(|row| self.entry(self.timed_index(row)?))
    }

    /// Where the key is, or where it would be.
    fn find(&self, key: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.header.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).unwrap_or_default().cmp(key.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        self.header.key(&self.bytes, index)
    }

    fn entry(&self, index: usize) -> Option<EntryRef<'_>> {
        // Without unsafe code the text is looked over once more; that is a fraction of what its reader does with it.
        let key = str::from_utf8(self.key(index)?).ok()?;
        let value = str::from_utf8(self.header.value(&self.bytes, index)?).ok()?;
        let delta = self.header.cell(&self.bytes, index, 2)?;
        let revision = Revision::new(self.header.base.saturating_add(delta));
        Some(EntryRef { key, value, revision, expiry: self.expiry(index) })
    }

    fn expiry(&self, index: usize) -> Expiry {
        let (mut low, mut high) = (0, self.header.timed);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.timed_index(middle).unwrap_or_default().cmp(&index) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.header.ttl(&self.bytes, middle).map_or(Expiry::Never, |(_, ttl)| ttl),
            }
        }
        Expiry::Never
    }

    fn timed_index(&self, row: usize) -> Option<usize> {
        self.header.ttl_index(&self.bytes, row)
    }
}

/// The header, and where it says that things are. Positions saturate, so a lying header finds nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Header {
    wide: bool,
    count: usize,
    timed: usize,
    base: u64,
}

impl Header {
    /// Reads the fields without checking anything but that they are there.
    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            wide: bytes.get(1)? & WIDE != 0,
            count: usize::try_from(word(bytes, 4, 4)?).ok()?,
            timed: usize::try_from(word(bytes, 8, 4)?).ok()?,
            base: word(bytes, 12, 8)?,
        })
    }

    fn width(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    fn timed_at(&self) -> usize {
        self.count.saturating_mul(3 * self.width()).saturating_add(HEADER)
    }

    fn keys_at(&self) -> usize {
        self.timed.saturating_mul(TTL_ROW).saturating_add(self.timed_at())
    }

    /// One of the three cells of a row.
    fn cell(&self, bytes: &[u8], row: usize, cell: usize) -> Option<u64> {
        word(bytes, HEADER.checked_add((row.checked_mul(3)? + cell).checked_mul(self.width())?)?, self.width())
    }

    /// Where an entry's part of the keys (cell 0) or of the values (cell 1) starts and ends.
    fn span(&self, bytes: &[u8], index: usize, cell: usize) -> Option<(usize, usize)> {
        let start = match index.checked_sub(1) {
            Some(before) => usize::try_from(self.cell(bytes, before, cell)?).ok()?,
            None => 0,
        };
        Some((start, usize::try_from(self.cell(bytes, index, cell)?).ok()?))
    }

    fn key<'a>(&self, bytes: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let ((start, end), at) = (self.span(bytes, index, 0)?, self.keys_at());
        bytes.get(at.checked_add(start)?..at.checked_add(end)?)
    }

    fn value<'a>(&self, bytes: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let (_, keys) = self.span(bytes, self.count.checked_sub(1)?, 0)?;
        let ((start, end), at) = (self.span(bytes, index, 1)?, self.keys_at().checked_add(keys)?);
        bytes.get(at.checked_add(start)?..at.checked_add(end)?)
    }

    fn ttl_index(&self, bytes: &[u8], row: usize) -> Option<usize> {
        let at = row.checked_mul(TTL_ROW)?.checked_add(self.timed_at())?;
        usize::try_from(word(bytes, at, 4)?).ok()
    }

    /// The entry's index and expiry in a row of the second table; `None` when the row is not as described.
    fn ttl(&self, bytes: &[u8], row: usize) -> Option<(usize, Expiry)> {
        let at = row.checked_mul(TTL_ROW)?.checked_add(self.timed_at())?;
        let micros = word(bytes, at.checked_add(5)?, 8)?;
        let expiry = match *bytes.get(at.checked_add(4)?)? {
            ABSOLUTE => Expiry::At(Timestamp::from_micros(micros)),
            SLIDING if micros > 0 => Expiry::Sliding(Duration::from_micros(micros)),
            _ => return None,
        };
        Some((self.ttl_index(bytes, row)?, expiry))
    }
}

/// An unsigned little-endian number of up to eight bytes.
fn word(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let slice = bytes.get(at..at.checked_add(width)?)?;
    Some(slice.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}
