//! Event logs come back from journals after crashes as they were: no event that was acknowledged is missing, none is there
//! twice, none that was trimmed comes back, and no gap is left out.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::hand::{folder, paused};
use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::import::ImportOptions;
use crate::actor::new_session::NewSession;
use crate::actor::planted::{Bug, DISK};
use crate::config::{DEFAULT_FLUSH_EVERY as FLUSH_EVERY, Durability, Format};
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::snapshot::StdLayer;
use crate::state::{EventId, Json};

const SESSIONS: usize = 3;
const STREAMS: [&str; 3] = ["get", "post", "größe"];

/// An event that was appended at any time.
struct Row {
    stream: &'static str,
    id: EventId,
    payload: Json,
    kept: bool,
    /// Whether files hold it.
    filed: bool,
}

impl Row {
    fn bytes(&self) -> u64 {
        64 + (self.stream.len() + self.payload.as_str().len()) as u64
    }
}

/// The log of one session: all that was ever in it, and whether files have learned of what became of that in this life.
#[derive(Default)]
struct Log(Vec<Row>, bool);

/// The most events and bytes of a log.
#[derive(Clone, Copy)]
struct Caps(u64, u64);

impl Log {
    /// As files have it. What lower caps trimmed at a start, and nobody changed or wrote since, they still hold.
    fn restored(&mut self, caps: Caps) {
        let written = std::mem::take(&mut self.1);
        for row in &mut self.0 {
            row.filed = if written { row.kept } else { row.filed };
            row.kept = row.filed;
        }
        self.settle(caps);
    }

    fn settle(&mut self, Caps(events, bytes): Caps) {
        let kept = self.0.iter().filter(|row| row.kept);
        let mut left = kept.fold((0, 0), |(events, bytes), row| (events + 1, bytes + row.bytes()));
        for row in self.0.iter_mut().filter(|row| row.kept) {
            if left.0 <= events && left.1 <= bytes {
                return;
            }
            left = (left.0 - 1, left.1 - row.bytes());
            row.kept = false;
        }
    }

    fn bytes(&self) -> u64 {
        self.0.iter().filter(|row| row.kept).map(Row::bytes).sum()
    }

    async fn compare(&self, session: &Session, random: &mut Random) -> Result<(), String> {
        for stream in STREAMS {
            let kept = self.0.iter().filter(|row| row.kept && row.stream == stream);
            let expected: Vec<_> = kept.map(|row| (row.id, row.payload.clone())).collect();
            let found = session.events().recent(stream, usize::MAX).await.map_err(|error| error.to_string())?;
            let found: Vec<_> = found.into_iter().map(|event| (event.id, event.payload)).collect();
            if found != expected {
                return Err(format!("{} events of {stream} in place of {}", found.len(), expected.len()));
            }
        }
        if self.0.is_empty() {
            return Ok(());
        }
        let asked = random.below(self.0.len() as u64) as usize;
        let (row, rest) = (&self.0[asked], &self.0[asked + 1..]);
        let replay = session.events().replay_after(row.stream, &row.id).await;
        let replay = replay.map_err(|error| format!("an id that was given out: {error}"))?;
        let told: Vec<_> = replay.events.iter().map(|event| event.id).collect();
        let (kept, gone): (Vec<_>, Vec<_>) = rest.iter().filter(|of| of.stream == row.stream).partition(|row| row.kept);
        let kept: Vec<_> = kept.into_iter().map(|row| row.id).collect();
        match replay.gap {
            None if told == kept && gone.is_empty() => Ok(()),
            // Where nobody can know, more than is missing may be told.
            Some(_) if told.ends_with(&kept) && !(row.kept && gone.is_empty()) => Ok(()),
            gap => {
                Err(format!("{} events in place of {}, {} missing, gap {gap:?}", told.len(), kept.len(), gone.len()))
            }
        }
    }
}

fn owner() -> Principal {
    Principal::new("https://id.example", "alice")
}

async fn start(folder: &Path, durability: Durability, caps: Caps, bugs: &[Bug]) -> SessionService {
    let builder = SessionService::builder()
        .snapshots(folder.join("snapshots"))
        .snapshot_every(Duration::from_secs(1_000_000))
        .max_events(caps.0)
        .max_events_bytes(caps.1)
        .durability(durability);
    DISK.scope(Arc::new(StdLayer), service(builder, bugs)).await
}

