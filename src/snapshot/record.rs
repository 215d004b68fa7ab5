//! The stored form: the only types that files are made from.
//!
//! Domain types derive no `Serialize`; the layer above converts. A field is never changed in place: the next version
//! gets a module of its own beside [`v1`], and this one is read for ever.

use garde::Validate;

mod borrow;
mod bytes;
mod entries;
pub(in crate::snapshot) mod hash;
pub(in crate::snapshot) mod list;
mod packed;
mod rules;
mod text;
mod v1;
mod v2;
mod view;

pub(crate) use borrow::{EventsRef, SessionRef};
pub(crate) use entries::{EntriesCodec, EntryRecord};
pub(crate) use packed::entries_codec;
pub(in crate::snapshot) use packed::lay_over;
#[cfg(feature = "rmcp")]
pub(crate) use text::spell as spell_time;
pub(super) use v1::HeaderRecord;
pub(crate) use v1::{EndRecord, OwnerRecord, Role, SlidingRecord, TombstoneRecord};
pub(in crate::snapshot) use v1::{MAX_REVISION, MAX_STAMP, MAX_TEXT, Text};
/// What the binary files of version 1 hold in place of their own of today.
pub(super) use v1::{SessionRecord as SessionRecordV1, TrailerRecord as TrailerRecordV1};
pub(super) use v2::TrailerRecord;
pub(crate) use v2::{AppliedRecord, EventRecord, EventsRecord, SessionRecord};
pub(super) use view::{EventsView, HeaderView, SessionView, TombstoneView};

/// Checks a record by its rules; the error names every flaw, never a value.
pub(super) fn check<T: Validate<Context = ()>>(record: &T) -> Result<(), String> {
    record.validate().map_err(|report| {
        let flaws: Vec<_> = report.iter().map(|(path, flaw)| format!("{path} {flaw}")).collect();
        flaws.join("; ")
    })
}
