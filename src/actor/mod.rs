//! Sessions as actors: slots and their mailboxes, the actors lent to them, supervision, the snapshotter.
//!
//! The only folder that names ractor. In reading order: a [`slot`] holds a session's committed state; its [`mailbox`]
//! queues turns; whoever holds the run [`token`] runs them, a [`turn`] at a time; a turn [`commit`]s. An
//! [`activation`] is a ractor actor that holds the token for a while.

pub(crate) mod activation;
#[cfg(feature = "rmcp")]
pub(crate) mod attached;
pub(crate) mod batch;
pub(crate) mod capacity;
pub(crate) mod commit;
pub(crate) mod core;
pub(crate) mod create;
pub(crate) mod end;
pub(crate) mod enter;
pub(crate) mod events;
#[cfg(test)]
pub(crate) mod explored;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod in_flight;
pub(crate) mod journal;
pub(crate) mod line;
pub(crate) mod lookup;
pub(crate) mod mailbox;
pub(crate) mod measure;
pub(crate) mod new_session;
pub(crate) mod order;
pub(crate) mod owners;
pub(crate) mod planted;
pub(crate) mod registry;
pub(crate) mod reservation;
pub(crate) mod restore;
pub(crate) mod room;
pub(crate) mod roster;
pub(crate) mod sabotage;
pub(crate) mod set_back;
pub(crate) mod slot;
pub(crate) mod snapshotter;
pub(crate) mod supervisor;
pub(crate) mod sweep;
pub(crate) mod token;
pub(crate) mod tombstones;
pub(crate) mod turn;

#[cfg(test)]
mod tests;
