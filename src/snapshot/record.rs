//! The stored form: the only types that files are made from.
//!
//! Domain types derive no `Serialize`; the layer above converts. A field is never changed in place: the next version
//! gets a module of its own beside [`v1`], and this one is read for ever.

use garde::Validate;

mod borrow;
mod bytes;
mod entries;
pub(in crate::snapshot) mod hash;
mod packed;
mod rules;
mod text;
mod v1;
mod view;

pub(crate) use borrow::SessionRef;
pub(crate) use entries::{EntriesCodec, EntryRecord};
pub(crate) use packed::entries_codec;
pub(in crate::snapshot) use packed::lay_over;
pub(crate) use v1::{EndRecord, OwnerRecord, Role, SessionRecord, SlidingRecord, TombstoneRecord};
pub(super) use v1::{HeaderRecord, TrailerRecord};
pub(in crate::snapshot) use v1::{MAX_STAMP, Text};
pub(super) use view::{HeaderView, SessionView, TombstoneView};

/// Checks a record by its rules; the error names every flaw, never a value.
pub(super) fn check<T: Validate<Context = ()>>(record: &T) -> Result<(), String> {
    record.validate().map_err(|report| {
        let flaws: Vec<_> = report.iter().map(|(path, flaw)| format!("{path} {flaw}")).collect();
        flaws.join("; ")
    })
}
