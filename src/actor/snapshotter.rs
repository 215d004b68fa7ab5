//! The snapshotter: writes files one at a time, on the blocking pool, while updates go on.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr};
use tokio::time::Instant;

use super::core::Core;
use super::image;
use crate::config::SnapshotOptions;
use crate::snapshot::{Folder, WriteError, Writer};
use crate::time::{Timestamp, micros};

/// After the first change a snapshot follows so soon, on a disk that takes one in under a tenth of it.
const SOON: Duration = Duration::from_secs(1);
/// A slower disk is left in peace for so many times what the last snapshot took.
const PEACE: u32 = 10;

/// A snapshot that is safe on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotReport {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Sessions in it, buckets among them.
    pub sessions: u64,
    /// Remembered ends in it.
    pub tombstones: u64,
    /// When it was begun.
    pub taken_at: Timestamp,
    /// How long it took.
    pub took: Duration,
}

/// Why a snapshot was not written. The earlier ones are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The service keeps no files.
    #[error("the service was built without a folder for snapshots; set one with `snapshots`")]
    NoFolder,
    /// The service has stopped.
    #[error("the service has stopped and writes no more snapshots")]
    Stopped,
    /// The file was not written.
    #[error("the snapshot was not written; the earlier ones are as they were")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

type Answer = Result<SnapshotReport, SnapshotError>;

/// The actor.
struct Snapshotter;

/// The folder, until it is let go. Not in the actor's hands alone: ractor sends the state of an actor that has stopped to
/// its supervisor, and the folder's lock must not wait for that one.
pub(crate) type Held = Arc<Mutex<Option<Arc<Folder>>>>;

struct State {
    core: Weak<Core>,
    folder: Held,
    options: SnapshotOptions,
    /// How long the last one took.
    last: Duration,
    /// Whether one is due soon after a change.
    soon: bool,
}

enum Message {
    /// The interval is over.
    IntervalOver,
    /// Something changed for the first time since the last snapshot.
    FirstChange,
    /// A second has passed since that.
    SoonOver,
    /// The journal has grown long.
    Fold,
    /// Somebody wants one now.
    Now(RpcReplyPort<Answer>),
}

/// A way to talk to the snapshotter.
pub(crate) struct SnapshotterRef {
    actor: ActorRef<Message>,
    folder: Held,
}

/// Starts the snapshotter under the service's supervisor.
pub(crate) async fn start(
    core: &Arc<Core>,
    folder: Held,
    options: SnapshotOptions,
    supervisor: ActorCell,
) -> Result<SnapshotterRef, SpawnErr> {
    let held = Arc::clone(&folder);
    let state = State { core: Arc::downgrade(core), folder: held, options, last: Duration::ZERO, soon: false };
    let (actor, _) = ractor::ActorRuntime::<Snapshotter>::spawn_linked(None, Snapshotter, state, supervisor).await?;
    Ok(SnapshotterRef { actor, folder })
}

impl SnapshotterRef {
    /// Called by the first change after a snapshot.
    pub(crate) fn first_change(&self) {
        // A snapshotter that has stopped needs no telling.
        let _ = self.actor.send_message(Message::FirstChange);
    }

    /// Called when the journal is so long that it is to be folded into a snapshot.
    pub(crate) fn fold(&self) {
        let _ = self.actor.send_message(Message::Fold);
    }

    /// Stops, and lets the folder go; while a file is being written, once that is done.
    pub(crate) fn stop(&self) {
        drop(self.folder.lock().take());
        self.actor.stop(None);
    }

    /// Writes one now.
    pub(crate) async fn now(&self) -> Answer {
        match self.actor.call(Message::Now, None).await {
            Ok(ractor::rpc::CallResult::Success(answer)) => answer,
            _ => Err(SnapshotError::Stopped),
        }
    }

    /// Stops, with nothing being written any more and the folder let go.
    pub(crate) async fn stopped(&self) {
        // It stops either way; a time limit is not needed.
        let _ = self.actor.stop_and_wait(None, None).await;
        self.stop();
    }
}

impl Actor for Snapshotter {
    type Msg = Message;
    type State = State;
    type Arguments = State;

    async fn pre_start(&self, myself: ActorRef<Message>, state: State) -> Result<State, ActorProcessingErr> {
        if !state.options.on_request {
            drop(myself.send_after(state.options.every, || Message::IntervalOver));
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(core) = state.core.upgrade() else { return Ok(()) };
        match message {
            Message::FirstChange | Message::Fold if state.options.on_request => {}
            Message::FirstChange => {
                let delay = delay(state.last);
                // What a journal holds is in no haste.
                if delay < state.options.every && !state.soon && core.journal().is_none() {
                    state.soon = true;
                    drop(myself.send_after(delay, || Message::SoonOver));
                }
            }
            Message::SoonOver => {
                state.soon = false;
                if_changed(&core, state).await;
            }
            Message::IntervalOver => {
                if_changed(&core, state).await;
                // Re-armed after it is done, so that ticks never pile up.
                drop(myself.send_after(state.options.every, || Message::IntervalOver));
            }
            Message::Fold => if_changed(&core, state).await,
            Message::Now(reply) => {
                core.changes.take();
                let answer = take(&core, state).await;
                // Whoever asked may have gone; the snapshot stands.
                let _ = reply.send(answer);
            }
        }
        Ok(())
    }
}

/// How long after the first change a snapshot is due, by what the last one took.
fn delay(last: Duration) -> Duration {
    SOON.max(last.saturating_mul(PEACE))
}

async fn if_changed(core: &Arc<Core>, state: &mut State) {
    if core.changes.take()
        && let Err(error) = take(core, state).await
    {
        let detail = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, detail, "a snapshot failed; the next is tried after the interval");
    }
}

