//! Bringing back what the newest valid file holds, before the service is handed out.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::core::Core;
use super::image;
use super::slot::Slot;
use super::tombstones::Tombstone;
use crate::id::{SessionDigest, SessionKey};
use crate::snapshot::{FileError, Folder, Found, Item, ReadOptions, RecordError, RestoreError, entries_codec, read};
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
pub(crate) fn restore(core: &Core, folder: &Folder, start_empty: bool) -> Result<RestoreReport, RestoreError> {
    let found = match folder.newest() {
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
    let Some((file, summary)) = file else { return Ok(report) };
    let now = core.clock.now();
    let saved_at = Timestamp::from_micros(summary.header.created_at);
    report.taken_at = Some(saved_at);
    report.clock_behind = (saved_at > now).then(|| saved_at.since(now));
    if let Some(behind) = report.clock_behind {
        tracing::warn!(seconds = behind.as_secs(), "the wall clock is behind the time of the snapshot");
    }
    let mut staged = Staged::default();
    let mut input = folder.open_file(&file).map_err(|source| RestoreError::Io { path: file.path.clone(), source })?;
    let options = ReadOptions { entries: entries_codec(), accept_edited: false };
    let outcome = read(&mut input, &options, &mut |item| staged.take(core, item, saved_at, now));
    if let Err(error) = outcome {
        // It was whole a moment ago: checked by `newest`, and the folder is locked.
        return Err(match error {
            FileError::Io { source } => RestoreError::Io { path: file.path, source },
            damage => RestoreError::NoneValid { skipped: vec![(file, damage)] },
        });
    }
    staged.enter(core, now, &mut report);
    report.file = Some(file.path);
    Ok(report)
}

/// What was read, in no table yet: a tombstone that comes last has the last word.
#[derive(Default)]
struct Staged {
    slots: HashMap<SessionKey, Slot>,
    ended: HashSet<SessionDigest>,
    tombstones: Vec<Tombstone>,
}

impl Staged {
    fn take(&mut self, core: &Core, item: Item, saved_at: Timestamp, now: Timestamp) -> Result<(), RecordError> {
        match item {
            Item::Session(record) => {
                let slot = image::revive(core, *record, saved_at, now).map_err(RecordError)?;
                match self.slots.insert(slot.identity.digest.key(), slot) {
                    Some(_) => Err(RecordError("the session is in the file twice".to_owned())),
                    None => Ok(()),
                }
            }
            Item::Tombstone(record) => {
                let tombstone = image::unearth(&record);
                self.ended.insert(tombstone.digest);
                self.tombstones.push(tombstone);
                Ok(())
            }
        }
    }

    fn enter(self, core: &Core, now: Timestamp, report: &mut RestoreReport) {
        for tombstone in self.tombstones {
            core.tombstones.bury(tombstone);
        }
        for slot in self.slots.into_values() {
            let digest = slot.identity.digest;
            if self.ended.contains(&digest) {
                continue;
            }
            if let Some(ended) = slot.due(now) {
                // Time spent down counts.
                core.tombstones.bury(Tombstone { digest, owner: slot.identity.owner.key, ended });
                core.telemetry.ended(ended.reason);
                core.changed();
                report.expired += 1;
                continue;
            }
            enter(core, slot);
            report.sessions += 1;
        }
        report.tombstones = core.tombstones.len() as u64;
        core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
        core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
    }
}

fn enter(core: &Core, slot: Slot) {
    let slot = std::sync::Arc::new(slot);
    let bytes = slot.peek().map_or(0, |committed| committed.bytes);
    let entered = core.registry.insert(std::sync::Arc::clone(&slot), |_| Ok::<_, std::convert::Infallible>(()));
    if entered != Ok(true) {
        return;
    }
    core.capacity.count_restored(&slot);
    core.capacity.count_bytes(&slot.identity.owner, bytes);
    if !slot.identity.owner.is_anonymous() {
        slot.identity.owner.index.lock().add(&slot);
    }
}
