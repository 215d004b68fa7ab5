//! Taking sessions from a file into a running service, and writing everything to a file elsewhere.

mod report;

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;

pub use report::{FileProblem, ImportOptions, ImportOutcome, ImportReport, ImportedItem, OnConflict};

use super::core::Core;
use super::create;
use super::end;
use super::events::Events;
use super::image::{self, Logs};
use super::in_flight::InFlight;
use super::lookup::access;
use super::planted::Bug;
use super::slot::{Role, Slot};
use super::snapshotter::SnapshotReport;
use super::turn::{self, Patience, Place};
use crate::config::{Format, Wrap};
use crate::error::{DraftError, Limit, LimitExceeded};
use crate::snapshot::{
    FileError, FileHeader, Item, ReadOptions, RecordError, SessionRecord, TombstoneRecord, Writer, entries_codec, open,
    read, verify, wrapped,
};
use crate::state::{EventLog, Json};
use crate::telemetry::{Operation, Outcome};
use crate::time::Timestamp;

impl Core {
    /// See [`crate::SessionService::import`].
    pub(crate) async fn import(
        self: &Arc<Self>,
        path: PathBuf,
        options: ImportOptions,
    ) -> Result<ImportReport, FileProblem> {
        let started = Instant::now();
        let _accepted = InFlight::enter(self).ok_or(FileProblem::Stopping)?;
        let (read_path, reading) =
            (path.clone(), ReadOptions { entries: entries_codec(), accept_edited: options.accept_edited });
        let core = Arc::clone(self);
        let joined = tokio::task::spawn_blocking(move || load(&core, &read_path, &reading)).await;
        let refused = |problem: String| FileProblem::Refused { path: path.clone(), problem };
        let (saved_at, items, mut logs) =
            joined.map_err(|error| refused(error.to_string()))?.map_err(|error| refused(error.to_string()))?;
        // A session that ended while the file was being written is in it twice, and the tombstone has the last word.
        let ended: HashSet<_> = items.iter().filter_map(Loaded::buried).collect();
        let mut report = ImportReport { dry_run: options.dry_run, ..ImportReport::default() };
        for item in items {
            match item {
                Loaded::Session(record) => {
                    let tag = crate::id::SessionDigest(record.digest).tag();
                    let kind = record.kind.clone();
                    let outcome = if ended.contains(&record.digest) {
                        ImportOutcome::Ended
                    } else {
                        one(self, &record, logs.take(&record.digest), saved_at, options)
                            .await
                            .unwrap_or_else(ImportOutcome::Refused)
                    };
                    report.items.push(ImportedItem { tag, kind, outcome });
                }
                Loaded::Tombstone(record) => {
                    let tombstone = image::unearth(&record);
                    // What lives here is not ended by a file from elsewhere.
                    if self.registry.find(&tombstone.digest).is_none()
                        && self.tombstones.find(&tombstone.digest).is_none()
                    {
                        report.tombstones += 1;
                        if !options.dry_run {
                            end::bury(self, tombstone);
                            self.changed();
                        }
                    }
                }
            }
        }
        self.telemetry.observe(Operation::Import, Outcome::Ok, started.elapsed());
        Ok(report)
    }

    /// What files are wrapped in, and opened with.
    pub(crate) fn wrap(&self) -> Wrap {
        if self.planted(Bug::FilesUnsealed) { Wrap::default() } else { self.config.wrap.clone() }
    }

    /// See [`crate::SessionService::export`].
    pub(crate) async fn export(
        self: &Arc<Self>,
        path: PathBuf,
        format: Format,
        wrap: Wrap,
    ) -> Result<SnapshotReport, FileProblem> {
        let started = Instant::now();
        let taken_at = self.clock.now();
        let (core, target) = (Arc::clone(self), path.clone());
        let written = tokio::task::spawn_blocking(move || save(&core, &target, format, taken_at, &wrap)).await;
        let failed = |source| FileProblem::Write { path: path.clone(), source };
        let summary = written.map_err(|error| failed(error.into()))?.map_err(failed)?;
        Ok(SnapshotReport {
            path,
            bytes: summary.bytes,
            sessions: summary.sessions,
            tombstones: summary.tombstones,
            taken_at,
            took: started.elapsed(),
        })
    }
}

/// A record that was read, on its own.
enum Loaded {
    Session(Box<SessionRecord>),
    Tombstone(TombstoneRecord),
}

impl Loaded {
    fn buried(&self) -> Option<[u8; 32]> {
        match self {
            Self::Session(_) => None,
            Self::Tombstone(record) => Some(record.digest),
        }
    }
}

