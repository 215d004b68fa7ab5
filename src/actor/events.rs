//! The event log of a session, beside its revisions: an append is no update of the state, wakes no reader of it and waits
//! for no turn of the mailbox. What it shares with updates is their durability: a snapshot follows it as it follows them.

mod unwritten;

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

pub(crate) use self::unwritten::Unwritten;
use super::core::Core;
use super::in_flight::{InFlight, Refused};
use super::lookup::access;
use super::planted::Bug;
use super::room;
use super::slot::Slot;
use crate::config::MAX_TEXT_BYTES;
use crate::error::{EventError, IdError, LimitExceeded, Overload};
use crate::state::{Event, EventId, EventLog, EventsSince, Json, Replay};

/// Where a slot keeps its log: nothing once the session has ended.
///
/// Whoever holds this lock takes no lock of a slot; an end takes it under the slot's.
pub(crate) struct Events {
    log: Mutex<Option<EventLog>>,
    /// Where there is a journal. Taken last of all.
    unwritten: Mutex<Unwritten>,
}

/// What has happened to a log.
#[derive(Clone, Copy)]
pub(crate) enum Change<'a> {
    /// An event was appended; it may have had the oldest trimmed.
    Appended,
    /// Events of this stream with lower numbers were trimmed.
    Trimmed { stream: &'a str, before: u64 },
}

impl Events {
    /// A log that stands in no file.
    pub(crate) fn new(log: EventLog) -> Arc<Self> {
        Self::of(log, Unwritten::default())
    }

    /// A log as the files have it that journals go on from.
    pub(crate) fn restored(log: EventLog) -> Arc<Self> {
        let unwritten = Unwritten::after(&log);
        Self::of(log, unwritten)
    }

    fn of(log: EventLog, unwritten: Unwritten) -> Arc<Self> {
        Arc::new(Self { log: Mutex::new(Some(log)), unwritten: Mutex::new(unwritten) })
    }

