//! A session: read it, update it, close it.

mod events;
mod info;
mod once;
mod operations;
mod typed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

pub use events::EventStreams;
pub use info::SessionInfo;
pub use once::{KeyOutcome, Once};
pub use typed::TypedState;

use crate::actor::core::Core;
use crate::actor::planted::Bug;
use crate::actor::room;
use crate::actor::slot::Slot;
use crate::actor::turn::{Patience, Place, Updated, update};
use crate::actor::{end, in_flight::InFlight, lookup};
use crate::config::MAX_TIMEOUT;
use crate::error::{CreateError, EndReason, Ended, Limit, LimitExceeded, ReadError, Revision, UpdateError};
use crate::id::SessionId;
use crate::state::Draft;
use crate::state::Metadata;
use crate::state::View;
use crate::telemetry::{Operation, Outcome, Telemetry};

/// A reference to one session: cheap to clone, and worth as much as the session it names.
///
/// Reads are synchronous and never wait for updates to run. Updates are turns of the session's mailbox: atomic, one
/// after another, each with the next revision.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = sessile::SessionService::builder().start().await?;
/// let owner = service.owner(&sessile::Principal::new("https://id.example", "alice"));
/// let cart = owner.create(sessile::NewSession::of_kind("cart")?).await?;
/// cart.set("apples", &3).await?;
/// cart.update(|draft| {
///     let apples: u32 = draft.get("apples")?.unwrap_or_default();
///     draft.set("apples", &(apples + 1))
/// })
/// .await?;
/// assert_eq!(cart.get::<u32>("apples")?, Some(4));
/// # service.drain().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session {
    core: Arc<Core>,
    slot: Arc<Slot>,
    id: SessionId,
}

impl Session {
    /// The service's own time.
    #[cfg(feature = "rmcp")]
    pub(crate) fn now(&self) -> crate::time::Timestamp {
        self.core.clock.now()
    }

    pub(crate) fn new(core: &Arc<Core>, slot: Arc<Slot>, id: SessionId) -> Self {
        Self { core: Arc::clone(core), slot, id }
    }