fn proof(seed: u64, lives: u64, bugs: &[Bug]) -> Verdict {
    paused(async {
        let (mut random, place) = (Random(seed), folder());
        let (mut logs, mut ids) = (BTreeMap::<String, Log>::new(), HashSet::new());
        let (mut made, mut closed, mut snapshots) = (0_u64, 0_u64, 0_u64);
        for life in 0..lives {
            // Others in each life: what lower ones trim at a start is what they ask for once all was read, and no more.
            let caps = Caps([4, 12, 40][random.below(3) as usize], 1_024 << (2 * random.below(2)));
            let durability = if random.below(2) == 0 { Durability::Commit } else { Durability::JOURNAL };
            let running = start(place.path(), durability, caps, bugs).await;
            let mut sessions = Vec::new();
            for (id, log) in &mut logs {
                log.restored(caps);
                let session = running.owner(&owner()).open(id.as_str()).await;
                let session = session.map_err(|error| format!("life {life}: {error}"))?;
                log.compare(&session, &mut random).await.map_err(|error| format!("life {life}: {error}"))?;
                sessions.push((id.clone(), session));
            }
            let counted = running.operator().stats().bytes;
            if counted != logs.values().map(Log::bytes).sum::<u64>() {
                return Err(format!("life {life}: {counted} bytes are counted"));
            }
            for _ in 0..random.below(50) {
                if sessions.len() < SESSIONS {
                    let id = format!("s-{made}");
                    made += 1;
                    let session = running.owner(&owner()).create_with_id(&id, NewSession::default()).await.unwrap();
                    sessions.push((id.clone(), session));
                    logs.insert(id, Log::default());
                }
                let at = random.below(sessions.len() as u64) as usize;
                let (id, session) = &sessions[at];
                let log = logs.get_mut(id).unwrap();
                match random.below(40) {
                    0..26 => {
                        let stream = STREAMS[random.below(3) as usize];
                        let length = if random.below(8) == 0 { random.below(800) } else { random.below(40) };
                        let payload = Json::of(&"x".repeat(length as usize)).unwrap();
                        let id = session.events().append(stream, &payload).await.unwrap();
                        if !ids.insert(id.to_string()) {
                            return Err("an id was given out twice".to_owned());
                        }
                        log.0.push(Row { stream, id, payload, kept: true, filed: false });
                        log.1 = true;
                        log.settle(caps);
                    }
                    26..32 => {
                        let kept: Vec<_> = (0..log.0.len()).filter(|at| log.0[*at].kept).collect();
                        let Some(at) = kept.get(random.below(kept.len().max(1) as u64) as usize) else { continue };
                        let (before, after) = log.0.split_at_mut(*at);
                        let gone = before.iter_mut().filter(|row| row.kept && row.stream == after[0].stream);
                        let gone = gone.map(|row| row.kept = false).count() as u64;
                        let trimmed = session.events().trim_before(after[0].stream, &after[0].id).await.unwrap();
                        assert_eq!(trimmed, gone);
                        log.1 |= gone > 0;
                    }
                    32 => {
                        assert!(session.close().await.unwrap());
                        logs.remove(id);
                        sessions.swap_remove(at);
                        closed += 1;
                    }
                    33..36 => {
                        running.snapshot().await.unwrap();
                        logs.values_mut().for_each(|log| log.1 = true);
                        snapshots += 1;
                    }
                    36..38 => tokio::time::sleep(FLUSH_EVERY).await,
                    _ => log.compare(session, &mut random).await?,
                }
            }
            if durability != Durability::Commit {
                tokio::time::sleep(2 * FLUSH_EVERY).await;
            }
        }
        Ok(format!("{lives} lives, {} events, {closed} logs ended, {snapshots} snapshots", ids.len()))
    })
}

#[test]
fn what_a_journal_holds_of_logs_comes_back() {
    holds(|seed| proof(seed, 60, &[]));
}

#[test]
fn each_thing_that_a_journal_tells_of_logs_is_missed_when_it_is_taken_out() {
    for bug in [Bug::EventsNotJournaled, Bug::OldestNotJournaled, Bug::TrimsNotJournaled] {
        caught(20, |seed| proof(seed, 60, &[bug]));
    }
}

#[test]
fn a_log_that_is_larger_than_a_part_comes_back_whole() {
    for durability in [Durability::Commit, Durability::JOURNAL] {
        paused(async {
            let (place, caps) = (folder(), Caps(1_000, 4 << 20));
            let running = start(place.path(), durability, caps, &[]).await;
            let bucket = running.owner(&owner()).bucket().await.unwrap();
            let mut ids = Vec::new();
            for number in 0..40 {
                let payload = Json::of(&format!("{number:060000}")).unwrap();
                ids.push(bucket.events().append(STREAMS[number % 2], &payload).await.unwrap());
            }
            bucket.events().trim_before(STREAMS[0], &ids[38]).await.unwrap();
            tokio::time::sleep(2 * FLUSH_EVERY).await;
            drop((bucket, running));
            let running = start(place.path(), durability, caps, &[]).await;
            let bucket = running.owner(&owner()).bucket().await.unwrap();
            for (stream, first) in [(0, 38), (1, 1)] {
                let found = bucket.events().recent(STREAMS[stream], 100).await.unwrap();
                let found: Vec<_> = found.iter().map(|event| event.id).collect();
                assert_eq!(found, ids[first..].iter().step_by(2).copied().collect::<Vec<_>>());
            }
        });
    }
}

#[test]
fn a_log_that_was_imported_is_journaled_too() {
    paused(async {
        let (from, to, caps) = (folder(), folder(), Caps(9, 4_096));
        let file = from.path().join("exported");
        let running = start(from.path(), Durability::Commit, caps, &[]).await;
        let bucket = running.owner(&owner()).bucket().await.unwrap();
        let id = bucket.events().append("get", &Json::of(&1).unwrap()).await.unwrap();
        running.export(&file, Format::Bincode).await.unwrap();
        let other = start(to.path(), Durability::JOURNAL, caps, &[]).await;
        other.import(&file, ImportOptions::default()).await.unwrap();
        tokio::time::sleep(2 * FLUSH_EVERY).await;
        drop(other);
        let other = start(to.path(), Durability::JOURNAL, caps, &[]).await;
        let bucket = other.owner(&owner()).bucket().await.unwrap();
        let found = bucket.events().recent("get", 9).await.unwrap();
        assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), [id]);
    });
}
