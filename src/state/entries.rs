//! The entries of one revision: packed while they are few bytes, mapped above or where a value is large.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::changes::Changes;
use super::lifetime::Expiry;
use super::mapped::Mapped;
use super::overlay::Overlay;
use super::packed::{self, Amend, Edit, Foreign, Packed, PackedError};
use super::value::Json;
use crate::error::Revision;
use crate::time::Timestamp;

/// Up to this weight entries are packed: repacking 16 KiB costs about as much as copying a path of the map.
const PACKED_UP_TO: u64 = 16 << 10;
/// Mapped entries are packed again below this weight; the gap keeps a session at the border from going to and fro.
const PACKED_AGAIN_BELOW: u64 = 8 << 10;
/// A value above this size is not copied when another one is set: its session is mapped, whatever it weighs.
const LARGE_VALUE: usize = 4 << 10;
/// What an entry weighs beside its key and value: its row in the packed table.
const ROW_WEIGHT: u64 = 12;

/// One entry, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EntryRef<'a> {
    pub(crate) key: &'a str,
    /// Compact JSON.
    pub(crate) value: &'a str,
    /// Of the commit that last changed it.
    pub(crate) revision: Revision,
    pub(crate) expiry: Expiry,
}

impl EntryRef<'_> {
    /// Key and value, as they count against caps.
    pub(super) fn bytes(&self) -> u64 {
        self.key.len() as u64 + self.value.len() as u64
    }
}

/// What a look at one key finds.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) value: Text<'a>,
    pub(crate) expiry: Expiry,
    /// Its place among packed entries, to find it again.
    pub(crate) place: usize,
}

/// A value as it lies in memory. Without unsafe code packed bytes are looked through to be text once more, by whoever
/// wants text.
#[derive(Clone, Copy)]
pub(crate) enum Text<'a> {
    Packed(&'a [u8]),
    Whole(&'a str),
}

impl<'a> Text<'a> {
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Packed(bytes) => bytes,
            Self::Whole(text) => text.as_bytes(),
        }
    }

    /// Never nothing: what is packed was checked before.
    pub(crate) fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Packed(bytes) => str::from_utf8(bytes).ok(),
            Self::Whole(text) => Some(text),
        }
    }
}

impl<'a> From<EntryRef<'a>> for Found<'a> {
    fn from(entry: EntryRef<'a>) -> Self {
        Self { value: Text::Whole(entry.value), expiry: entry.expiry, place: 0 }
    }
}

/// What is put under a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewEntry {
    pub(crate) value: Json,
    pub(crate) revision: Revision,
    pub(crate) expiry: Expiry,
}

impl NewEntry {
    pub(super) fn at<'a>(&'a self, key: &'a str) -> EntryRef<'a> {
        EntryRef { key, value: self.value.as_str(), revision: self.revision, expiry: self.expiry }
    }
}

/// Entries sorted by key, immutable while anybody reads them. A clone copies at most what a packed session weighs.
#[derive(Clone)]
pub(crate) struct Entries(Inner);

/// As large as a buffer's pointer and length: an idle session is little more than its bytes.
#[derive(Clone)]
enum Inner {
    Packed(Packed),
    Mapped(Arc<Mapped>),
}

impl Entries {
    /// No entries.
    pub(crate) fn empty() -> Self {
        Self(Inner::Packed(Packed::of(std::iter::empty)))
    }

