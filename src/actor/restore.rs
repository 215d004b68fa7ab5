//! Bringing back what the newest valid file holds, before the service is handed out.

mod arrivals;
mod crew;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::arrivals::Arrivals;
use self::crew::{Built, Crew};
use super::core::Core;
use super::image::{self, Logs};
use super::set_back::SetBack;
use super::slot::{Identity, Slot};
use super::tombstones::Tombstone;
use crate::id::SessionDigest;
use crate::snapshot::{
    Chain, Cut, FileError, Folder, Found, GenerationFile, Item, ReadOptions, RecordError, RestoreError, entries_codec,
    header, lanes, read_on_all_cores,
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
    /// Journals that were read after it.
    pub journals: u64,
    /// Sessions that they said something of.
    pub journaled: u64,
    /// Where the journals ended before their end, if they did.
    pub journal_cut: Option<JournalCut>,
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
    /// The first of these files that was not sealed though the service has keys. The next snapshot is; it follows soon.
    pub unsealed: Option<PathBuf>,
    /// How far the wall clock is behind the file's own time, if it is.
    pub clock_behind: Option<Duration>,
}

/// Where the journals that go on from a snapshot end before their end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalCut {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and where.
    pub detail: String,
    /// Whether what came after is lost; else it is a write that a crash cut short, which nobody had been told of.
    pub lost: bool,
}

impl From<Cut> for JournalCut {
    fn from(cut: Cut) -> Self {
        let Cut { path, detail, lost } = cut;
        Self { path, detail, lost }
    }
}

impl RestoreReport {
    /// Whether something newer than what was restored could not be read.
    #[must_use]
    pub fn degraded(&self) -> bool {
        !self.skipped.is_empty() || self.journal_cut.as_ref().is_some_and(|cut| cut.lost)
    }
}

/// How journals go on after a restore.
#[derive(Default)]
pub(crate) struct GoesOn {
    /// With another file of this generation; else with a generation of its own.
    pub(crate) generation: Option<u64>,
    /// With this frame; else far from any that there was.
    pub(crate) frame: Option<u64>,
    /// Whether a file that was not read, or a part of one, could be taken for what comes next.
    pub(crate) snapshot_first: bool,
    /// Whether files are not sealed as they are to be.
    pub(crate) snapshot_soon: bool,
    /// Ends that were found only now, and stand in no file.
    pub(crate) found: Vec<Tombstone>,
}

/// Restores from the folder's newest valid file.
///
/// The core is handed out afterwards: until then a file that is refused half-way is taken back unseen.
pub(crate) fn restore(
    core: &Core,
    folder: &Folder,
    start_empty: bool,
) -> Result<(RestoreReport, GoesOn), RestoreError> {
    let now = core.clock.now();
    let found = match newest(core, folder, now) {
        Ok(found) => found,
        Err(error) if start_empty => {
            tracing::warn!(%error, "starting empty, as told; files that cannot be used stay where they are");
            let goes_on = GoesOn { snapshot_first: true, ..GoesOn::default() };
            return Ok((RestoreReport { started_empty: true, ..RestoreReport::default() }, goes_on));
        }
        Err(error) => return Err(error),
    };
    let (file, taken, skipped) = found;
    let skipped: Vec<_> = skipped.into_iter().map(|(file, error)| (file.path, error.to_string())).collect();
    for (path, problem) in &skipped {
        tracing::error!(path = %path.display(), problem, "a damaged snapshot was passed over");
    }
    let mut report = RestoreReport { skipped, ..RestoreReport::default() };
    let Some(taken) = taken else { return Ok((report, GoesOn { generation: Some(0), ..GoesOn::default() })) };
    if let Some(cut) = &taken.cut {
        let (path, detail) = (cut.path.display(), &cut.detail);
        match cut.lost {
            true => tracing::error!(%path, detail, "the journal is damaged; what came after is rolled back"),
            false => {
                tracing::warn!(%path, detail, "the journal was cut short by a crash; nobody was told of that write")
            }
        }
    }
    report.journals = taken.journals;
    report.journaled = taken.journaled;
    report.journal_cut = taken.cut.clone();
    core.telemetry.restore_degraded.set(if report.degraded() { 1.0 } else { 0.0 });
    let mut goes_on = taken.goes_on(file.as_ref(), report.degraded());
    report.taken_at = Some(taken.saved_at);
    report.clock_behind = (taken.saved_at > now).then(|| taken.saved_at.since(now));
    if let Some(behind) = report.clock_behind {
        tracing::warn!(seconds = behind.as_secs(), "the wall clock is behind the time of the snapshot");
    }
    if taken.seal != Seal::AsAsked {
        // Files that are behind: the next snapshot seals all of it under the key that writes.
        core.changed();
        goes_on.snapshot_soon = true;
    }
    if let Seal::Missing(path) = &taken.seal {
        tracing::warn!(path = %path.display(), "a file is not sealed, so anybody could have written it; the next snapshot is");
        report.unsealed = Some(path.clone());
    }
    goes_on.found = taken.settle(core, now, &mut report);
    report.file = file.map(|file| file.path);
    Ok((report, goes_on))
}

