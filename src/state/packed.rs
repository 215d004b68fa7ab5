//! The packed layout: all entries of a small session in one buffer, the same in memory and in files.
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

mod amend;
mod check;
mod header;
mod narrow;
mod replace;
mod splice;
mod write;

use std::ops::Bound;

use super::changes::Changes;
use super::entries::{EntryRef, Found, NewEntry};

use self::header::Header;
pub(super) use amend::Amend;
pub(crate) use check::PackedError;
pub(super) use splice::{Edit, Totals};
pub(super) use write::encode;

const VERSION: u8 = 1;
const WIDE: u8 = 1;
const HEADER: usize = 20;
const TTL_ROW: usize = 13;
const ABSOLUTE: u8 = 1;
const SLIDING: u8 = 2;

/// A buffer in the packed layout that has been checked, or was written here.
///
/// Boxed and not shared: it hangs on a revision, which is shared, and a second count would cost every session its bytes.
#[derive(Clone)]
pub(super) struct Packed(Box<[u8]>);

/// A buffer from outside that has been checked, where it lies.
pub(super) struct Foreign<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> Foreign<'a> {
    /// Takes it after checking every promise of the layout.
    pub(super) fn checked(bytes: &'a [u8]) -> Result<Self, PackedError> {
        check::validate(bytes)?;
        Ok(Self { bytes, header: Header::read(bytes).unwrap_or_default() })
    }

    pub(super) fn len(&self) -> usize {
        self.header.count
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.bytes.len().saturating_sub(self.header.keys_at()) as u64
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = EntryRef<'a>> + use<'_, 'a> {
        (0..self.header.count).map_while(|index| self.header.entry(self.bytes, index))
    }

    /// A copy of it.
    pub(super) fn packed(&self) -> Packed {
        Packed(self.bytes.into())
    }
}

impl Packed {
    /// Writes entries that are sorted by key; `entries` is called once for each pass over them.
    pub(super) fn of<'a, I: Iterator<Item = EntryRef<'a>>>(entries: impl Fn() -> I) -> Self {
        Self(encode(entries).into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn header(&self) -> Header {
        Header::read(&self.0).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.header().count
    }

    /// Whether no entry has a ttl.
    pub(super) fn is_timeless(&self) -> bool {
        self.header().timed == 0
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.0.len().saturating_sub(self.header().keys_at()) as u64
    }

    pub(super) fn get(&self, key: &str) -> Option<EntryRef<'_>> {
        let header = self.header();
        header.find(&self.0, key).ok().and_then(|index| header.entry(&self.0, index))
    }

    /// As [`Packed::get`], without what a look at one value has no use for.
    #[inline]
    pub(super) fn find(&self, key: &str) -> Option<Found<'_>> {
        self.header().found(&self.0, key)
    }

    /// Where in the buffer a value of the same length may take the place of one; `None` when more would change. The key
    /// is looked for at the place `near` first.
    pub(super) fn amend(&self, key: &str, near: usize, new: &NewEntry) -> Option<Amend> {
        amend::plan(&self.header(), &self.0, key, near, new)
    }

    /// Writes what [`Packed::amend`] found a place for in this very buffer.
    pub(super) fn amended(&mut self, amend: &Amend, value: &str) -> bool {
        amend.write(&mut self.0, value.as_bytes())
    }

    pub(super) fn iter_from(&self, start: Bound<&str>) -> impl Iterator<Item = EntryRef<'_>> + use<'_> {
        let header = self.header();
        let first = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => header.find(&self.0, key).unwrap_or_else(|index| index),
            Bound::Excluded(key) => header.find(&self.0, key).map_or_else(|index| index, |index| index + 1),
        };
        (first..header.count).map_while(move |index| header.entry(&self.0, index))
    }

    /// The entries with a ttl, sorted by key.
    pub(super) fn timed(&self) -> impl Iterator<Item = EntryRef<'_>> + use<'_> {
        let header = self.header();
        (0..header.timed).map_while(move |row| header.entry(&self.0, header.ttl_index(&self.0, row)?))
    }

    /// Where changes fall, sorted; those that change nothing are left out.
    pub(super) fn edits<'a>(&self, changes: &'a Changes) -> impl Iterator<Item = Edit<'a>> {
        changes.iter().filter_map(|(key, new)| self.edit(key, new))
    }

    /// Where one change falls; `None` when it changes nothing.
    pub(super) fn edit<'a>(&self, key: &'a str, new: Option<&'a NewEntry>) -> Option<Edit<'a>> {
        Edit::of(self.header().find(&self.0, key), new.map(|new| new.at(key)))
    }

    /// What the buffer will hold with these edits; `None` when it takes the long way to write it.
    pub(super) fn totals(&self, edits: &[Edit<'_>]) -> Option<Totals> {
        Totals::of(&self.header(), &self.0, edits)
    }

    /// A new buffer with another value in place of one; `None` when the edit is no such thing.
    pub(super) fn replace(&self, edit: &Edit<'_>) -> Option<Self> {
        replace::replace(&self.header(), &self.0, edit).map(Self)
    }

    /// A new buffer with these edits.
    pub(super) fn splice(&self, edits: &[Edit<'_>], totals: &Totals) -> Option<Self> {
        splice::splice(&self.header(), &self.0, edits, totals).map(Self)
    }
}
