//! Writes the journal: one thread, one write at a time, with all in it that came while the last one took its time.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::items::{self, Logged};
use super::marks::{Changed, Pile};
use super::{Pending, Shared, Work};
use crate::actor::core::Core;
use crate::actor::image;
use crate::actor::planted::Bug;
use crate::actor::slot::Slot;
use crate::actor::snapshotter::Held;
use crate::actor::tombstones::Tombstone;
use crate::error::NotDurable;
use crate::snapshot::{BeginError, Frame, JournalItem, JournalWriter, WriteError};

/// A frame that has so many bytes is written before more is put in.
const FRAME_BYTES: usize = 4 << 20;

/// Why the journal can no longer be written.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Says that nobody writes any more: nothing waits for what will not come.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.poisoned.store(true, Ordering::Release);
        let left = std::mem::replace(&mut *self.0.work.lock(), Work { gone: true, ..Work::default() });
        // Callers are told by what is dropped: turns unrun, answers unsent.
        drop(left);
    }
}

/// The one that writes.
pub(super) struct Worker {
    core: Weak<Core>,
    shared: Arc<Shared>,
    folder: Held,
    writer: JournalWriter,
    frame: Frame,
    /// The first frame that is not known to be durable.
    durable: u64,
    /// What was taken from the marks and is not durable yet.
    ends: Pile<Tombstone>,
    changed: Pile<Changed>,
    logs: Pile<Arc<Slot>>,
    /// Whether some of it was on its way when a write failed: what is known of it is not what it was changed from.
    behind: bool,
    /// Whether a snapshot was asked for, for the size of this file.
    asked: bool,
}

impl Worker {
    pub(super) fn new(core: &Arc<Core>, shared: Arc<Shared>, folder: Held, writer: JournalWriter) -> Self {
        let durable = writer.next_frame();
        Self {
            core: Arc::downgrade(core),
            shared,
            folder,
            writer,
            frame: Frame::new(),
            durable,
            ends: Pile::default(),
            changed: Pile::default(),
            logs: Pile::default(),
            behind: false,
            asked: false,
        }
    }

    /// The thread.
    pub(super) fn run(mut self) {
        let _leaving = Leaving(Arc::clone(&self.shared));
        let mut next = Instant::now() + self.shared.every();
        loop {
            let work = self.shared.wait(next);
            let due = Instant::now() >= next;
            if self.turn(work, due).is_break() {
                return;
            }
            if due {
                // Counted from the end of the last one, so that slow ones never pile up.
                next = Instant::now() + self.shared.every();
            }
        }
    }

    /// The same as a task, for proofs that run everything on one thread.
    #[cfg(test)]
    pub(super) async fn run_in_order(mut self) {
        let _leaving = Leaving(Arc::clone(&self.shared));
        let mut next = tokio::time::Instant::now() + self.shared.every();
        loop {
            let shared = Arc::clone(&self.shared);
            drop(tokio::time::timeout_at(next, shared.bell.task.notified()).await);
            let work = shared.wait(Instant::now());
            let due = tokio::time::Instant::now() >= next;
            if self.turn(work, due).is_break() {
                return;
            }
            if due {
                next = tokio::time::Instant::now() + self.shared.every();
            }
        }
    }

    /// Does what was asked for; nothing once it is to stop.
    fn turn(&mut self, work: Work, due: bool) -> ControlFlow<()> {
        let (Some(core), false) = (self.core.upgrade(), work.stop) else { return ControlFlow::Break(()) };
        // Held while it is written to: nobody else has the folder before that is done.
        let folder = self.folder.lock().clone();
        let Some(folder) = folder else { return ControlFlow::Break(()) };
        let Work { commits, flushes, rotations, .. } = work;
        let rotates = !rotations.is_empty();
        let written = match self.poisoned() {
            true => Err(NotDurable),
            false => self.write(&core, &commits).map_err(|fault| self.poison(&core, &fault)),
        };
        commits.into_iter().for_each(|pending| pending.settle(written));
        let written = match written {
            Ok(()) if due || rotates => self.touches(&core).map_err(|fault| self.poison(&core, &fault)),
            other => other,
        };
        // Whoever asked may have gone.
        for told in flushes {
            let _ = told.send(written);
        }
        for told in rotations {
            let rotated = self.rotate(&core, &folder);
            drop(told.send(rotated));
        }
        if !self.poisoned() {
            self.after(&core);
        }
        ControlFlow::Continue(())
    }

    fn poisoned(&self) -> bool {
        self.shared.poisoned.load(Ordering::Acquire)
    }

    /// Ends, changes, commits and event logs, in an order in which the last word on a session comes last.
    fn write(&mut self, core: &Core, commits: &[Pending]) -> Result<(), Fault> {
        // The other way round than they are written, so that what was noted first is not written later: a session that
        // follows an end under the same digest, or a log that belongs to a session.
        self.logs.append(&mut self.shared.marks.take_logs());
        self.changed.append(&mut self.shared.marks.take_changed());
        self.ends.append(&mut self.shared.marks.take_buried());
        let (ends, changed) = (std::mem::take(&mut self.ends), std::mem::take(&mut self.changed));
        let logs = std::mem::take(&mut self.logs);
        let written = self.write_all(core, &ends, &changed, commits).and_then(|()| self.write_logs(core, &logs));
        self.behind = written.is_err();
        if self.behind {
            // Bounded as the marks are: each session is there once, or ended once.
            (self.ends, self.changed, self.logs) = (ends, changed, logs);
        }
        written
    }