    /// How many, expired ones included.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Inner::Packed(packed) => packed.len(),
            Inner::Mapped(mapped) => mapped.len(),
        }
    }

    /// The bytes of all keys and values.
    pub(crate) fn payload_bytes(&self) -> u64 {
        match &self.0 {
            Inner::Packed(packed) => packed.payload_bytes(),
            Inner::Mapped(mapped) => mapped.payload_bytes(),
        }
    }

    /// The entry of a key, expired or not.
    pub(crate) fn get(&self, key: &str) -> Option<EntryRef<'_>> {
        match &self.0 {
            Inner::Packed(packed) => packed.get(key),
            Inner::Mapped(mapped) => mapped.get(key),
        }
    }

    /// What stands under a key, expired or not.
    #[inline]
    pub(super) fn find(&self, key: &str) -> Option<Found<'_>> {
        match &self.0 {
            Inner::Packed(packed) => packed.find(key),
            Inner::Mapped(mapped) => mapped.get(key).map(Found::from),
        }
    }

    /// Where a value may take the place of another in these very bytes, if it may.
    pub(super) fn amend(&self, key: &str, near: usize, new: &NewEntry) -> Option<Amend> {
        match &self.0 {
            Inner::Packed(packed) => packed.amend(key, near, new),
            Inner::Mapped(_) => None,
        }
    }

    /// Writes what [`Entries::amend`] found a place for in these; false when there is no such place.
    pub(super) fn amended(&mut self, amend: &Amend, value: &str) -> bool {
        match &mut self.0 {
            Inner::Packed(packed) => packed.amended(amend, value),
            Inner::Mapped(_) => false,
        }
    }

    /// Every entry, sorted by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.iter_from(Bound::Unbounded)
    }

    /// The entries from a key on, sorted by key.
    pub(crate) fn iter_from<'a, 'b>(
        &'a self,
        start: Bound<&'b str>,
    ) -> impl Iterator<Item = EntryRef<'a>> + use<'a, 'b> {
        match &self.0 {
            Inner::Packed(packed) => Either::Left(packed.iter_from(start)),
            Inner::Mapped(mapped) => Either::Right(mapped.iter_from(start)),
        }
    }

    /// Entries with an absolute deadline; those that pass first come first when mapped.
    fn deadlines(&self) -> impl Iterator<Item = (Timestamp, &str)> {
        match &self.0 {
            Inner::Packed(packed) => Either::Left(packed.timed().filter_map(|entry| match entry.expiry {
                Expiry::At(at) => Some((at, entry.key)),
                _ => None,
            })),
            Inner::Mapped(mapped) => Either::Right(mapped.deadlines()),
        }
    }

    /// The keys whose absolute deadline has passed.
    pub(super) fn expired(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let in_order = matches!(self.0, Inner::Mapped(_));
        let deadlines = self.deadlines().take_while(move |(at, _)| !in_order || *at <= now);
        deadlines.filter(move |(at, _)| *at <= now).map(|(_, key)| key)
    }

    /// The earliest absolute deadline.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        match &self.0 {
            Inner::Packed(packed) if packed.is_timeless() => None,
            Inner::Packed(_) => self.deadlines().map(|(at, _)| at).min(),
            Inner::Mapped(mapped) => mapped.deadlines().next().map(|(at, _)| at),
        }
    }

    /// The entries with a sliding ttl; looks at every entry when mapped.
    pub(super) fn sliding(&self) -> impl Iterator<Item = EntryRef<'_>> {
        let timed = match &self.0 {
            Inner::Packed(packed) => Either::Left(packed.timed()),
            Inner::Mapped(mapped) => Either::Right(mapped.iter_from(Bound::Unbounded)),
        };
        timed.filter(|entry| matches!(entry.expiry, Expiry::Sliding(_)))
    }

    /// These entries with changes applied: put, or removed where there is nothing.
    pub(crate) fn apply(&self, changes: Changes) -> Self {
        match &self.0 {
            Inner::Packed(packed) => Self::changed(packed, &changes),
            Inner::Mapped(mapped) => {
                let mut mapped = Mapped::clone(mapped);
                for (key, new) in changes {
                    match new {
                        Some(new) => mapped.put(&key, new),
                        None => mapped.remove(&key),
                    }
                }
                let weight = weight(mapped.len(), mapped.payload_bytes());
                Self(if weight < PACKED_AGAIN_BELOW && !mapped.holds_large() {
                    Inner::Packed(Packed::of(|| mapped.iter_from(Bound::Unbounded)))
                } else {
                    Inner::Mapped(Arc::new(mapped))
                })
            }
        }
    }

    fn changed(packed: &Packed, changes: &Changes) -> Self {
        let spliced = match changes {
            Changes::None => Some(packed.clone()),
            Changes::One(key, new) => match packed.edit(key, new.as_ref()) {
                Some(edit) => splice(packed, &[edit]),
                None => Some(packed.clone()),
            },
            Changes::Many(_) => splice(packed, &packed.edits(changes).collect::<Vec<_>>()),
        };
        if let Some(spliced) = spliced {
            return Self(Inner::Packed(spliced));
        }
        let changes = changes.iter().map(|(key, new)| (key, new.map(|new| new.at(key))));
        let all: Vec<_> = Overlay::new(packed.iter_from(Bound::Unbounded), changes).collect();
        let weight = weight(all.len(), all.iter().map(EntryRef::bytes).sum());
        Self(if weight <= PACKED_UP_TO && !all.iter().any(|entry| is_large(entry.value)) {
            Inner::Packed(Packed::of(|| all.iter().copied()))
        } else {
            Inner::Mapped(Arc::new(Mapped::of(all.into_iter())))
        })
    }

    /// The packed layout, whatever the size.
    pub(crate) fn to_packed(&self) -> Vec<u8> {
        self.packed_bytes().into_owned()
    }

    /// The packed layout, whatever the size; borrowed where it is at hand.
    pub(crate) fn packed_bytes(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Inner::Packed(packed) => packed.as_bytes().into(),
            Inner::Mapped(mapped) => packed::encode(|| mapped.iter_from(Bound::Unbounded)).into(),
        }
    }

    /// The packed layout of entries that are sorted by key, each there once, without building them.
    pub(crate) fn pack(sorted: &BTreeMap<Box<str>, NewEntry>) -> Vec<u8> {
        packed::encode(|| sorted.iter().map(|(key, new)| new.at(key)))
    }

    /// Reads the packed layout, checking all of it.
    pub(crate) fn from_packed(bytes: impl AsRef<[u8]>) -> Result<Self, PackedError> {
        let foreign = Foreign::checked(bytes.as_ref())?;
        let payload = foreign.payload_bytes();
        // Few sessions have the bytes for a large value, so few are looked through for one.
        let large = || foreign.iter().any(|entry| is_large(entry.value));
        Ok(Self(if weight(foreign.len(), payload) > PACKED_UP_TO || (payload > LARGE_VALUE as u64 && large()) {
            Inner::Mapped(Arc::new(Mapped::of(foreign.iter())))
        } else {
            Inner::Packed(foreign.packed())
        }))
    }

    /// Whether they are so many bytes that a change is written down as one.
    pub(crate) fn is_large(&self) -> bool {
        matches!(self.0, Inner::Mapped(_))
    }

    #[cfg(test)]
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.0, Inner::Packed(_))
    }
}

/// The short way from one packed form to the next; `None` where there is none, or where it would not stay packed.
fn splice(packed: &Packed, edits: &[Edit<'_>]) -> Option<Packed> {
    if edits.iter().any(Edit::puts_large) {
        return None;
    }
    if let [edit] = edits
        && let Some(replaced) = packed.replace(edit)
    {
        return (weight(replaced.len(), replaced.payload_bytes()) <= PACKED_UP_TO).then_some(replaced);
    }
    let totals = packed.totals(edits)?;
    let stays = weight(totals.count, totals.payload as u64) <= PACKED_UP_TO;
    if stays { packed.splice(edits, &totals) } else { None }
}

/// Whether a value is held on its own, beside all others.
pub(super) fn is_large(value: &str) -> bool {
    value.len() > LARGE_VALUE
}

fn weight(count: usize, payload: u64) -> u64 {
    payload + count as u64 * ROW_WEIGHT
}

/// One of two iterators; unlike a boxed one it is as `Send` as they are.
enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<T, L: Iterator<Item = T>, R: Iterator<Item = T>> Iterator for Either<L, R> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Left(left) => left.next(),
            Self::Right(right) => right.next(),
        }
    }
}
