//! Writes the journal: one thread, one write at a time, with all in it that came while the last one took its time.

use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
        self.0.health.fails();
        let left = std::mem::replace(&mut *self.0.work.lock(), Work { gone: true, ..Work::default() });
        // Callers are told by what is dropped: turns unrun, answers unsent.
        drop(left);
        self.0.exit.gone();
    }
}

/// What was taken from the marks and is not durable yet. Bounded as the marks are: each session is there once, or ended once.
#[derive(Default)]
struct Taken {
    ends: Pile<Tombstone>,
    changed: Pile<Changed>,
    logs: Pile<Arc<Slot>>,
    touched: Pile<Arc<Slot>>,
}

/// The one that writes.
pub(super) struct Worker {
    core: Weak<Core>,
    shared: Arc<Shared>,
    folder: Held,
    writer: JournalWriter,
    frame: Frame,
    /// The first frame after those of the passes that were written whole: of a pass that failed none counts.
    durable: u64,
    taken: Taken,
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
            taken: Taken::default(),
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
            let now = Instant::now();
            let due = now >= next;
            if due {
                // Counted from when the marks are taken: what is noted right after that waits for one interval, not for the
                // rest of this pass and one interval. Late ones never pile up, for there is one deadline.
                next = now + self.shared.every();
            }
            if self.turn(work, due).is_break() {
                return;
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
            let now = tokio::time::Instant::now();
            let due = now >= next;
            if due {
                next = now + self.shared.every();
            }
            if self.turn(work, due).is_break() {
                return;
            }
            if due && self.core.upgrade().is_some_and(|core| core.planted(Bug::FlushesSeldom)) {
                next += self.shared.every();
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
        let started = Instant::now();
        let touches = due || !rotations.is_empty();
        let written = match self.shared.health.is_good() {
            true => self.kept(&core, |worker| worker.pass(&core, &commits, touches)).and_then(|written| written),
            false => Err(NotDurable),
        };
        commits.into_iter().for_each(|pending| pending.settle(written.map(drop)));
        // Whoever asked may have gone.
        for told in flushes {
            let _ = told.send(written.map(drop));
        }
        let rotated = !rotations.is_empty();
        for told in rotations {
            let rotated = self.kept(&core, |worker| worker.rotate(&core, &folder));
            drop(told.send(rotated.unwrap_or_else(|NotDurable| {
                Err(WriteError::io("begin the journal")(io::Error::other("it panicked")))
            })));
        }
        let made_room = self.shared.health.is_good() && self.kept(&core, |worker| worker.after(&core)) == Ok(true);
        if written == Ok(true) || rotated || made_room {
            // All of it, for what is noted meanwhile waits for all of it.
            core.telemetry.journal_seconds.record(started.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    }

    /// Runs a part of a turn. One that panics, in a metrics recorder or a subscriber that somebody gave to the service, is a
    /// fault: what was on its way is not known to be written, and the thread goes on, for a snapshot may heal it.
    fn kept<T>(&mut self, core: &Core, part: impl FnOnce(&mut Self) -> T) -> Result<T, NotDurable> {
        let run = catch_unwind(AssertUnwindSafe(|| part(self)));
        run.map_err(|_| self.poison(core, &"a part of it panicked".into()))
    }

    /// Takes the marks and writes all they stand for, with the commits; whether there was anything to write.
    fn pass(&mut self, core: &Core, commits: &[Pending], touches: bool) -> Result<bool, NotDurable> {
        let marks = &self.shared.marks;
        if touches {
            self.taken.touched.append(&mut marks.take_touched());
        }
        // The other way round than they are written, so that what was noted first is not written later: a session that
        // follows an end under the same digest, or a log that belongs to a session.
        self.taken.logs.append(&mut marks.take_logs());
        self.taken.changed.append(&mut marks.take_changed());
        self.taken.ends.append(&mut marks.take_buried());
        let taken = std::mem::take(&mut self.taken);
        let before = self.writer.next_frame();
        let written = self.write(core, &taken, commits);
        self.behind = written.is_err();
        if self.behind {
            self.taken = taken;
        } else {
            self.durable = self.writer.next_frame();
        }
        written.map(|()| self.durable > before).map_err(|fault| self.poison(core, &fault))
    }

    /// Ends, changes, commits, event logs and last uses, in an order in which the last word on a session comes last.
    fn write(&mut self, core: &Core, taken: &Taken, commits: &[Pending]) -> Result<(), Fault> {
        for tombstone in taken.ends.iter().filter(|_| !core.planted(Bug::TombstoneNotJournaled)) {
            self.frame.put(&JournalItem::Tombstone(image::bury(tombstone)))?;
            self.if_full(core)?;
        }
        for Changed { slot, base } in taken.changed.iter() {
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
        let mut logs = Vec::new();
        for slot in taken.logs.iter().filter(|_| !core.planted(Bug::EventsNotJournaled)) {
            logs.extend(items::log(core, &mut self.frame, slot)?);
            self.if_full(core)?;
        }
        for slot in taken.touched.iter() {
            items::touched(&mut self.frame, slot)?;
            self.if_full(core)?;
        }
        self.frame_durable(core)?;
        // The logs learn of it only once all of it is durable: of a write that failed nothing counts.
        logs.into_iter().for_each(Logged::written);
        Ok(())
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
        let (bytes, micros) = (self.frame.len(), started.elapsed().as_micros() as u64);
        tracing::debug!(bytes, micros, "journal written");
        self.frame.clear();
        Ok(())
    }

    /// After a fault nothing is written to this file any more: what the system could not write it may have forgotten, and
    /// would not tell again.
    fn poison(&mut self, core: &Core, fault: &Fault) -> NotDurable {
        self.frame.clear();
        self.shared.health.fails();
        // What is told here goes to code of others, which may be what failed.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            core.telemetry.durable.set(0.0);
            core.telemetry.journal_failures.increment(1);
            let full =
                fault.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
            let advice = if full { "there is no space left: make some, then" } else { "mend the cause, then" };
            tracing::error!(error = %fault, "the journal cannot be written; updates are refused; {advice} take a snapshot");
        }));
        NotDurable
    }

    /// Goes on in another file, whose snapshot is about to be taken.
    fn rotate(&mut self, core: &Core, folder: &crate::snapshot::Folder) -> Result<u64, WriteError> {
        let number = folder.next_generation()?;
        let begun = folder.begin_journal(number, self.durable, core.clock.now().as_micros());
        self.writer = begun.map_err(|BeginError { error, may_be_there }| {
            // Whatever was written to this file from here on could be taken for what was never acknowledged.
            if may_be_there {
                self.poison(core, &"a later journal may stand beside it".into());
            }
            error
        })?;
        self.shared.health.begins_anew();
        self.asked = false;
        Ok(number)
    }

    /// What nobody waits for; whether the disk was asked for room.
    fn after(&mut self, core: &Core) -> bool {
        let bytes = self.writer.bytes();
        core.telemetry.journal_bytes.set(bytes as f64);
        if bytes >= self.shared.fold_at.load(Ordering::Relaxed) && !self.asked {
            self.asked = true;
            if let Some(snapshotter) = core.snapshotter.get() {
                snapshotter.fold();
            }
        }
        match self.writer.make_room() {
            // Where there is no space writes go on without; one that fails itself will tell.
            Ok(made) => made,
            Err(error) => {
                self.poison(core, &error.into());
                true
            }
        }
    }
}