    /// The logs learn of it only once all of it is durable: of a write that failed nothing counts.
    fn write_logs(&mut self, core: &Core, logs: &Pile<Arc<Slot>>) -> Result<(), Fault> {
        let mut written = Vec::new();
        for slot in logs.iter().filter(|_| !core.planted(Bug::EventsNotJournaled)) {
            written.extend(items::log(core, &mut self.frame, slot)?);
            self.if_full(core)?;
        }
        self.frame_durable(core)?;
        written.into_iter().for_each(Logged::written);
        Ok(())
    }

    fn write_all(
        &mut self,
        core: &Core,
        ends: &Pile<Tombstone>,
        changed: &Pile<Changed>,
        commits: &[Pending],
    ) -> Result<(), Fault> {
        for tombstone in ends.iter().filter(|_| !core.planted(Bug::TombstoneNotJournaled)) {
            self.frame.put(&JournalItem::Tombstone(image::bury(tombstone)))?;
            self.if_full(core)?;
        }
        for Changed { slot, base } in changed.iter() {
            items::changed(core, &mut self.frame, slot, base.as_ref().filter(|_| !self.behind))?;
            self.if_full(core)?;
        }
        for pending in commits {
            // One that ended meanwhile is told so; its end may be written already.
            if pending.slot().ended().is_none() {
                items::session(core, &mut self.frame, pending.slot(), &pending.head, Some(&pending.base))?;
                self.if_full(core)?;
            }
        }
        Ok(())
    }

    fn touches(&mut self, core: &Core) -> Result<(), Fault> {
        let touched = self.shared.marks.take_touched();
        let written = self.write_touched(core, &touched);
        if written.is_err() {
            touched.iter().for_each(|slot| self.shared.marks.touched(slot));
        }
        written
    }

    fn write_touched(&mut self, core: &Core, touched: &Pile<Arc<Slot>>) -> Result<(), Fault> {
        for slot in touched.iter() {
            items::touched(&mut self.frame, slot)?;
            self.if_full(core)?;
        }
        self.frame_durable(core)
    }

    fn if_full(&mut self, core: &Core) -> Result<(), Fault> {
        if self.frame.len() < FRAME_BYTES { Ok(()) } else { self.frame_durable(core) }
    }

    /// Writes what is in the frame, and waits until that would outlive a power cut.
    fn frame_durable(&mut self, core: &Core) -> Result<(), Fault> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        self.writer.write(&mut self.frame, core.clock.now().as_micros())?;
        if !core.planted(Bug::AcknowledgesUnsynced) {
            self.writer.sync()?;
        }
        let took = started.elapsed();
        core.telemetry.journal_seconds.record(took.as_secs_f64());
        tracing::debug!(bytes = self.frame.len(), micros = took.as_micros() as u64, "journal written");
        self.durable = self.writer.next_frame();
        self.frame.clear();
        Ok(())
    }

    /// After a fault nothing is written to this file any more: what the system could not write it may have forgotten, and
    /// would not tell again.
    fn poison(&mut self, core: &Core, fault: &Fault) -> NotDurable {
        self.frame.clear();
        self.shared.poisoned.store(true, Ordering::Release);
        core.telemetry.durable.set(0.0);
        core.telemetry.journal_failures.increment(1);
        let full = fault.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
        let advice = if full { "there is no space left: make some, then" } else { "mend the cause, then" };
        tracing::error!(error = %fault, "the journal cannot be written; updates are refused; {advice} take a snapshot");
        NotDurable
    }

    /// Goes on in another file, whose snapshot is about to be taken.
    fn rotate(&mut self, core: &Core, folder: &crate::snapshot::Folder) -> Result<u64, WriteError> {
        // Changes wait for it, as they wait for a write.
        let started = Instant::now();
        let number = folder.next_generation()?;
        let begun = folder.begin_journal(number, self.durable, core.clock.now().as_micros());
        self.writer = begun.map_err(|BeginError { error, may_be_there }| {
            // Whatever was written to this file from here on could be taken for what was never acknowledged.
            if may_be_there {
                self.poison(core, &"a later journal may stand beside it".into());
            }
            error
        })?;
        core.telemetry.journal_seconds.record(started.elapsed().as_secs_f64());
        self.asked = false;
        Ok(number)
    }

    /// What nobody waits for.
    fn after(&mut self, core: &Core) {
        let bytes = self.writer.bytes();
        core.telemetry.journal_bytes.set(bytes as f64);
        if bytes >= self.shared.fold_at.load(Ordering::Relaxed) && !self.asked {
            self.asked = true;
            if let Some(snapshotter) = core.snapshotter.get() {
                snapshotter.fold();
            }
        }
        let started = Instant::now();
        match self.writer.make_room() {
            Ok(false) => {}
            Ok(true) => core.telemetry.journal_seconds.record(started.elapsed().as_secs_f64()),
            // Writes go on without; one that fails itself will tell.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
            Err(error) => drop(self.poison(core, &error.into())),
        }
    }
}
