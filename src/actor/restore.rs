//! Bringing back what the newest valid file holds, before the service is handed out.

mod arrivals;
mod crew;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::arrivals::Arrivals;
use self::crew::{Built, Crew};
use super::core::Core;
use super::image::Logs;
use super::set_back::SetBack;
use super::slot::{Identity, Slot};
use super::tombstones::Tombstone;
use crate::id::SessionDigest;
use crate::snapshot::{
    FileError, Folder, Found, GenerationFile, Item, ReadOptions, RestoreError, entries_codec, header, lanes,
    read_on_all_cores,
};
use crate::time::Timestamp;

/// What `start` found in the folder and what came of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The file that was restored; `None` when there was none or the service was told to start empty.
    pub file: Option<PathBuf>,
    /// When that file was written.
    pub taken_at: Option<Timestamp>,
    /// Sessions that live on, buckets among them.
    pub sessions: u64,
    /// Sessions that expired while the service was down.
    pub expired: u64,
    /// Ends that are remembered.
    pub tombstones: u64,
    /// Damaged files that were passed over, each with what is wrong with it. What they held beyond `file` is rolled back.
    pub skipped: Vec<(PathBuf, String)>,
    /// Whether files were there and the service was told to start without them.
    pub started_empty: bool,
    /// How far the wall clock is behind the file's own time, if it is.
    pub clock_behind: Option<Duration>,
}

impl RestoreReport {
    /// Whether something newer than what was restored could not be read.
    #[must_use]
    pub fn degraded(&self) -> bool {
        !self.skipped.is_empty()
    }
}

/// Restores from the folder's newest valid file.
///
/// The core is handed out afterwards: until then a file that is refused half-way is taken back unseen.
pub(crate) fn restore(core: &Core, folder: &Folder, start_empty: bool) -> Result<RestoreReport, RestoreError> {
    let now = core.clock.now();
    let found = match folder.newest(|file| take(core, folder, file, now)) {
        Ok(found) => found,
        Err(error) if start_empty => {
            tracing::warn!(%error, "starting empty, as told; the files stay where they are");
            return Ok(RestoreReport { started_empty: true, ..RestoreReport::default() });
        }
        Err(error) => return Err(error),
    };
    let Found { file, skipped } = found;
    let skipped: Vec<_> = skipped.into_iter().map(|(file, error)| (file.path, error.to_string())).collect();
    for (path, problem) in &skipped {
        tracing::error!(path = %path.display(), problem, "a damaged snapshot was passed over");
    }
    let mut report = RestoreReport { skipped, ..RestoreReport::default() };
    core.telemetry.restore_degraded.set(if report.degraded() { 1.0 } else { 0.0 });
    let Some((file, taken)) = file else { return Ok(report) };
    report.taken_at = Some(taken.saved_at);
    report.clock_behind = (taken.saved_at > now).then(|| taken.saved_at.since(now));
    if let Some(behind) = report.clock_behind {
        tracing::warn!(seconds = behind.as_secs(), "the wall clock is behind the time of the snapshot");
    }
    taken.settle(core, now, &mut report);
    report.file = Some(file.path);
    Ok(report)
}

/// Reads a file, checks all of it and enters its sessions; of a file that is refused nothing stays.
fn take(core: &Core, folder: &Folder, file: &GenerationFile, now: Timestamp) -> Result<Taken, FileError> {
    let saved_at = Timestamp::from_micros(header(&mut folder.open_file(file)?)?.created_at);
    let options = ReadOptions { entries: entries_codec(), accept_edited: false };
    let mut crews: Vec<_> = (0..lanes()).map(|_| Crew::new(core, saved_at, now)).collect();
    let builders = crews.iter_mut().map(|crew| |item: Item<'_>| crew.build(item)).collect();
    let mut arrivals = Arrivals::default();
    let (mut due, mut tombstones, mut logs, mut records) = (Vec::new(), Vec::new(), Logs::new(core), 0);
    let read = read_on_all_cores(&mut folder.open_file(file)?, &options, builders, &mut |built| {
        records += 1;
        match built {
            Built::Events { digest, part } => logs.add(digest, *part, records)?,
            Built::Session { key, slot, is_due } => {
                if is_due {
                    due.push(Arc::clone(&slot));
                }
                arrivals.add(core, key, slot);
            }
            Built::Tombstone(tombstone) => tombstones.push(*tombstone),
        }
        Ok(())
    });
    let entered = read.and_then(|_| arrivals.enter(core)).and_then(|()| {
        let stray = logs.stray(|digest| core.registry.find(digest).is_some());
        stray.map_or(Ok(()), |(index, digest)| {
            let detail = format!("session {}: events of a session that is not in the file", digest.tag());
            Err(FileError::Record { index, detail })
        })
    });
    if let Err(error) = entered {
        core.registry.collect(|_| true).iter().for_each(|slot| core.registry.remove(slot));
        drop((crews, due));
        core.owners.forget_idle();
        return Err(error);
    }
    let sessions = crews.into_iter().map(|crew| crew.enter(core)).sum();
    // Those whose deadline has passed are counted nowhere, and take their logs with them.
    let live = |digest: &SessionDigest| core.registry.find(digest).filter(|slot| slot.due(now).is_none());
    logs.attach(live, |slot, bytes| core.capacity.count_restored_events(&slot.identity, bytes));
    Ok(Taken { saved_at, due, tombstones, sessions })
}

/// What was entered from a file, and what is to be settled once all of it is known to be right.
struct Taken {
    saved_at: Timestamp,
    /// In the registry, counted nowhere: their deadline has passed.
    due: Vec<Arc<Slot>>,
    /// They come last in the file and have the last word.
    tombstones: Vec<Tombstone>,
    /// Those that are counted.
    sessions: u64,
}

impl Taken {
    fn settle(mut self, core: &Core, now: Timestamp, report: &mut RestoreReport) {
        let back = SetBack::of(self.saved_at, now);
        for mut tombstone in self.tombstones {
            tombstone.ended.at = back.map_or(tombstone.ended.at, |back| back.past(tombstone.ended.at));
            core.tombstones.bury(tombstone);
            if let Some(slot) = core.registry.find(&tombstone.digest) {
                self.sessions -= u64::from(slot.due(now).is_none());
                leave(core, &slot, now);
            }
        }
        for slot in self.due {
            let Identity { digest, owner, .. } = &slot.identity;
            let Some(ended) = slot.due(now).filter(|_| core.registry.find(digest).is_some()) else { continue };
            // Time spent down counts.
            core.tombstones.bury(Tombstone { digest: *digest, owner: owner.key, ended });
            core.telemetry.ended(ended.reason);
            core.changed();
            core.registry.remove(&slot);
            report.expired += 1;
        }
        report.sessions = self.sessions;
        report.tombstones = core.tombstones.len() as u64;
        core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
        core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    }
}

/// Takes a session out of every table that it was entered in.
fn leave(core: &Core, slot: &Arc<Slot>, now: Timestamp) {
    core.registry.remove(slot);
    if slot.due(now).is_some() {
        return;
    }
    core.capacity.leave(&slot.identity, slot.bytes());
    if !slot.identity.owner.is_anonymous() {
        slot.identity.owner.index.lock().remove(slot);
    }
}

#[cfg(test)]
mod tests;
