//! The event log of a session: what was sent on its outbound streams, to be replayed to whoever missed it.

use super::Session;
use crate::actor::events;
use crate::error::EventError;
use crate::state::{Event, EventId, Json, Replay};

/// The event log of one session, over any number of named streams; see [`Session::events`].
#[derive(Clone, Copy, Debug)]
pub struct EventStreams<'a>(&'a Session);

impl Session {
    /// The session's event log: what it sent on its outbound streams, bounded, so that a client which lost its connection
    /// goes on after the last event it got.
    ///
    /// It stands beside the state: an append makes no revision, and waits for no update. It ends with the session, is as
    /// durable as updates are ([`Durability`](crate::Durability)), and counts against the caps on bytes of the owner and of
    /// the service.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = sessile::SessionService::builder().start().await?;
    /// # let owner = service.owner(&sessile::Principal::new("https://id.example", "alice"));
    /// # let session = owner.create(sessile::NewSession::default()).await?;
    /// let events = session.events();
    /// let seen = events.append("updates", &sessile::Json::of("one")?).await?;
    /// events.append("updates", &sessile::Json::of("two")?).await?;
    /// let missed = events.replay_after("updates", &seen).await?;
    /// assert!(missed.gap.is_none());
    /// assert_eq!(missed.events[0].payload.as_str(), "\"two\"");
    /// # service.drain().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn events(&self) -> EventStreams<'_> {
        EventStreams(self)
    }
}

impl EventStreams<'_> {
    /// Appends an event to a stream and gives its id. The oldest events of all streams are trimmed where it would pass the
    /// log's caps. Not a use of the session.
    ///
    /// With [`Durability::Commit`](crate::Durability::Commit) it answers once the event is on disk; others may be replayed it
    /// before that.
    ///
    /// # Errors
    /// [`EventError`]: nothing was appended, but for what [`EventError::NotDurable`] says.
    ///
    /// # Cancellation
    /// A call that is dropped while it waits for the disk has appended its event.
    pub async fn append(&self, stream: &str, payload: &Json) -> Result<EventId, EventError> {
        events::append(&self.0.core, &self.0.slot, stream, payload).await
    }

    /// Appends an event that nobody waits for: it is durable with the next write, whatever level is declared.
    #[cfg(feature = "rmcp")]
    pub(crate) fn append_soon(&self, stream: &str, payload: &Json) -> Result<EventId, EventError> {
        events::append_soon(&self.0.core, &self.0.slot, stream, payload)
    }

    /// An id that stands for the present end of a stream, which may have no event yet: a replay after it is of what is appended
    /// from here on. Not a use of the session, and it appends nothing: where nothing is ever appended to the session's log, a
    /// restart knows it no more.
    ///
    /// # Errors
    /// [`EventError::Ended`], [`EventError::Stream`] and [`EventError::Id`].
    pub async fn position(&self, stream: &str) -> Result<EventId, EventError> {
        events::position(&self.0.core, &self.0.slot, stream)
    }

    /// Every event of a stream strictly after the one of this id, and whether some of those are missing because they were
    /// trimmed, or lost with the id itself by a restart. A use of the session.
    ///
    /// # Errors
    /// [`EventError::Unknown`] when this stream of this session never gave out the id; else [`EventError::Ended`] and
    /// [`EventError::Stream`].
    pub async fn replay_after(&self, stream: &str, id: &EventId) -> Result<Replay, EventError> {
        events::replay_after(&self.0.core, &self.0.slot, stream, id)
    }

    /// The last so many events of a stream, oldest first. A use of the session.
    ///
    /// # Errors
    /// [`EventError::Ended`] and [`EventError::Stream`].
    pub async fn recent(&self, stream: &str, count: usize) -> Result<Vec<Event>, EventError> {
        events::recent(&self.0.core, &self.0.slot, stream, count)
    }

    /// Trims the events of a stream before the one of this id, which stays; gives how many. Not a use of the session. It waits
    /// for the disk as [`EventStreams::append`] does.
    ///
    /// # Errors
    /// As [`EventStreams::replay_after`], [`EventError::Stopping`] and [`EventError::NotDurable`].
    ///
    /// # Cancellation
    /// As that of [`EventStreams::append`].
    pub async fn trim_before(&self, stream: &str, id: &EventId) -> Result<u64, EventError> {
        events::trim_before(&self.0.core, &self.0.slot, stream, id).await
    }
}