    /// The session's id, whole. Of an anonymous session it is a secret.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What the session is for.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.slot.identity.kind()
    }

    /// The name its owner gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.slot.identity.name()
    }

    /// Reads one committed revision; counts as use.
    ///
    /// # Errors
    /// [`Ended`] when the session has ended.
    pub fn read(&self) -> Result<View, Ended> {
        let started = Telemetry::sample(Operation::Read);
        let result = lookup::access(&self.core, &self.slot, !self.core.planted(Bug::ReadsDoNotSlide));
        let outcome = if result.is_ok() { Outcome::Ok } else { Outcome::Ended };
        self.core.telemetry.sampled(Operation::Read, outcome, started);
        result.map(|(committed, now)| View::new(self.core.stale(Bug::StaleRead, committed), now))
    }

    /// Reads the value of one entry; `None` when there is no such entry.
    ///
    /// # Errors
    /// [`ReadError::Ended`] when the session has ended, [`ReadError::Decode`] when the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ReadError> {
        self.read()?.get(key)
    }

    /// Asks wherever the session is kept for its newest revision. In one process that is what [`Session::read`] gives.
    ///
    /// # Errors
    /// [`Ended`] when the session has ended.
    pub async fn refresh(&self) -> Result<View, Ended> {
        self.read()
    }

    /// Runs `run` on a draft of the state, as one turn: all of it or nothing.
    ///
    /// `run` must be free of side effects: a store shared by machines may have it run again, at most 8 times. It holds
    /// the session while it runs, and its thread; see [`Session::update_blocking`] for long ones.
    ///
    /// # Errors
    /// [`UpdateError`]: the session is as it was.
    ///
    /// # Cancellation
    /// Dropped before its turn started, the update is never run; once started it commits whole.
    pub async fn update<R, E, F>(&self, run: F) -> Result<Updated<R>, UpdateError<E>>
    where
        R: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        update(&self.core, &self.slot, None, Patience::Wait, Place::Anywhere, run).await
    }

    /// Like [`Session::update`], if `revision` is still the current one.
    ///
    /// # Errors
    /// [`UpdateError::Conflict`] names the current revision; else as [`Session::update`].
    pub async fn update_if<R, E, F>(&self, revision: Revision, run: F) -> Result<Updated<R>, UpdateError<E>>
    where
        R: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        update(&self.core, &self.slot, Some(revision), Patience::Wait, Place::Anywhere, run).await
    }

    /// Like [`Session::update`], but never waits in line for a place in the mailbox.
    ///
    /// # Errors
    /// [`UpdateError::Overloaded`] when the mailbox or the service is full; else as [`Session::update`].
    pub async fn try_update<R, E, F>(&self, run: F) -> Result<Updated<R>, UpdateError<E>>
    where
        R: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        update(&self.core, &self.slot, None, Patience::Never, Place::Anywhere, run).await
    }

    /// Like [`Session::update`], with `run` on the blocking pool: for closures that compute for long.
    ///
    /// # Errors
    /// As [`Session::update`].
    pub async fn update_blocking<R, E, F>(&self, run: F) -> Result<Updated<R>, UpdateError<E>>
    where
        R: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        update(&self.core, &self.slot, None, Patience::Wait, Place::Blocking, run).await
    }

    /// The whole state as one value of `T`, a struct whose fields are the keys.
    #[must_use]
    pub fn state<T>(&self) -> TypedState<'_, T> {
        TypedState::new(self)
    }

    /// Counts as use and changes nothing else: the idle timeout starts again.
    ///
    /// # Errors
    /// [`Ended`] when the session has ended.
    pub fn touch(&self) -> Result<(), Ended> {
        lookup::access(&self.core, &self.slot, true).map(drop)
    }

    /// Moves the end of the max lifetime to `from_now`; nothing for a session that has none.
    ///
    /// # Errors
    /// [`UpdateError::LimitExceeded`] when that is more than the service's max lifetime, or than 100 years
    /// where it has none; else as [`Session::update`].
    pub async fn extend(&self, from_now: Duration) -> Result<Updated, UpdateError> {
        let most = self.core.config.max_lifetime.unwrap_or(MAX_TIMEOUT);
        if from_now > most {
            return Err(UpdateError::LimitExceeded(LimitExceeded {
                limit: Limit::LifetimeSeconds,
                allowed: most.as_secs(),
                attempted: from_now.as_secs(),
            }));
        }
        let extended = self
            .update(move |draft| {
                let ends_at = draft.now().after(from_now);
                let lifetime = draft.lifetime_mut();
                lifetime.ends_at = lifetime.ends_at.map(|_| ends_at);
                Ok(())
            })
            .await?;
        // It may have come nearer.
        room::may_expire(&self.core, &self.slot);
        Ok(extended)
    }

    /// Changes the metadata, as an update.
    ///
    /// # Errors
    /// As [`Session::update`].
    pub async fn describe(
        &self,
        mut change: impl FnMut(&mut Metadata) + Send + 'static,
    ) -> Result<Updated, UpdateError> {
        self.update(move |draft| {
            change(draft.metadata_mut());
            Ok(())
        })
        .await
    }

    /// Ends the session, for good. False when it had ended before.
    ///
    /// # Errors
    /// [`CreateError::Stopping`] when the service is shutting down, [`CreateError::NotDurable`] where the end could not be
    /// written down.
    pub async fn close(&self) -> Result<bool, CreateError> {
        let _accepted = InFlight::enter(&self.core).ok_or(CreateError::Stopping)?;
        let ended = Ended { reason: EndReason::Closed, at: self.core.clock.now() };
        let closed = end::end(&self.core, &self.slot, ended) == Some(ended);
        // Another's end is told where commits wait for it only.
        if closed || self.core.commits_wait() {
            self.core.flush().await?;
        }
        self.core.telemetry.count(Operation::Close, if closed { Outcome::Ok } else { Outcome::Ended });
        Ok(closed)
    }

    /// For proofs, which look inside.
    #[cfg(test)]
    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Whether the session lives. Does not count as use.
    #[cfg(feature = "rmcp")]
    pub(crate) fn check(&self) -> Result<(), Ended> {
        lookup::access(&self.core, &self.slot, false).map(drop)
    }

    /// Whether the session lives and the service takes updates. Does not count as use.
    #[cfg(feature = "rmcp")]
    pub(crate) fn is_served(&self) -> bool {
        self.core.is_running() && self.check().is_ok()
    }

    /// Ends a session that nobody was told of, even while the service drains.
    #[cfg(feature = "rmcp")]
    pub(crate) fn abandon(&self) {
        let ended = Ended { reason: EndReason::Closed, at: self.core.clock.now() };
        end::end(&self.core, &self.slot, ended);
    }

    /// What there is to know about the session beside its entries. Does not count as use.
    ///
    /// # Errors
    /// [`Ended`] when the session has ended.
    pub fn info(&self) -> Result<SessionInfo, Ended> {
        let (committed, _) = lookup::access(&self.core, &self.slot, false)?;
        Ok(SessionInfo { id: Some(self.id.clone()), ..SessionInfo::of(&self.core, &self.slot, &committed) })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("kind", &self.kind()).finish()
    }
}