/// What a restore is made from: a snapshot, if there is one, what came of it, and the ones that were passed over.
type Newest = (Option<GenerationFile>, Option<Taken>, Vec<(GenerationFile, FileError)>);

/// The newest valid snapshot with its journals; the journals since the beginning of all, where there is none; nothing, in
/// an empty folder.
fn newest(core: &Core, folder: &Folder, now: Timestamp) -> Result<Newest, RestoreError> {
    let mut newer = None;
    let mut chain = |generation| {
        folder.chain(generation).map_err(|(path, error)| {
            newer = match &error {
                FileError::NewerVersion { found, supported } => {
                    Some(RestoreError::Newer { path, found: *found, supported: *supported })
                }
                FileError::Sealed { key } => Some(RestoreError::Sealed { path, key: key.clone() }),
                FileError::Unbuilt { feature } => Some(RestoreError::Unbuilt { path, feature }),
                _ => None,
            };
            error
        })
    };
    let found = folder.newest(|file| take(core, folder, Some(file), chain(file.number)?, now));
    let skipped = match found {
        Ok(Found { file: Some((file, taken)), skipped }) => return Ok((Some(file), Some(taken), skipped)),
        Ok(Found { file: None, skipped }) | Err(RestoreError::NoneValid { skipped }) => skipped,
        Err(error) => return Err(newer.unwrap_or(error)),
    };
    let io = |source| RestoreError::Io { path: folder.path().to_owned(), source };
    let Some(first) = folder.journals().map_err(io)?.into_iter().next() else {
        return if skipped.is_empty() { Ok((None, None, skipped)) } else { Err(RestoreError::NoneValid { skipped }) };
    };
    let chain = match chain(0) {
        Ok(chain) => chain,
        Err(FileError::Io { source }) => return Err(io(source)),
        Err(_) => return Err(newer.unwrap_or(RestoreError::JournalAlone { path: first.path })),
    };
    // Beside damaged snapshots journals count only where they make up for all of them.
    let taken = match first.generation == 0 && (chain.is_whole() || skipped.is_empty()) {
        true => take(core, folder, None, chain, now).ok(),
        false => None,
    };
    match taken {
        Some(taken) => Ok((None, Some(taken), skipped)),
        None if skipped.is_empty() => Err(RestoreError::JournalAlone { path: first.path }),
        None => Err(RestoreError::NoneValid { skipped }),
    }
}