    /// A log for a session that has none.
    pub(crate) fn begin() -> Result<Arc<Self>, IdError> {
        Ok(Self::new(EventLog::new(u128::from_be_bytes(random()?), era()?)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<EventLog>> {
        self.log.lock()
    }

    /// What of the log no journal holds, and what is to be told once one does; `None` where that is nothing, and once the session has ended.
    pub(crate) fn unwritten(&self) -> Option<(EventsSince, Unwritten)> {
        let held = self.lock();
        let (log, unwritten) = (held.as_ref()?, self.unwritten.lock());
        let since = unwritten.of(log)?;
        let put = unwritten.clone().with(&since);
        Some((since, put))
    }

    /// So much of it stands in a journal.
    pub(crate) fn written(&self, written: &Unwritten) {
        self.unwritten.lock().written(written);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.lock().as_ref().map_or(0, EventLog::bytes)
    }
}

/// What tells the ids that a log gives out from now on from those of a future that a restart lost.
pub(crate) fn era() -> Result<u32, IdError> {
    random().map(u32::from_be_bytes)
}

fn random<const N: usize>() -> Result<[u8; N], IdError> {
    let mut random = [0; N];
    getrandom::fill(&mut random).map_err(|source| IdError::NoRandomness { detail: source.to_string() })?;
    Ok(random)
}

/// Appends an event to a stream of the session. Not a use of the session: what talks to nobody keeps nothing alive.
///
/// # Cancellation
/// What was appended stays, and is written all the same.
pub(crate) async fn append(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    stream: &str,
    payload: &Json,
) -> Result<EventId, EventError> {
    check(stream)?;
    if !core.commits_wait() {
        let _accepted = InFlight::pass(core).map_err(|refused| not_accepted(core, refused))?;
        return append_here(core, slot, stream, payload);
    }
    let _accepted = InFlight::admit(core).map_err(|refused| not_accepted(core, refused))?;
    let id = append_here(core, slot, stream, payload)?;
    core.flush().await?;
    Ok(id)
}

/// Appends an event and does not wait for the disk, whatever is promised of it: it comes with the next write.
#[cfg(feature = "rmcp")]
pub(crate) fn append_soon(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    stream: &str,
    payload: &Json,
) -> Result<EventId, EventError> {
    check(stream)?;
    let _accepted = InFlight::pass(core).map_err(|refused| not_accepted(core, refused))?;
    append_here(core, slot, stream, payload)
}

fn not_accepted(core: &Core, refused: Refused) -> EventError {
    match refused {
        Refused::Stopping => EventError::Stopping,
        Refused::Full => {
            core.telemetry.overloaded(Overload::Service);
            EventError::Overloaded(Overload::Service)
        }
    }
}

/// Appends, and waits for nobody.
fn append_here(core: &Arc<Core>, slot: &Arc<Slot>, stream: &str, payload: &Json) -> Result<EventId, EventError> {
    core.durable()?;
    access(core, slot, false)?;
    let events = slot.events_or(Events::begin)??;
    let mut tries = 0..room::TRIES;
    let id = loop {
        match try_append(core, slot, &events, stream, payload)? {
            Ok(id) => break id,
            Err((met, _)) if tries.next().is_none() => return Err(met.into()),
            Err((met, bytes)) => room::for_growth(core, slot, bytes, met)?,
        }
    };
    core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    core.changed();
    Ok(id)
}

/// Appends under the log's lock, or tells which cap of others' it met, and by how many bytes it grows.
fn try_append(
    core: &Core,
    slot: &Arc<Slot>,
    events: &Events,
    stream: &str,
    payload: &Json,
) -> Result<Result<EventId, (LimitExceeded, u64)>, EventError> {
    let limits = &core.config.events;
    let mut held = events.lock();
    let Some(log) = held.as_mut() else {
        drop(held);
        return Err(gone(slot));
    };
    let (before, after) = (log.bytes(), log.bytes_with(stream, payload, limits)?);
    if !core.planted(Bug::EventsUncounted)
        && let Err(met) = core.capacity.settle(core, &slot.identity, before, after)
    {
        return Ok(Err((met, after.saturating_sub(before))));
    }
    let id = log.append(stream, payload.clone(), core.clock.now(), limits);
    noted(core, slot, events, log, Change::Appended);
    Ok(Ok(id))
}

/// The present end of a stream. No use of the session.
pub(crate) fn position(core: &Core, slot: &Arc<Slot>, stream: &str) -> Result<EventId, EventError> {
    check(stream)?;
    access(core, slot, false)?;
    let events = slot.events_or(Events::begin)??;
    let position = events.lock().as_ref().map(|log| log.position(stream));
    position.ok_or_else(|| gone(slot))
}

/// What came after an event in its stream. A use of the session.
pub(crate) fn replay_after(core: &Core, slot: &Arc<Slot>, stream: &str, id: &EventId) -> Result<Replay, EventError> {
    check(stream)?;
    look(core, slot, |log| log.replay_after(stream, id))?.flatten().ok_or(EventError::Unknown)
}

/// The last events of a stream. A use of the session.
pub(crate) fn recent(core: &Core, slot: &Arc<Slot>, stream: &str, count: usize) -> Result<Vec<Event>, EventError> {
    check(stream)?;
    Ok(look(core, slot, |log| log.recent(stream, count))?.unwrap_or_default())
}

/// Trims what came before an event in its stream; gives how many events those were.
///
/// # Cancellation
/// As that of [`append`].
pub(crate) async fn trim_before(
    core: &Arc<Core>,
    slot: &Arc<Slot>,
    stream: &str,
    id: &EventId,
) -> Result<u64, EventError> {
    check(stream)?;
    let _accepted = InFlight::enter(core).ok_or(EventError::Stopping)?;
    let trimmed = trim_here(core, slot, stream, id)?;
    if core.commits_wait() {
        // Though nothing was left to trim: whoever trimmed it may still wait.
        core.flush().await?;
    }
    Ok(trimmed)
}

/// Trims, and waits for nobody.
fn trim_here(core: &Arc<Core>, slot: &Arc<Slot>, stream: &str, id: &EventId) -> Result<u64, EventError> {
    core.durable()?;
    access(core, slot, false)?;
    let events = slot.events().map_err(EventError::Ended)?.ok_or(EventError::Unknown)?;
    let trimmed = {
        let mut held = events.lock();
        let Some(log) = held.as_mut() else {
            drop(held);
            return Err(gone(slot));
        };
        let before = log.before(stream, id).ok_or(EventError::Unknown)?;
        let bytes = log.bytes();
        let trimmed = log.trim_stream(stream, before);
        core.capacity.settle(core, &slot.identity, bytes, log.bytes())?;
        if trimmed > 0 {
            noted(core, slot, &events, log, Change::Trimmed { stream, before });
        }
        trimmed
    };
    if trimmed > 0 {
        core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
        core.changed();
    }
    Ok(trimmed)
}

/// Looks into the log of a live session; nothing where it has none.
fn look<T>(core: &Core, slot: &Arc<Slot>, look: impl FnOnce(&EventLog) -> T) -> Result<Option<T>, EventError> {
    access(core, slot, true)?;
    let Some(events) = slot.events()? else { return Ok(None) };
    let held = events.lock();
    match held.as_ref() {
        Some(log) => Ok(Some(look(log))),
        None => {
            drop(held);
            Err(gone(slot))
        }
    }
}

/// The one place that learns of every change of a log, after it was made and under the log's lock, so in its order. What
/// follows logs, as a journal does, starts here.
fn noted(core: &Core, slot: &Arc<Slot>, events: &Events, log: &EventLog, change: Change<'_>) {
    let Some(journal) = core.journal() else { return };
    if let Change::Trimmed { stream, before } = change {
        events.unwritten.lock().trimmed(log, stream, before);
    }
    journal.log_changed(slot);
}

/// A session was entered that may have brought its log along.
pub(crate) fn adopted(core: &Core, slot: &Arc<Slot>) {
    if let (Some(journal), Ok(Some(_))) = (core.journal(), slot.events()) {
        journal.log_changed(slot);
    }
}

/// The end that took the log away.
fn gone(slot: &Slot) -> EventError {
    slot.ended().map_or(EventError::Unknown, EventError::Ended)
}

fn check(stream: &str) -> Result<(), EventError> {
    let fits = (1..=MAX_TEXT_BYTES).contains(&(stream.len() as u64)) && !stream.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(EventError::Stream { max: MAX_TEXT_BYTES as usize }) }
}
