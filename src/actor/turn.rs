//! One turn: stage a draft, run the update on it, commit. And the ways a turn comes to be run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::batch::Batch;
use super::commit::{CommitError, amend, commit};
use super::core::Core;
use super::in_flight::{Accepted, InFlight, Refused};
use super::journal::NotCommitted;
use super::lookup::access;
use super::mailbox::{Job, Mailbox, Permit, Turn};
use super::planted::Bug;
use super::sabotage::Step;
use super::slot::Slot;
use crate::error::{Conflict, Overload, Revision, UpdateError};
use crate::state::{Committed, Draft};
use crate::telemetry::{Operation, Outcome, Telemetry};
use crate::time::Timestamp;

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
    run: F,
) -> Result<Updated<R>, UpdateError<E>>
where
    R: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut Draft) -> Result<R, E> + Send + 'static,
{
    let started = Telemetry::sample(Operation::Update);
    let result = queue_or_run(core, slot, expected, patience, place, run).await;
    core.telemetry.sampled(Operation::Update, Outcome::of_update(&result), started);
    result
}

async fn queue_or_run<R, E, F>(
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
    if !core.is_running() {
        return Err(UpdateError::Stopping);
    }
    core.durable()?;
    // A turn that waits for nobody takes no place in the mailbox.
    if place == Place::Anywhere
        && !core.commits_wait()
        && !core.planted(Bug::NoCallerRun)
        && let Some(token) = Mailbox::soon(core, slot)
    {
        let _accepted = InFlight::pass(core).map_err(|refused| not_accepted(core, refused))?;
        let result = perform(core, slot, expected, &mut run);
        token.finish();
        return result;
    }
    let (permit, accepted) = place_in_mailbox(core, slot, patience).await?;
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

/// A place in the mailbox and one under the service's cap. The first is waited for, the second never.
async fn place_in_mailbox<E>(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    patience: Patience,
) -> Result<(Permit, Accepted), UpdateError<E>> {
    let refused = |refused| not_accepted(core, refused);
    // Accepted with its place, not before: a drain waits for what is accepted, and a caller that waits in line may
    // never be polled again.
    if let Some(permit) = Mailbox::try_permit(core, slot) {
        return Ok((permit, InFlight::admit(core).map_err(refused)?));
    }
    if matches!(patience, Patience::Never) {
        return Err(overloaded(core, Overload::Mailbox, Duration::ZERO));
    }
    let in_line = InFlight::line_up(core).map_err(refused)?;
    let patience = core.config.update_timeout;
    let permit = Mailbox::permit(core, slot, patience)
        .await
        .map_err(|met| overloaded(core, met, if met == Overload::Mailbox { patience } else { Duration::ZERO }))?;
    Ok((permit, in_line.accept().map_err(refused)?))
}

fn not_accepted<E>(core: &Core, refused: Refused) -> UpdateError<E> {
    match refused {
        Refused::Stopping => UpdateError::Stopping,
        Refused::Full => overloaded(core, Overload::Service, Duration::ZERO),
    }
}

fn overloaded<E>(core: &Core, met: Overload, waited: Duration) -> UpdateError<E> {
    core.telemetry.overloaded(met);
    UpdateError::Overloaded { met, waited }
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
    Box::new(move |core, slot, batch| {
        // Its place in line is free as soon as it leaves it.
        core.give_back(permit);
        if reply.is_closed() {
            core.cancelled(slot, &mut run);
            return;
        }
        // It may have waited for long since it was asked at the door.
        let result = match core.durable() {
            Err(error) if !core.planted(Bug::RunsOnCredit) => Err(UpdateError::NotDurable(error)),
            _ if core.commits_wait() => stage(core, slot, batch, expected, &mut run),
            _ => perform(core, slot, expected, &mut run),
        };
        // What the closure captured may panic when it is let go; the turn is over by then, and its answer stands.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(run)));
        // Also where nothing was changed: it was seen on what nobody may see yet.
        batch.tell(Box::new(move |outcome| {
            // The caller may have gone meanwhile; what it asked for is done all the same.
            let _ = reply.send(match outcome {
                Ok(()) => result,
                Err(NotCommitted::Ended(ended)) => Err(UpdateError::Ended(ended)),
                Err(NotCommitted::NotDurable(error)) => Err(UpdateError::NotDurable(error)),
            });
            drop(accepted);
        }));
    })
}

/// Runs a turn here and now. The run token is held by the caller of this function.
pub(super) fn perform<R, E>(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    expected: Option<Revision>,
    run: &mut impl FnMut(&mut Draft) -> Result<R, E>,
) -> Result<Updated<R>, UpdateError<E>> {
    core.fail_at(Step::Stage);
    #[cfg(test)]
    if core.planted(Bug::StaleReferenceWrites) {
        slot.unfinish();
    }
    let (base, now) = access(core, slot, true)?;
    let base = core.stale(Bug::StaleBase, base);
    let current = base.revision;
    let (value, draft) = drafted(core, slot, base, now, expected, run)?;
    core.publish_half(slot, &draft);
    core.fail_at(Step::Finish);
    let draft = match amend(core, slot, draft) {
        Ok(revision) => {
            core.fail_at(Step::Reply);
            return Ok(Updated { value, revision, changed: true });
        }
        Err(draft) => draft,
    };
    let Some(next) = draft.finish()? else {
        return Ok(Updated { value, revision: current, changed: false });
    };
    let next = core.renumber(current, next);
    let revision = next.revision;
    core.fail_at(Step::Publish);
    let committed = commit(core, slot, next);
    core.fail_at(Step::Reply);
    match committed {
        Ok(()) => Ok(Updated { value, revision, changed: true }),
        Err(CommitError::Ended(ended)) => Err(UpdateError::Ended(ended)),
        Err(CommitError::LimitExceeded(limit)) => Err(UpdateError::LimitExceeded(limit)),
    }
}

/// Runs a turn on what the batch holds, and adds to it what it makes. Nobody sees that before it is durable.
fn stage<R, E>(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    batch: &mut Batch,
    expected: Option<Revision>,
    run: &mut impl FnMut(&mut Draft) -> Result<R, E>,
) -> Result<Updated<R>, UpdateError<E>> {
    core.fail_at(Step::Stage);
    let (committed, now) = access(core, slot, true)?;
    let base = batch.base(committed);
    let current = base.revision;
    let (value, draft) = drafted(core, slot, Arc::clone(&base), now, expected, run)?;
    core.fail_at(Step::Finish);
    let Some(next) = draft.finish()? else {
        return Ok(Updated { value, revision: current, changed: false });
    };
    let revision = next.revision;
    core.fail_at(Step::Publish);
    batch.stage(core, slot, base, next)?;
    core.fail_at(Step::Reply);
    Ok(Updated { value, revision, changed: true })
}

/// Runs the caller's closure on a draft.
fn drafted<R, E>(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    base: Arc<Committed>,
    now: Timestamp,
    expected: Option<Revision>,
    run: &mut impl FnMut(&mut Draft) -> Result<R, E>,
) -> Result<(R, Draft), UpdateError<E>> {
    let current = base.revision;
    if let Some(expected) = expected.filter(|expected| *expected != current) {
        return Err(UpdateError::Conflict(Conflict { expected, current }));
    }
    let mut draft = Draft::stage(base, now, core.limits(slot.identity.role));
    let outcome = match core.planted(Bug::NoCatch) {
        false => catch_unwind(AssertUnwindSafe(|| run(&mut draft))),
        true => Ok(run(&mut draft)),
    };
    let took = core.clock.now().since(now);
    // It held its thread, its session and everybody behind it.
    if took > core.config.overrun_after {
        core.telemetry.update_overruns.increment(1);
        tracing::warn!(session = %slot.identity.digest.tag(), millis = took.as_millis() as u64, "an update held its session for long");
    }
    match outcome {
        Ok(Ok(value)) => Ok((value, draft)),
        Ok(Err(error)) => Err(UpdateError::Rejected(error)),
        Err(panic) => Err(UpdateError::Panicked { message: message(panic.as_ref()) }),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
