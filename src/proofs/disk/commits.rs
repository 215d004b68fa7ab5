//! Durable by commits: at any power cut a restart finds every change that was acknowledged, and nothing half done.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::hand::{START, paused};
use super::super::proving::{Verdict, caught, holds};
use super::super::random::Random;
use super::around::{Around, Habit};
use super::medium::Image;
use super::plain::{Held, Loaded, load};
use super::planted::{NoFileSync, NoFolderSync};
use super::simulated::Disk;
use super::sweep::{Figures, sweep};
use super::workload::{FOLDER, principal};
use crate::actor::lookup;
use crate::actor::new_session::NewSession;
use crate::actor::planted::{Bug, DISK, FROM_THE_START};
use crate::config::{Durability, Format};
use crate::service::{SessionService, StartError};
use crate::session::Session;
use crate::snapshot::FileLayer;
use crate::time::{Clock, Timestamp};

/// Services at work on disks of their own.
const WORLDS: u64 = 6;
/// Images of each.
const IMAGES: u64 = 167_000;
/// Steps of random work.
const WORK: u64 = 400;
const SESSIONS: u64 = 6;
/// So often others get on before changes that come in the midst of a snapshot.
pub(super) const POINTS: u64 = 20;

pub(super) type Digest = [u8; 32];

/// What one session was and is to be, with the steps that the disk had done when each was acknowledged; nothing for the end.
#[derive(Default)]
struct History {
    /// When it was asked for: it may be there from then on.
    asked: Vec<(usize, Option<Held>)>,
    /// How many of them were acknowledged by when.
    acknowledged: Vec<(usize, usize)>,
}

/// What was asked for and acknowledged.
#[derive(Default)]
pub(super) struct Ledger {
    sessions: BTreeMap<Digest, History>,
    changes: u64,
}

impl Ledger {
    pub(super) fn asked(&mut self, digest: Digest, at: usize, held: Option<Held>) {
        self.sessions.entry(digest).or_default().asked.push((at, held));
    }

    pub(super) fn acknowledged(&mut self, digest: Digest, at: usize) {
        let history = self.sessions.entry(digest).or_default();
        history.acknowledged.push((at, history.asked.len()));
        self.changes += 1;
    }

    /// What a restart may find after so many steps: the last acknowledged state of each session, or one asked for since.
    pub(super) fn kept(&self, cut: usize, loaded: &Loaded) -> Result<(), String> {
        if loaded.skipped > 0 {
            return Err("a damaged file has a name".to_owned());
        }
        let known: BTreeSet<_> = self.sessions.keys().collect();
        if loaded.plain.sessions.keys().any(|digest| !known.contains(digest)) {
            return Err("a session is there that nobody asked for".to_owned());
        }
        for (digest, history) in &self.sessions {
            let found = loaded.plain.sessions.get(digest).filter(|_| !loaded.plain.ended.contains(digest));
            let sure = history.acknowledged.iter().take_while(|(at, _)| *at <= cut).map(|(_, count)| *count).last();
            let asked = history.asked.iter().take_while(|(at, _)| *at <= cut).count();
            let from = sure.unwrap_or_default();
            let mut fine = from == 0 && found.is_none();
            for (_, held) in &history.asked[from.saturating_sub(1)..asked.max(from)] {
                fine |= held.as_ref() == found;
            }
            if !fine {
                let found = found.map(|held| held.0);
                return Err(format!("revision {found:?} of a session with {from} acknowledged changes of {asked}"));
            }
        }
        Ok(())
    }
}

pub(super) async fn start(
    layer: &Arc<dyn FileLayer>,
    random: &mut Random,
    since: Duration,
    bugs: &[Bug],
) -> Result<SessionService, StartError> {
    let format = [Format::Bincode, Format::Json][random.below(2) as usize];
    let builder = SessionService::builder()
        .snapshots(PathBuf::from(FOLDER))
        .snapshot_every(Duration::from_secs(30))
        .generations(1 + random.below(3) as usize)
        .format(format)
        .durability(Durability::Commit)
        .clock(Clock::starting_at(Timestamp::from_micros(START).after(since)))
        .idle_timeout(None)
        .max_lifetime(None);
    let started = FROM_THE_START.scope(bugs.to_vec(), builder.start());
    DISK.scope(Arc::clone(layer), started).await
}

/// Lets a service work on a disk with a habit: several sessions at once, crashes, drains and snapshots between.
fn worked<H: Habit>(seed: u64, disk: &Disk, habit: H, bugs: &[Bug]) -> Result<Ledger, String> {
    let layer = Around::layer(Arc::new(disk.clone()), &Arc::new(habit));
    paused(async {
        let (mut random, mut ledger) = (Random(seed), Ledger::default());
        let mut service = start(&layer, &mut random, disk.time(), bugs).await.unwrap();
        let (mut live, mut made): (Vec<(Session, Digest)>, u64) = (Vec::new(), 0);
        for _ in 0..WORK {
            match random.below(100) {
                0..90 => {
                    while (live.len() as u64) < SESSIONS {
                        live.push(create(&service, disk, &mut ledger, made).await);
                        made += 1;
                    }
                    // A snapshot among them, now and then.
                    let snapshot = random.below(8) == 0;
                    let snapshot = snapshot.then(|| tokio::spawn(snapshot_of(service.clone())));
                    if snapshot.is_some() {
                        for _ in 0..random.below(POINTS) {
                            tokio::task::yield_now().await;
                        }
                    }
                    // Several at once, so that they share writes.
                    let mut at_once = Vec::new();
                    let count = 1 + random.below(SESSIONS) as usize;
                    for (session, digest) in live.iter().take(count) {
                        at_once.push(change(session, *digest, disk, &mut ledger, &mut random));
                    }
                    let mut ended = Vec::new();
                    for (digest, task, ends) in at_once {
                        task.await.unwrap()?;
                        ledger.acknowledged(digest, disk.steps());
                        ended.extend(ends.then_some(digest));
                    }
                    live.retain(|(_, digest)| !ended.contains(digest));
                    if let Some(snapshot) = snapshot {
                        snapshot.await.unwrap();
                    }
                }
                90..95 => snapshot_of(service.clone()).await,
                95..97 => tokio::time::sleep(Duration::from_secs(random.below(40))).await,
                kind => {
                    if kind == 97 {
                        service.drain().await.unwrap();
                    }
                    live.clear();
                    drop(service);
                    tokio::task::yield_now().await;
                    service = start(&layer, &mut random, disk.time(), bugs).await.unwrap();
                    for made in 0..made {
                        let id = format!("s-{made}");
                        if let Ok(session) = service.owner(&principal()).open(&id).await {
                            live.push((session, digest(&id)));
                        }
                    }
                }
            }
        }
        Ok(ledger)
    })
}