/// Reads a file whole before anything is built from it: a file is refused as a whole or not at all.
fn load(
    core: &Core,
    path: &std::path::Path,
    options: &ReadOptions,
) -> Result<(Timestamp, Vec<Loaded>, Logs<'static>), FileError> {
    let wrap = &core.config.wrap;
    let summary = verify(&mut open(File::open(path)?, wrap)?, options)?;
    let saved_at = Timestamp::from_micros(summary.header.created_at);
    let (mut items, mut logs, mut met, mut records) = (Vec::new(), Logs::new(core), HashSet::new(), 0);
    read(&mut open(File::open(path)?, wrap)?, options, &mut |item| {
        records += 1;
        items.push(match item {
            Item::Session(record) => {
                met.insert(record.digest);
                Loaded::Session(Box::new(record.owned()))
            }
            Item::Events(record) => {
                let part = image::part(record, image::carried(saved_at, core.clock.now())).map_err(RecordError)?;
                return logs.add(record.digest, part, records);
            }
            Item::Tombstone(record) => Loaded::Tombstone(record.clone()),
        });
        Ok::<_, RecordError>(())
    })?;
    match logs.stray(|digest| met.contains(&digest.0)) {
        None => Ok((saved_at, items, logs)),
        Some((index, digest)) => {
            let detail = format!("session {}: events of a session that is not in the file", digest.tag());
            Err(FileError::Record { index, detail })
        }
    }
}

fn save(
    core: &Core,
    path: &std::path::Path,
    format: Format,
    taken_at: Timestamp,
    wrap: &Wrap,
) -> Result<crate::snapshot::Summary, Box<dyn std::error::Error + Send + Sync>> {
    crate::snapshot::write_new(path, |output| {
        wrapped(output, wrap, |output| {
            let mut writer = Writer::new(output, FileHeader::new(format, taken_at.as_micros(), 0), entries_codec())?;
            image::write(core, &mut writer)?;
            Ok(writer.finish()?)
        })
    })
}

async fn one(
    core: &Arc<Core>,
    record: &SessionRecord,
    log: Option<EventLog>,
    saved_at: Timestamp,
    options: ImportOptions,
) -> Result<ImportOutcome, String> {
    let now = core.clock.now();
    let record = record.borrowed();
    let slot = image::revive(core, image::owner_of(core, &record), &record, saved_at, now)?;
    let standing = here(core, &slot);
    if core.tombstones.find(&slot.identity.digest).is_some() || slot.due(now).is_some() {
        return Ok(ImportOutcome::Ended);
    }
    check_caps(core, &slot).map_err(|error| error.to_string())?;
    match standing {
        None if options.dry_run => Ok(ImportOutcome::Created),
        None => {
            if let Some(log) = log {
                slot.attach(Events::new(log));
            }
            create::adopt(core, Arc::new(slot)).map_err(|error| error.to_string())?;
            Ok(ImportOutcome::Created)
        }
        Some(standing) => {
            let newer = slot.last_active() > standing.last_active();
            match options.on_conflict {
                OnConflict::Skip => Ok(ImportOutcome::Kept),
                OnConflict::Newer if !newer => Ok(ImportOutcome::Kept),
                _ if options.dry_run => Ok(ImportOutcome::Replaced),
                _ => replace(core, &standing, &slot, now).await,
            }
        }
    }
}

/// The live session whose place the imported one would take. One whose deadline has passed ends here.
fn here(core: &Core, slot: &Slot) -> Option<Arc<Slot>> {
    let identity = &slot.identity;
    let alive = |slot: &Arc<Slot>| access(core, slot, false).is_ok();
    let same = core.registry.find(&identity.digest).filter(alive);
    let standing = same.or_else(|| {
        let key = {
            let index = identity.owner.index.lock();
            match identity.role {
                Role::Session => identity.name().and_then(|name| index.names.get(name)).copied(),
                Role::Bucket | Role::Global => index.bucket,
            }
        };
        key.and_then(|key| core.registry.by_key(&key))
    });
    standing.filter(alive)
}

/// The caps of this service hold for what comes from another, too.
fn check_caps(core: &Core, slot: &Slot) -> Result<(), LimitExceeded> {
    let Some(committed) = slot.peek() else { return Ok(()) };
    let limits = core.limits(slot.identity.role);
    let cap = |limit, attempted: u64, allowed| {
        if attempted > allowed { Err(LimitExceeded { limit, allowed, attempted }) } else { Ok(()) }
    };
    cap(Limit::Entries, committed.entries.len() as u64, limits.entries)?;
    cap(Limit::SessionBytes, committed.bytes, limits.bytes)?;
    committed.entries.iter().try_for_each(|entry| {
        cap(Limit::KeyBytes, entry.key.len() as u64, limits.key_bytes)?;
        cap(Limit::ValueBytes, entry.value.len() as u64, limits.value_bytes)
    })
}

async fn replace(
    core: &Arc<Core>,
    standing: &Arc<Slot>,
    imported: &Slot,
    now: Timestamp,
) -> Result<ImportOutcome, String> {
    let Some(state) = imported.peek() else { return Ok(ImportOutcome::Ended) };
    let update = turn::update(core, standing, None, Patience::Wait, Place::Anywhere, move |draft| {
        draft.clear();
        for entry in state.entries.iter().filter(|entry| state.is_live(entry, now)) {
            let Some(ttl) = image::ttl_left(entry.expiry, now) else { continue };
            draft.set_json_with(entry.key, Json::parse(entry.value)?, ttl)?;
        }
        *draft.metadata_mut() = state.metadata().clone();
        draft.adopt_keys(state.keys());
        Ok::<_, DraftError>(())
    });
    update.await.map(|_| ImportOutcome::Replaced).map_err(|error| error.to_string())
}
