//! One turn: stage a draft, run the update on it, commit. And the ways a turn comes to be run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::commit::{CommitError, commit};
use super::core::Core;
use super::in_flight::{Accepted, InFlight};
use super::lookup::access;
use super::mailbox::{Job, Mailbox, Permit, Turn};
use super::slot::Slot;
use crate::error::{Conflict, Revision, UpdateError};
use crate::state::Draft;
use crate::telemetry::Operation;

/// A closure that takes longer than this is logged: it holds its thread and everybody behind it.
const OVERRUN: Duration = Duration::from_millis(100);

/// What an update came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated<R = ()> {
    /// What the update returned.
    pub value: R,
    /// The revision that is current with this update in it.
    pub revision: Revision,
    /// Whether the update changed anything; one that did not committed nothing.
    pub changed: bool,
}

/// How long a caller is willing to wait for a place in the mailbox.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    Wait,
    Never,
}

/// Where a turn is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// By the caller, or by whoever runs the mailbox.
    Anywhere,
    /// On the blocking pool.
    Blocking,
}

/// Runs an update as one turn of the session's mailbox.
///
/// # Cancellation
/// A future dropped before its turn started takes the turn with it, unrun; a turn that has started commits whole.
pub(crate) async fn update<R, E, F>(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    expected: Option<Revision>,
    patience: Patience,
    place: Place,
    mut run: F,
) -> Result<Updated<R>, UpdateError<E>>
where
    R: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
{
    let started = Instant::now();
    let result = async {
        if !core.is_running() {
            return Err(UpdateError::Stopping);
        }
        let permit = permit(core, slot, patience).await?;
        // Accepted with its place, not before: a drain waits for what is accepted, and a caller that waits in line may
        // never be polled again.
        let accepted = InFlight::enter(core).ok_or(UpdateError::Stopping)?;
        if place == Place::Anywhere
            && let Some(token) = Mailbox::try_run(core, slot)
        {
            let result = perform(core, slot, expected, &mut run);
            drop((permit, accepted));
            token.finish();
            return result;
        }
        let (reply, answer) = oneshot::channel();
        let job = job(permit, accepted, reply, expected, run);
        let turn = if place == Place::Blocking { Turn::Blocking(job) } else { Turn::Inline(job) };
        if let Some(token) = Mailbox::push(core, slot, turn) {
            token.finish();
        }
        // A turn that was dropped unrun drops its reply.
        answer
            .await
            .unwrap_or_else(|_| Err(if core.is_stopped() { UpdateError::Stopping } else { UpdateError::Unavailable }))
    }
    .await;
    core.telemetry.observe(
        Operation::Update,
        result.as_ref().map_or_else(|error| error.label(), |_| "ok"),
        started.elapsed(),
    );
    result
}

async fn permit<E>(core: &Core, slot: &Arc<Slot>, patience: Patience) -> Result<Permit, UpdateError<E>> {
    let waited = match patience {
        Patience::Wait => core.config.update_timeout,
        Patience::Never => Duration::ZERO,
    };
    let permit = match patience {
        Patience::Wait => Mailbox::permit(core, slot, waited).await,
        Patience::Never => Mailbox::try_permit(slot),
    };
    permit.ok_or_else(|| {
        core.telemetry.mailbox_rejected.increment(1);
        UpdateError::Overloaded { waited }
    })
}

/// Packs a turn for the queue. Everything it holds is let go with it, run or not.
fn job<R, E, F>(
    permit: Permit,
    accepted: Accepted,
    reply: oneshot::Sender<Result<Updated<R>, UpdateError<E>>>,
    expected: Option<Revision>,
    mut run: F,
) -> Job
where
    R: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
{
    Box::new(move |core, slot| {
        if reply.is_closed() {
            return;
        }
        let result = perform(core, slot, expected, &mut run);
        drop(permit);
        // What the closure captured may panic when it is let go; the turn is over by then, and its answer stands.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(run)));
        // The caller may have gone meanwhile; what it asked for is done all the same.
        let _ = reply.send(result);
        drop(accepted);
    })
}

/// Runs a turn here and now. The run token is held by the caller of this function.
fn perform<R, E>(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    expected: Option<Revision>,
    run: &mut impl FnMut(&mut Draft) -> Result<R, E>,
) -> Result<Updated<R>, UpdateError<E>> {
    #[cfg(test)]
    if core.planted(super::planted::Bug::StaleReferenceWrites) {
        slot.unfinish();
    }
    let base = access(core, slot, true)?;
    let current = base.revision;
    if let Some(expected) = expected.filter(|expected| *expected != current) {
        return Err(UpdateError::Conflict(Conflict { expected, current }));
    }
    let started = Instant::now();
    let mut draft = Draft::stage(base, core.clock.now(), core.limits(slot.identity.role));
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut draft)));
    let took = started.elapsed();
    if took > OVERRUN {
        tracing::warn!(session = %slot.identity.digest.tag(), millis = took.as_millis() as u64, "an update held its session for long");
    }
    let value = match outcome {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => return Err(UpdateError::Rejected(error)),
        Err(panic) => return Err(UpdateError::Panicked { message: message(panic.as_ref()) }),
    };
    let Some(next) = draft.finish()? else {
        return Ok(Updated { value, revision: current, changed: false });
    };
    let revision = next.revision;
    match commit(core, slot, next) {
        Ok(()) => Ok(Updated { value, revision, changed: true }),
        Err(CommitError::Ended(ended)) => Err(UpdateError::Ended(ended)),
        Err(CommitError::LimitExceeded(limit)) => Err(UpdateError::LimitExceeded(limit)),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
