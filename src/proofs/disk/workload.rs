//! A whole service at random work on the simulated disk, and a ledger of what it promised when.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::hand::START;
use super::super::random::Random;
use super::plain::{Held, Plain};
use super::simulated::Disk;
use crate::actor::lookup;
use crate::actor::new_session::NewSession;
use crate::actor::planted::DISK;
use crate::actor::snapshotter::{SnapshotError, SnapshotReport};
use crate::config::Format;
use crate::principal::Principal;
use crate::service::{SessionService, StartError};
use crate::session::Session;
use crate::snapshot::FileLayer;
use crate::time::{Clock, Timestamp};

/// Where the files are.
pub(super) const FOLDER: &str = "/var/snapshots";
pub(super) const EVERY: Duration = Duration::from_secs(10);
const MOST_SESSIONS: usize = 8;

/// A generation that was written.
pub(super) struct Generation {
    /// Steps of the disk once it had its name.
    pub(super) named: usize,
    /// Commits, creations and ends before it was written.
    pub(super) changes: usize,
    pub(super) plain: Arc<Plain>,
}

/// What was promised, each with the steps that the disk had done by then.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) written: BTreeMap<u64, Generation>,
    /// Generations whose writing somebody was told of.
    pub(super) acknowledged: Vec<(usize, u64)>,
    /// Every change, with the time it was made.
    pub(super) changes: Vec<(usize, Duration)>,
    /// Where a service started.
    pub(super) lives: Vec<(usize, usize)>,
}

/// A service and those who use it.
pub(super) struct World {
    pub(super) disk: Disk,
    /// The disk, or what is around it.
    pub(super) layer: Arc<dyn FileLayer>,
    pub(super) ledger: Ledger,
    pub(super) plain: Plain,
    pub(super) generations: usize,
    service: Option<SessionService>,
    sessions: Vec<(Session, [u8; 32])>,
    made: u64,
    noted: usize,
}

pub(super) fn principal() -> Principal {
    Principal::new("https://id.example", "alice")
}

/// The number in the name of a generation.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let ours = path.parent() == Some(Path::new(FOLDER)) && path.extension()? != "tmp";
    path.file_stem()?.to_str()?.strip_prefix("snapshot-")?.parse().ok().filter(|_| ours)
}

/// Starts a service on a layer.
pub(super) async fn start(
    layer: &Arc<dyn FileLayer>,
    format: Format,
    generations: usize,
    since: Duration,
) -> Result<SessionService, StartError> {
    let since = Timestamp::from_micros(START).after(since);
    let builder = SessionService::builder()
        .snapshots(PathBuf::from(FOLDER))
        .snapshot_every(EVERY)
        .generations(generations)
        .format(format)
        .clock(Clock::starting_at(since))
        .idle_timeout(None)
        .max_lifetime(None);
    DISK.scope(Arc::clone(layer), builder.start()).await
}

impl World {
    pub(super) fn new(disk: &Disk, layer: Arc<dyn FileLayer>, generations: usize) -> Self {
        let (disk, ledger, plain) = (disk.clone(), Ledger::default(), Plain::default());
        Self { disk, layer, ledger, plain, generations, service: None, sessions: Vec::new(), made: 0, noted: 0 }
    }

    /// Starts, or starts anew, on what the files hold; whoever used the service comes back.
    pub(super) async fn start(&mut self, format: Format) -> Result<(), StartError> {
        self.sessions.clear();
        drop(self.service.take());
        // The old one lets the folder go.
        tokio::task::yield_now().await;
        let service = start(&self.layer, format, self.generations, self.disk.time()).await?;
        let restored = service.restored().file.as_deref().and_then(number_of);
        let held = restored.map(|number| &self.ledger.written[&number].plain);
        self.plain = held.map(|plain| Plain::clone(plain)).unwrap_or_default();
        for made in 0..self.made {
            let (id, owner) = (format!("s-{made}"), service.owner(&principal()));
            let (_, digest) = lookup::digest(&principal().key(), &id).unwrap();
            if self.plain.sessions.contains_key(&digest.0) {
                self.sessions.push((owner.open(&id).await.unwrap(), digest.0));
            }
        }
        self.ledger.lives.push((self.disk.steps(), self.ledger.changes.len()));
        self.service = Some(service);
        Ok(())
    }

