//! Never torn: a sum that updates keep holds in every read and in every snapshot, whatever goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use super::proving::{Verdict, caught, holds, service};
use crate::actor::core::Core;
use crate::actor::image;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::actor::sabotage::mix;
use crate::config::Format;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::snapshot::{self, FileHeader, Item, ReadOptions, RecordError, Writer, entries_codec};
use crate::state::{Draft, Entries};

const SESSIONS: usize = 4;
const KEYS: u64 = 16;
const EACH: i64 = 1_000;
const SUM: i64 = KEYS as i64 * EACH;
/// Tasks that move, on every session.
const MOVERS: u64 = 3;

/// What moves, reads and snapshots share.
#[derive(Default)]
struct Shared {
    over: AtomicBool,
    moved: watch::Sender<u64>,
    read: AtomicU64,
}

fn key(number: u64) -> String {
    format!("key-{number:02}")
}

/// Moves some of one key's number to others: two to four keys change at once.
fn transfer(draft: &mut Draft, seed: u64) {
    let from = seed % KEYS;
    for to in 1..=1 + (seed >> 8) % 3 {
        let (from, to) = (key(from), key((from + to * 5) % KEYS));
        let amount = 1 + (seed >> 16) as i64 % 50;
        draft.increment(&from, -amount).unwrap();
        draft.increment(&to, amount).unwrap();
    }
}

async fn moves(session: Session, mut seed: u64, shared: Arc<Shared>) {
    while !shared.over.load(Ordering::Relaxed) {
        seed = mix(seed);
        let now = seed;
        let moved = session.update(move |draft| {
            transfer(draft, now);
            Ok::<_, ()>(())
        });
        moved.await.unwrap();
        shared.moved.send_modify(|moved| *moved += 1);
        tokio::task::yield_now().await;
    }
}

/// Reads all sessions until it is over; what was torn.
async fn reads(sessions: Vec<Session>, shared: Arc<Shared>) -> Result<(), String> {
    while !shared.over.load(Ordering::Relaxed) {
        for session in &sessions {
            let view = session.read().unwrap();
            let sum: i64 = view.entries().map(|entry| entry.value.parse::<i64>().unwrap()).sum();
            if sum != SUM || view.len() as u64 != KEYS {
                let torn = format!("a read of revision {}: {} keys, sum {sum}", view.revision(), view.len());
                shared.over.store(true, Ordering::SeqCst);
                shared.moved.send_modify(|_| ());
                return Err(torn);
            }
            shared.read.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Reads a snapshot back and sums up; the sum of its revisions, so that it can be told whether anything moved.
fn sums(mut file: &[u8]) -> Result<u64, String> {
    let (mut sessions, mut revisions) = (0, 0);
    let options = ReadOptions { entries: entries_codec(), accept_edited: false };
    let read = snapshot::read(&mut file, &options, &mut |item| {
        let Item::Session(record) = item else { return Ok(()) };
        sessions += 1;
        revisions += record.revision;
        let entries = Entries::from_packed(record.entries).map_err(|error| RecordError(error.to_string()))?;
        let sum: i64 = entries.iter().map(|entry| entry.value.parse::<i64>().unwrap()).sum();
        let torn = || RecordError(format!("revision {}: {} keys, sum {sum}", record.revision, entries.len()));
        if sum == SUM && entries.len() as u64 == KEYS { Ok(()) } else { Err(torn()) }
    });
    read.map_err(|error| format!("a snapshot: {error}: {error:?}"))?;
    if sessions == SESSIONS { Ok(revisions) } else { Err(format!("a snapshot holds {sessions} sessions")) }
}

/// A snapshot that goes to memory, by the code that writes files.
fn image(core: &Core, number: u64) -> Vec<u8> {
    let format = if number.is_multiple_of(2) { Format::Bincode } else { Format::Json };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, FileHeader::new(format, 1, number), entries_codec()).unwrap();
    image::write(core, &mut writer).unwrap();
    writer.finish().unwrap();
    bytes
}

/// Takes so many snapshots to memory and some to files, and reads back each, while everything moves.
fn torn(seed: u64, bugs: &[Bug], images: u64, files: u64) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let service = service(SessionService::builder().snapshots(folder.path()), bugs).await;
        let owner = service.owner(&Principal::new("i", "s"));
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let session = owner.create(NewSession::default()).await.unwrap();
            session.update(|draft| (0..KEYS).try_for_each(|number| draft.set(&key(number), &EACH))).await.unwrap();
            sessions.push(session);
        }
        let shared = Arc::new(Shared::default());
        let movers = sessions.iter().zip(0..).flat_map(|(session, number)| {
            let start = move |mover| mix(seed ^ mix(number * MOVERS + mover));
            (0..MOVERS).map(move |mover| (session.clone(), start(mover)))
        });
        let movers: Vec<_> =
            movers.map(|(session, seed)| tokio::spawn(moves(session, seed, Arc::clone(&shared)))).collect();
        let readers: Vec<_> = (0..2).map(|_| tokio::spawn(reads(sessions.clone(), Arc::clone(&shared)))).collect();
        let snapshots = snapshots(&service, &shared, images, files).await;
        shared.over.store(true, Ordering::Relaxed);
        for mover in movers {
            mover.await.unwrap();
        }
        let mut read = Ok(());
        for reader in readers {
            read = read.and(reader.await.unwrap());
        }
        let apart = snapshots.and_then(|apart| read.map(|()| apart))?;
        if apart * 2 < images + files && bugs.is_empty() {
            return Err(format!("only {apart} snapshots differ from the one before: this tells nothing"));
        }
        service.drain().await.unwrap();
        let (moved, read) = (*shared.moved.borrow(), shared.read.load(Ordering::Relaxed));
        Ok(format!(
            "{images} snapshots in memory, {files} in files, {apart} unlike the one before; {moved} moves, {read} reads"
        ))
    })
}

/// Takes and checks them; how many differ from the one before.
async fn snapshots(service: &SessionService, shared: &Shared, images: u64, files: u64) -> Result<u64, String> {
    let (mut apart, mut before, mut moved) = (0, 0, shared.moved.subscribe());
    for number in 0..images + files {
        // Each after something moved. Looked at before that, since whoever finds a torn read lets nothing move any more.
        moved.mark_unchanged();
        if shared.over.load(Ordering::SeqCst) {
            return Ok(apart);
        }
        moved.changed().await.unwrap();
        let bytes = if number < images {
            let core = Arc::clone(service.core());
            tokio::task::spawn_blocking(move || image(&core, number)).await.unwrap()
        } else {
            let report = service.snapshot().await.map_err(|error| error.to_string())?;
            std::fs::read(report.path).unwrap()
        };
        let revisions = sums(&bytes)?;
        apart += u64::from(revisions != before);
        before = revisions;
    }
    Ok(apart)
}

#[test]
fn every_read_and_every_snapshot_holds_the_sum() {
    holds(|seed| torn(seed, &[], 1_000, 50));
}

#[test]
fn a_publication_in_two_steps_and_entries_read_twice_are_caught() {
    caught(3, |seed| torn(seed, &[Bug::PublishInTwoSteps], 300, 0));
    caught(3, |seed| torn(seed, &[Bug::EntriesReadTwice], 300, 0));
}
