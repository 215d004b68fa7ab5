//! Updates with an idempotency key: applied once, however often the caller repeats them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use crate::actor::lookup;
use crate::actor::turn::Updated;
use crate::config::MAX_REMEMBERED_BYTES;
use crate::error::{Conflict, Ended, KeyReused, Revision, UpdateError};
use crate::state::{Draft, IdempotencyKey, Json};
use crate::time::Timestamp;

/// What came of an update with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Once<R> {
    /// It was applied by this call.
    Applied(Updated<R>),
    /// It had been applied before; this call changed nothing.
    Repeated {
        /// What it returned then; `None` where that was larger than 4 KiB as JSON, or does not read back as this type.
        value: Option<R>,
        /// The revision that it made.
        revision: Revision,
        /// When it was applied.
        at: Timestamp,
    },
}

/// An update that was applied under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyOutcome {
    /// The revision that it made.
    pub revision: Revision,
    /// When it was applied.
    pub at: Timestamp,
    /// What it returned; `None` where that was larger than 4 KiB as JSON, or did not read back as its own type.
    pub value: Option<Json>,
}

/// Why a keyed update was not run, or what it said itself.
enum Refused<E> {
    Own(E),
    Reused(KeyReused),
    Conflict(Conflict),
}

/// What a turn found.
enum Found<R> {
    Fresh(R),
    Before { value: Option<R>, revision: Revision, at: Timestamp },
}

impl<R> Once<R> {
    /// The revision that the update made.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        match self {
            Self::Applied(updated) => updated.revision,
            Self::Repeated { revision, .. } => *revision,
        }
    }

    /// Whether it had been applied before this call.
    #[must_use]
    pub const fn is_repeated(&self) -> bool {
        matches!(self, Self::Repeated { .. })
    }

    /// What the update returned, now or then; `None` where it was applied before and that is not remembered.
    #[must_use]
    pub fn into_value(self) -> Option<R> {
        match self {
            Self::Applied(updated) => Some(updated.value),
            Self::Repeated { value, .. } => value,
        }
    }
}

impl Session {
    /// Like [`Session::update`], once for each key: a repeat changes nothing and is told what came of the first call. Of
    /// many calls at once one is applied.
    ///
    /// A key is remembered with the update it came with, in the same commit and in the same files, for a day and among
    /// the session's last 128 unless configured otherwise, whichever is over first. An update that fails or panics is not
    /// remembered. To be remembered is a change: an update that changes no entry commits a revision too.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = sessile::SessionService::builder().start().await?;
    /// # let owner = service.owner(&sessile::Principal::new("https://id.example", "alice"));
    /// # let session = owner.create(sessile::NewSession::default()).await?;
    /// let key = sessile::IdempotencyKey::new("8e03978e-40d5-43dd-bc93-6894a57f9324")?;
    /// for _ in 0..2 {
    ///     let paid = session.update_once(key, |draft| draft.increment("paid", 5)).await?;
    ///     assert_eq!(paid.into_value(), Some(5));
    /// }
    /// assert_eq!(session.get::<i64>("paid")?, Some(5));
    /// # service.drain().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UpdateError::KeyReused`] when the key came with another request before: by [`IdempotencyKey::of_request`] where
    /// both calls told it, else by what the first one returned, which does not read as what this one returns. Else as
    /// [`Session::update`].
    ///
    /// # Cancellation
    /// As [`Session::update`]. A caller that gave up calls again with the same key, or asks [`Session::outcome`].
    pub async fn update_once<R, E, F>(&self, key: IdempotencyKey, run: F) -> Result<Once<R>, UpdateError<E>>
    where
        R: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        self.once(key, None, run).await
    }

    /// Like [`Session::update_once`], if `revision` is still the current one. A repeat is told what came of the first call
    /// though that moved the revision on.
    ///
    /// # Errors
    /// As [`Session::update_once`] and [`Session::update_if`].
    pub async fn update_once_if<R, E, F>(
        &self,
        key: IdempotencyKey,
        revision: Revision,
        run: F,
    ) -> Result<Once<R>, UpdateError<E>>
    where
        R: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        self.once(key, Some(revision), run).await
    }

    /// What became of an update with this key; `None` when none was applied, or it is no longer remembered. Asks by the
    /// key alone, whatever the request was; counts as use.
    ///
    /// An update that still waits in line is not applied yet: to be sure, repeat it with its key.
    ///
    /// # Errors
    /// [`Ended`] when the session has ended.
    pub fn outcome(&self, key: IdempotencyKey) -> Result<Option<KeyOutcome>, Ended> {
        let (committed, now) = lookup::access(&self.core, &self.slot, true)?;
        let window = self.core.limits(self.slot.identity.role).idempotency_window;
        let told = committed.keys().find(&key, now, window);
        Ok(told.map(|row| KeyOutcome { revision: row.revision, at: row.at, value: row.value.clone() }))
    }

    async fn once<R, E, F>(
        &self,
        key: IdempotencyKey,
        expected: Option<Revision>,
        mut run: F,
    ) -> Result<Once<R>, UpdateError<E>>
    where
        R: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
    {
        // All of it inside the turn: what is looked up, run and remembered is of one revision.
        let turn = move |draft: &mut Draft| {
            if let Some(row) = draft.applied(&key) {
                row.check(&key).map_err(Refused::Reused)?;
                let (revision, at) = (row.revision, row.at);
                let value = match row.value.as_ref().map(Json::to).transpose() {
                    Ok(value) => value,
                    // The same request, as both tell: what it returned then is of no use, and it must not be run again.
                    Err(_) if row.is_request_of(&key) => None,
                    Err(_) => return Err(Refused::Reused(KeyReused { revision, at })),
                };
                return Ok(Found::Before { value, revision, at });
            }
            let current = draft.revision();
            if let Some(expected) = expected.filter(|expected| *expected != current) {
                return Err(Refused::Conflict(Conflict { expected, current }));
            }
            let value = run(draft).map_err(Refused::Own)?;
            draft.remember(&key, remembered(&value));
            Ok(Found::Fresh(value))
        };
        match self.update(turn).await {
            Ok(Updated { value: Found::Fresh(value), revision, changed }) => {
                Ok(Once::Applied(Updated { value, revision, changed }))
            }
            Ok(Updated { value: Found::Before { value, revision, at }, .. }) => {
                Ok(Once::Repeated { value, revision, at })
            }
            Err(error) => Err(error.flattened(|refused| match refused {
                Refused::Own(error) => UpdateError::Rejected(error),
                Refused::Reused(reused) => UpdateError::KeyReused(reused),
                Refused::Conflict(conflict) => UpdateError::Conflict(conflict),
            })),
        }
    }
}

/// What an update returned, as it is remembered. A value that is no JSON, or that its own type does not read back, is none:
/// that is no reason to undo the update, nor to take its repeat for another request.
fn remembered<R: Serialize + DeserializeOwned>(value: &R) -> Option<Json> {
    let fits = |json: &Json| json.as_str().len() <= MAX_REMEMBERED_BYTES && json.to::<R>().is_ok();
    Json::of(value).ok().filter(fits)
}