    /// Notes generations that were written since the last time, each of them holding what there is now.
    fn note(&mut self) {
        for (named, path) in self.disk.renamed_since(self.noted) {
            if let Some(number) = number_of(&path) {
                let plain = Arc::new(self.plain.clone());
                self.ledger.written.insert(number, Generation { named, changes: self.ledger.changes.len(), plain });
            }
        }
        self.noted = self.disk.steps();
    }

    fn changed(&mut self, digest: [u8; 32], held: Option<Held>) {
        match held {
            Some(held) => drop(self.plain.sessions.insert(digest, held)),
            None => {
                self.plain.sessions.remove(&digest);
                self.plain.ended.insert(digest);
            }
        }
        self.ledger.changes.push((self.disk.steps(), self.disk.time()));
    }

    fn promised(&mut self, report: &SnapshotReport) {
        self.ledger.acknowledged.push((self.disk.steps(), number_of(&report.path).unwrap()));
    }

    /// Asks for a snapshot.
    pub(super) async fn snapshot(&mut self) -> Result<(), SnapshotError> {
        let taken = self.service.as_ref().unwrap().snapshot().await;
        self.note();
        taken.map(|report| self.promised(&report))
    }

    /// Drains and starts anew, or ends without a drain.
    pub(super) async fn restart(&mut self, drain: bool, format: Format) -> Result<(), StartError> {
        if drain && let Some(service) = self.service.clone() {
            let drained = service.drain().await;
            self.note();
            if let Ok(Some(report)) = drained {
                self.promised(&report);
            }
        }
        self.start(format).await
    }

    /// Creates, updates or closes a session.
    pub(super) async fn change(&mut self, random: &mut Random) {
        let at = random.below(MOST_SESSIONS as u64) as usize;
        if at >= self.sessions.len() {
            let id = format!("s-{}", self.made);
            self.made += 1;
            let owner = self.service.as_ref().unwrap().owner(&principal());
            let session = owner.create_with_id(&id, NewSession::default()).await.unwrap();
            let (_, digest) = lookup::digest(&principal().key(), &id).unwrap();
            self.changed(digest.0, Some(Held::default()));
            self.sessions.push((session, digest.0));
            return;
        }
        let (session, digest) = self.sessions[at].clone();
        if random.below(12) == 0 {
            assert!(session.close().await.unwrap());
            self.sessions.swap_remove(at);
            return self.changed(digest, None);
        }
        let (_, mut entries) = Held::unwrap_or_clone(Arc::clone(&self.plain.sessions[&digest]));
        let mut values = Vec::new();
        for _ in 0..=random.below(3) {
            let text = format!("{:x}", random.below(u64::MAX)).repeat(1 + random.below(40) as usize);
            values.push((format!("key-{}", random.below(4)), text));
        }
        entries.extend(values.iter().map(|(key, text)| (key.clone(), format!("\"{text}\""))));
        let updated = session.update(move |draft| {
            values.iter().for_each(|(key, text)| draft.set(key, text).unwrap());
            Ok::<_, Infallible>(())
        });
        let revision = updated.await.unwrap().revision.get();
        self.changed(digest, Some(Arc::new((revision, entries))));
    }

    /// So many steps of random work, then a drain and a last start.
    pub(super) async fn work(&mut self, random: &mut Random, steps: u64, formats: &[Format]) -> Result<(), StartError> {
        let format = |random: &mut Random| formats[random.below(formats.len() as u64) as usize];
        let first = format(random);
        self.start(first).await?;
        for _ in 0..steps {
            match random.below(100) {
                0..70 => self.change(random).await,
                70..88 => self.snapshot().await.unwrap(),
                88..98 => {
                    tokio::time::sleep(Duration::from_millis(200 + random.below(4_000))).await;
                    self.note();
                }
                drain => {
                    let next = format(random);
                    self.restart(drain == 99, next).await?;
                }
            }
        }
        self.restart(true, first).await
    }
}
