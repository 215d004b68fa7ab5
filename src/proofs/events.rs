//! Event logs over restarts that lose some of them: no id stands for two events, nobody is replayed less than there is, and
//! what is missing is told; and all the while their bytes are counted to the last.

use std::collections::HashMap;
use std::time::Duration;

use super::hand::{Hand, folder, paused};
use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::config::Format;
use crate::error::EventError;
use crate::principal::Principal;
use crate::service::SessionService;
use crate::session::Session;
use crate::state::{EventId, Json};

const STEPS: u64 = 300;
const STREAMS: [&str; 2] = ["get", "post"];

/// An event that was appended at any time.
#[derive(Clone)]
struct Row {
    stream: &'static str,
    id: EventId,
    bytes: u64,
}

/// What became of an event.
#[derive(Clone, Copy)]
enum Fate {
    Here,
    /// It is lost: its history parts there from the one of now.
    PartsAt(usize),
    /// Its whole log is lost, which no file held.
    Strange,
}

#[derive(Default)]
struct Model {
    /// As it is now, and as the last file has it.
    history: Vec<Row>,
    written: usize,
    met: HashMap<String, (Row, Fate)>,
    lost: u64,
}

impl Model {
    fn restarted(&mut self) {
        let lost = self.history.split_off(self.written);
        self.lost += lost.len() as u64;
        for (_, fate) in self.met.values_mut() {
            *fate = match *fate {
                _ if self.written == 0 => Fate::Strange,
                Fate::PartsAt(at) => Fate::PartsAt(at.min(self.written)),
                other => other,
            };
        }
        for row in lost {
            let fate = if self.written == 0 { Fate::Strange } else { Fate::PartsAt(self.written) };
            self.met.insert(row.id.to_string(), (row, fate));
        }
    }

    async fn ask(&self, session: &Session, random: &mut Random) -> Result<(), String> {
        let mut ids: Vec<_> = self.met.keys().collect();
        ids.sort();
        let Some(id) = ids.get(random.below(ids.len().max(1) as u64) as usize) else { return Ok(()) };
        let (row, fate) = &self.met[*id];
        let told = session.events().replay_after(row.stream, &row.id).await;
        let after = match (fate, &told) {
            (Fate::Strange, Err(EventError::Unknown)) => return Ok(()),
            (Fate::Strange, _) => return Err("an id of a log that is lost finds something".to_owned()),
            (Fate::PartsAt(at), _) => *at,
            (Fate::Here, _) => self.history.iter().position(|of| of.id == row.id).map_or(0, |place| place + 1),
        };
        let replay = told.map_err(|error| format!("an id that was given out: {error}"))?;
        let expected: Vec<_> =
            self.history[after..].iter().filter(|of| of.stream == row.stream).map(|of| of.id).collect();
        let got: Vec<_> = replay.events.iter().map(|event| event.id).collect();
        match (fate, replay.gap) {
            (Fate::Here, None) if got == expected => Ok(()),
            // What follows a lost event may have been seen before, where the history it belongs to left no event behind.
            (Fate::PartsAt(_), Some(gap)) if gap.at_most.is_none() && got.ends_with(&expected) => Ok(()),
            (_, gap) => Err(format!("{} events in place of {}, gap {gap:?}", got.len(), expected.len())),
        }
    }
}

async fn open(root: &std::path::Path, hand: &Hand, random: &mut Random, bugs: &[Bug]) -> SessionService {
    let format = if random.below(2) == 0 { Format::Bincode } else { Format::Json };
    // Files are written when the proof says so.
    let builder = SessionService::builder().snapshots(root).snapshot_every(Duration::from_secs(1 << 30));
    service(builder.format(format).clock(hand.clock()).idle_timeout(None).max_lifetime(None), bugs).await
}

fn proof(seed: u64, bugs: &[Bug]) -> Verdict {
    paused(async {
        let (root, hand, mut random, mut model) = (folder(), Hand::new(), Random(seed), Model::default());
        let owner = Principal::new("i", "alice");
        let mut running = open(root.path(), &hand, &mut random, bugs).await;
        let mut session = running.owner(&owner).create_with_id("one", NewSession::default()).await.unwrap();
        running.snapshot().await.unwrap();
        let mut restarts = 0;
        for _ in 0..STEPS {
            match random.below(16) {
                0..8 => {
                    let stream = STREAMS[random.below(2) as usize];
                    let payload = Json::of(&"x".repeat(random.below(40) as usize)).unwrap();
                    let bytes = 64 + (stream.len() + payload.as_str().len()) as u64;
                    let id = session.events().append(stream, &payload).await.unwrap();
                    let row = Row { stream, id, bytes };
                    if model.met.insert(id.to_string(), (row.clone(), Fate::Here)).is_some() {
                        return Err("an id was given out twice".to_owned());
                    }
                    model.history.push(row);
                }
                8 => {
                    running.snapshot().await.unwrap();
                    model.written = model.history.len();
                }
                9 => {
                    drop((session, running));
                    restarts += 1;
                    model.restarted();
                    running = open(root.path(), &hand, &mut random, bugs).await;
                    session = running.owner(&owner).open("one").await.unwrap();
                }
                _ => model.ask(&session, &mut random).await?,
            }
            let bytes: u64 = model.history.iter().map(|row| row.bytes).sum();
            let counted = running.operator().stats().bytes;
            if counted != bytes {
                return Err(format!("{counted} bytes are counted in place of {bytes}"));
            }
        }
        Ok(format!("{restarts} restarts, {} events kept, {} lost", model.history.len(), model.lost))
    })
}

#[test]
fn what_is_lost_is_told_and_no_id_stands_for_two_events() {
    holds(|seed| (0..8).try_fold(String::new(), |_, more| proof(seed.wrapping_add(more << 32), &[])));
}

#[test]
fn each_mechanism_of_logs_is_missed_when_it_is_taken_out() {
    for bug in [Bug::OneEra, Bug::EventsUncounted] {
        caught(20, |seed| proof(seed, &[bug]));
    }
}