async fn snapshot_of(service: SessionService) {
    service.snapshot().await.unwrap();
}

pub(super) fn digest(id: &str) -> Digest {
    lookup::digest(&principal().key(), id).unwrap().1.0
}

async fn create(service: &SessionService, disk: &Disk, ledger: &mut Ledger, made: u64) -> (Session, Digest) {
    let id = format!("s-{made}");
    ledger.asked(digest(&id), disk.steps(), Some(Held::default()));
    let session = service.owner(&principal()).create_with_id(&id, NewSession::default()).await.unwrap();
    ledger.acknowledged(digest(&id), disk.steps());
    (session, digest(&id))
}

type Task = tokio::task::JoinHandle<Result<(), String>>;

/// Asks for an update, or now and then for the end; whether it is the end.
fn change(
    session: &Session,
    digest: Digest,
    disk: &Disk,
    ledger: &mut Ledger,
    random: &mut Random,
) -> (Digest, Task, bool) {
    let session = session.clone();
    if random.below(25) == 0 {
        ledger.asked(digest, disk.steps(), None);
        let close = async move {
            assert!(session.close().await.unwrap());
            Ok(())
        };
        return (digest, tokio::spawn(close), true);
    }
    let last = ledger.sessions[&digest].asked.last().and_then(|(_, held)| held.clone());
    let (revision, mut entries) = Held::unwrap_or_clone(last.unwrap_or_default());
    let mut values = Vec::new();
    for _ in 0..=random.below(3) {
        // Some sessions get so large that changes of them are written in place of all.
        let length = if random.below(6) == 0 { 400 } else { 1 + random.below(20) };
        let text = format!("{:x}", random.below(u64::MAX)).repeat(length as usize);
        values.push((format!("key-{}", random.below(6)), (random.below(5) > 0).then_some(text)));
    }
    values.push(("turn".to_owned(), Some(revision.to_string())));
    for (key, text) in &values {
        match text {
            Some(text) => drop(entries.insert(key.clone(), format!("\"{text}\""))),
            None => drop(entries.remove(key)),
        }
    }
    ledger.asked(digest, disk.steps(), Some(Arc::new((revision + 1, entries))));
    let update = async move {
        let updated = session.update(move |draft| {
            for (key, text) in &values {
                match text {
                    Some(text) => draft.set(key, text).unwrap(),
                    None => drop(draft.remove(key)),
                }
            }
            Ok::<_, Infallible>(())
        });
        let made = updated.await.unwrap().revision.get();
        // A service that was dropped in between has lost what it acknowledged.
        (made == revision + 1)
            .then_some(())
            .ok_or_else(|| format!("an update made revision {made}, not {}", revision + 1))
    };
    (digest, tokio::spawn(update), false)
}

fn found(image: &Image) -> Result<Loaded, String> {
    load(Arc::new(Disk::of(image)), Path::new(FOLDER))
}

fn proof<H: Habit>(seed: u64, images: u64, habit: H, bugs: &[Bug]) -> Result<(Figures, u64), String> {
    let disk = Disk::default();
    let ledger = worked(seed, &disk, habit, bugs)?;
    let figures = sweep(&disk, seed, images, &found, &|cut, loaded| ledger.kept(cut, loaded))?;
    Ok((figures, ledger.changes))
}

/// A disk as it should be.
struct Honest;

impl Habit for Honest {}

#[test]
fn no_acknowledged_change_is_lost_wherever_the_power_is_cut() {
    holds(|seed| {
        let (mut all, mut changes) = (Figures::default(), 0);
        for world in 0..WORLDS {
            let seed = seed.wrapping_mul(WORLDS).wrapping_add(world);
            let named = |why| format!("world of seed {seed}: {why}");
            let (figures, acknowledged) = proof(seed, IMAGES, Honest, &[]).map_err(named)?;
            all += figures;
            changes += acknowledged;
        }
        Ok(format!("{changes} acknowledged changes; {all}"))
    });
}

#[test]
fn each_mechanism_is_missed_when_it_is_taken_out() {
    fn seen<H: Habit>(what: &str, habit: impl Fn() -> H, bugs: &[Bug]) {
        println!("{what}");
        let verdict =
            |seed| -> Verdict { proof(seed, IMAGES / 8, habit(), bugs).map(|(figures, _)| figures.to_string()) };
        caught(3, verdict);
    }
    seen("no sync of files", || NoFileSync, &[]);
    seen("no sync of the folder", || NoFolderSync, &[]);
    seen("published and answered before the write", || Honest, &[Bug::PublishesFirst]);
    seen("answered before the sync", || Honest, &[Bug::AcknowledgesUnsynced]);
    seen("no ends in the journal", || Honest, &[Bug::TombstoneNotJournaled]);
}