async fn take(core: &Arc<Core>, state: &mut State) -> Answer {
    let started = Instant::now();
    let taken_at = core.clock.now();
    let Some(folder) = state.folder.lock().clone() else { return Err(SnapshotError::Stopped) };
    let (writing, options) = (Arc::clone(core), state.options.clone());
    // What comes from here on is in the journal that goes on from this snapshot, whether or not the walk finds it.
    let number = match core.journal() {
        None => None,
        Some(journal) => match journal.rotate().await {
            Some(Ok(number)) => Some(number),
            Some(Err(error)) => return Err(failed(core, started.elapsed(), error.is_no_space(), error.into())),
            None => return Err(SnapshotError::Stopped),
        },
    };
    let work = move || {
        let fill = |writer: &mut Writer<'_>| image::write(&writing, writer);
        let (format, taken_at) = (options.format, taken_at.as_micros());
        let written = match number {
            Some(number) => folder.write_as(number, format, taken_at, fill),
            None => folder.write(format, taken_at, fill),
        }?;
        // What follows may have files to read, and is not what anybody waits for who waits for a write.
        let took = started.elapsed();
        // Before anything is removed: what is put aside is nobody's to go on from.
        put_aside(&writing, &folder);
        if !options.on_request {
            let since = options.keep_for.map(|keep_for| taken_at.saturating_sub(micros(keep_for)));
            if let Err(error) = folder.retain(options.generations, since) {
                tracing::warn!(%error, "an old snapshot could not be removed");
            }
            put_aside(&writing, &folder);
        }
        Ok::<_, WriteError>((written, took))
    };
    let written = core.blocking(work).await;
    let took = match &written {
        Ok(Ok((_, took))) => *took,
        _ => started.elapsed(),
    };
    state.last = took;
    core.telemetry.snapshot_seconds.record(took.as_secs_f64());
    match written {
        Ok(Ok((written, _))) => {
            if let Some(journal) = core.journal() {
                journal.folded(core, written.bytes);
            }
            core.telemetry.snapshot_bytes.set(written.bytes as f64);
            core.telemetry.snapshot_last_success.set(taken_at.as_micros() as f64 / 1e6);
            core.telemetry.observe(crate::telemetry::Operation::Snapshot, crate::telemetry::Outcome::Ok, took);
            let (sessions, tombstones) = (written.summary.sessions, written.summary.tombstones);
            tracing::debug!(bytes = written.bytes, sessions, millis = took.as_millis() as u64, "snapshot written");
            Ok(SnapshotReport { path: written.path, bytes: written.bytes, sessions, tombstones, taken_at, took })
        }
        Ok(Err(error)) => Err(failed(core, took, error.is_no_space(), error.into())),
        Err(error) => Err(failed(core, took, false, error.into())),
    }
}

/// Moves what the restore passed over out of the way, now that something later is durable.
fn put_aside(core: &Core, folder: &Folder) {
    match folder.quarantine() {
        Ok(moved) => {
            core.telemetry.snapshots_quarantined.increment(moved.len() as u64);
            for path in moved {
                tracing::warn!(path = %path.display(), "a damaged file was put aside");
            }
        }
        Err(error) => tracing::warn!(%error, "a damaged file could not be put aside; it is tried again"),
    }
}

fn failed(
    core: &Core,
    took: Duration,
    no_space: bool,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> SnapshotError {
    if no_space {
        tracing::error!("no space is left for a snapshot; make room, the next one is tried as usual");
    }
    // What the failed one was to hold is still to be written.
    core.changes.put_back();
    core.telemetry.snapshot_failed(no_space);
    core.telemetry.observe(crate::telemetry::Operation::Snapshot, crate::telemetry::Outcome::Failed, took);
    SnapshotError::Write(error)
}

impl Core {
    /// Writes a snapshot now.
    pub(crate) async fn snapshot(&self) -> Answer {
        match self.snapshotter.get() {
            Some(snapshotter) => snapshotter.now().await,
            None => Err(SnapshotError::NoFolder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_gets_ten_times_what_it_took() {
        let millis = Duration::from_millis;
        assert_eq!(
            [0, 99, 100, 220, 9_000].map(|last| delay(millis(last))),
            [1_000, 1_000, 1_000, 2_200, 90_000].map(millis)
        );
    }
}