/// Reads a file, checks all of it and enters its sessions as the journals leave them; of a file that is refused nothing
/// stays.
fn take(
    core: &Core,
    folder: &Folder,
    file: Option<&GenerationFile>,
    chain: Chain,
    now: Timestamp,
) -> Result<Taken, FileError> {
    let (mut seal, mut written_at) = (Seal::AsAsked, 0);
    if let Some(file) = file {
        let mut opened = folder.open_file(file)?;
        seal = seal.and(&file.path, opened.is_behind(&core.config.wrap), opened.sealed_under().is_some());
        written_at = header(&mut opened)?.created_at;
    }
    for (journal, read) in &chain.files {
        seal = seal.and(&journal.path, read.header.is_behind(&core.config.wrap), read.header.seal.is_some());
    }
    // The last time that is known: what was left of a life then is left of it now.
    let saved_at = Timestamp::from_micros(written_at.max(chain.written_at()));
    let options = ReadOptions { entries: entries_codec(), accept_edited: false };
    let replay = &chain.replay;
    let mut crews: Vec<_> = (0..lanes()).map(|_| Crew::new(core, replay, saved_at, now)).collect();
    let mut arrivals = Arrivals::default();
    let (mut due, mut tombstones, mut logs, mut records) = (Vec::new(), Vec::new(), Logs::under(core, replay), 0);
    let mut take = |built| {
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
            Built::Nothing => {}
        }
        Ok(())
    };
    let read = match file {
        Some(file) => {
            let builders = crews.iter_mut().map(|crew| |item: Item<'_>| crew.build(item)).collect();
            read_on_all_cores(&mut folder.open_file(file)?, &options, builders, &mut take).map(drop)
        }
        None => Ok(()),
    };
    let read = read.and_then(|()| match crews.first_mut() {
        Some(crew) => crew.others(&mut take).map_err(|RecordError(detail)| FileError::Record { index: 0, detail }),
        None => Ok(()),
    });
    // Before anybody asks whose they are: what the journals say has ended takes its log along.
    let read = read.and_then(|()| {
        let laid = logs.lay_over(image::carried(saved_at, now));
        laid.map_err(|RecordError(detail)| FileError::Record { index: 0, detail })
    });
    let entered = read.and_then(|()| arrivals.enter(core)).and_then(|()| {
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
    tombstones.extend(replay.tombstones().map(image::unearth));
    let next_frame = chain.next_frame();
    folder.carries(chain.read());
    let Chain { replay, files, cut } = chain;
    let cut = cut.map(JournalCut::from);
    let (journals, journaled) = (files.len() as u64, replay.len() as u64);
    let last = files.into_iter().next_back().map(|(file, _)| file.generation);
    Ok(Taken { saved_at, seal, due, tombstones, sessions, journals, journaled, cut, last, next_frame })
}

/// How files are sealed, beside how the next one will be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seal {
    AsAsked,
    /// One is under an older key.
    Behind,
    /// This one, the first such, is not sealed at all, though there are keys.
    Missing(PathBuf),
}

impl Seal {
    fn and(self, path: &Path, is_behind: bool, is_sealed: bool) -> Self {
        match self {
            Self::Missing(_) => self,
            _ if is_behind && !is_sealed => Self::Missing(path.to_owned()),
            _ if is_behind => Self::Behind,
            _ => self,
        }
    }
}

/// What was entered from a file, and what is to be settled once all of it is known to be right.
struct Taken {
    saved_at: Timestamp,
    seal: Seal,
    /// In the registry, counted nowhere: their deadline has passed.
    due: Vec<Arc<Slot>>,
    /// They come last in the file and have the last word.
    tombstones: Vec<Tombstone>,
    /// Those that are counted.
    sessions: u64,
    journals: u64,
    journaled: u64,
    cut: Option<JournalCut>,
    /// The generation of the last journal, and the frame that goes on from it.
    last: Option<u64>,
    next_frame: Option<u64>,
}

impl Taken {
    fn goes_on(&self, file: Option<&GenerationFile>, degraded: bool) -> GoesOn {
        if degraded {
            return GoesOn { snapshot_first: true, ..GoesOn::default() };
        }
        let generation = self.last.or(file.map(|file| file.number)).unwrap_or_default();
        GoesOn { generation: Some(generation), frame: self.next_frame, ..GoesOn::default() }
    }

    fn settle(mut self, core: &Core, now: Timestamp, report: &mut RestoreReport) -> Vec<Tombstone> {
        let mut found = Vec::new();
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
            let tombstone = Tombstone { digest: *digest, owner: owner.key, ended };
            core.tombstones.bury(tombstone);
            found.push(tombstone);
            core.telemetry.ended(ended.reason);
            core.changed();
            core.registry.remove(&slot);
            report.expired += 1;
        }
        report.sessions = self.sessions;
        report.tombstones = core.tombstones.len() as u64;
        core.telemetry.sessions_active.set(core.capacity.sessions() as f64);
        core.telemetry.state_bytes.set(core.capacity.bytes() as f64);
        found
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
