//! The state of one session: entries, and how they are read and changed. Pure and synchronous; `now` is an argument.

mod carried;
mod changes;
mod committed;
mod difference;
mod draft;
mod entries;
mod events;
mod idempotency;
mod lifetime;
mod mapped;
mod metadata;
mod node;
mod overlay;
mod packed;
mod patch;
mod pointer;
mod queue;
mod recency;
mod scan;
mod sliding;
mod uncommon;
mod value;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use committed::Committed;
pub(crate) use draft::Amendment;
pub use draft::Draft;
pub(crate) use entries::{Entries, NewEntry};
pub(crate) use events::{Continuity, Entry as EventEntry, EventLog, EventsPart, EventsSince};
pub use events::{Event, EventId, Gap, Replay};
pub use idempotency::IdempotencyKey;
pub(crate) use idempotency::{Applied, AppliedKeys};
pub use lifetime::Ttl;
pub(crate) use lifetime::{CompactLifetime, Expiry, Lifetime};
pub use metadata::Metadata;
pub use value::Json;
pub use view::{Entry, View};
