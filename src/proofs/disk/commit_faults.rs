//! Every step fails once, or from then on, where commits wait for their writes: what was acknowledged is there, what was not
//! is told, reads go on, and a snapshot on a healthy disk heals.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::hand::paused;
use super::super::proving::holds;
use super::super::random::Random;
use super::around::Around;
use super::commits::{Digest, Ledger, POINTS, digest, start};
use super::habits::{Failing, Fault, every_step_fails};
use super::plain::{Held, load};
use super::simulated::Disk;
use super::workload::{FOLDER, principal};
use crate::actor::new_session::NewSession;
use crate::error::{CreateError, UpdateError};
use crate::service::SessionService;
use crate::session::Session;

const STEPS: u64 = 30;
const SESSIONS: u64 = 3;
/// Images of the disk as it is left.
const IMAGES: u64 = 8;

/// One who uses a service, and what was promised to them.
struct User<'a> {
    disk: &'a Disk,
    failing: &'a Failing,
    ledger: Ledger,
    live: BTreeMap<u64, (Session, Digest, Held)>,
    made: u64,
}

fn held(revision: u64, n: u64) -> Held {
    Arc::new((revision, [("n".to_owned(), n.to_string())].into()))
}

impl User<'_> {
    /// A create or an update; false when it was told that it would not last.
    async fn change(&mut self, service: &SessionService, random: &mut Random) -> Result<bool, String> {
        let place = random.below(SESSIONS);
        let Some((session, digest, last)) = self.live.get(&place).cloned() else {
            let id = format!("s-{}", self.made);
            self.made += 1;
            let digest = digest(&id);
            self.ledger.asked(digest, self.disk.steps(), Some(Held::default()));
            return match service.owner(&principal()).create_with_id(&id, NewSession::default()).await {
                Ok(session) => {
                    self.ledger.acknowledged(digest, self.disk.steps());
                    self.live.insert(place, (session, digest, Held::default()));
                    Ok(true)
                }
                Err(CreateError::NotDurable(_)) => Ok(false),
                Err(error) => Err(format!("a create: {error}")),
            };
        };
        let n = random.below(1_000_000);
        let next = held(last.0 + 1, n);
        self.ledger.asked(digest, self.disk.steps(), Some(Arc::clone(&next)));
        let updated = session.set("n", &n).await;
        let (now, kept) = match updated {
            Ok(_) => {
                self.ledger.acknowledged(digest, self.disk.steps());
                self.live.insert(place, (session.clone(), digest, Arc::clone(&next)));
                (next, true)
            }
            Err(UpdateError::NotDurable(_)) => (last, false),
            Err(error) => return Err(format!("an update: {error}")),
        };
        // Reads go on, and nobody sees what is not on disk.
        let read = session.read().map_err(|error| error.to_string())?;
        let found: BTreeMap<_, _> =
            read.entries().map(|entry| (entry.key.to_owned(), entry.value.to_owned())).collect();
        match (read.revision().get(), found) == *now {
            true => Ok(kept),
            false => Err(format!("a read shows revision {} in place of {}", read.revision(), now.0)),
        }
    }

    /// Some work; what could not be kept is healed by a snapshot, or nothing is.
    async fn work(&mut self, service: &SessionService, random: &mut Random) -> Result<(), String> {
        for _ in 0..STEPS {
            let fine = match random.below(10) {
                0 => service.snapshot().await.is_ok() || service.is_durable(),
                1 => {
                    // A change at some point of a snapshot's way: the one may fail and the other not.
                    let point = random.below(POINTS);
                    let change = async {
                        for _ in 0..point {
                            tokio::task::yield_now().await;
                        }
                        self.change(service, random).await
                    };
                    let (_, kept) = tokio::join!(service.snapshot(), change);
                    kept? || service.is_durable()
                }
                2 => {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    service.is_durable()
                }
                _ => self.change(service, random).await?,
            };
            if fine {
                continue;
            }
            if !self.failing.was_met() {
                return Err("something was refused and no step had failed".to_owned());
            }
            if service.is_durable() {
                return Err("a change was refused and the service calls itself durable".to_owned());
            }
            if self.change(service, random).await? {
                return Err("a write was tried again in silence".to_owned());
            }
            if service.snapshot().await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn kept(&self, seed: u64) -> Result<(), String> {
        let found = load(Arc::new(Disk::of(&self.disk.cut(seed))), Path::new(FOLDER))?;
        self.ledger.kept(self.disk.steps(), &found)
    }
}

/// One fault at one step. False once there is no such step.
fn at(step: usize, for_ever: bool, fault: Fault, seed: u64) -> Result<bool, String> {
    let disk = Disk::default();
    let failing = Arc::new(Failing::new(&disk, step, for_ever, fault));
    let layer = Around::layer(Arc::new(disk.clone()), &failing);
    paused(async {
        let mut random = Random(seed);
        let service = match start(&layer, &mut random, disk.time(), &[]).await {
            Ok(service) => service,
            Err(_) if failing.was_met() => {
                failing.mend();
                let again = start(&layer, &mut random, disk.time(), &[]).await;
                again.map_err(|error| format!("a start on a mended disk: {error}"))?
            }
            Err(error) => return Err(format!("a start: {error}")),
        };
        let (ledger, live) = (Ledger::default(), BTreeMap::new());
        let mut user = User { disk: &disk, failing: &failing, ledger, live, made: 0 };
        user.work(&service, &mut random).await?;
        // The power is cut while the disk may be broken still.
        (0..IMAGES).try_for_each(|more| user.kept(seed ^ more))?;
        failing.mend();
        if !service.is_durable() {
            service.snapshot().await.map_err(|error| format!("a snapshot on a mended disk: {error}"))?;
        }
        for _ in 0..4 {
            if !user.change(&service, &mut random).await? {
                return Err("a change is refused on a mended disk".to_owned());
            }
        }
        (0..IMAGES).try_for_each(|more| user.kept(seed ^ more))?;
        Ok(failing.was_met())
    })
}

#[test]
fn what_was_acknowledged_is_there_whatever_step_fails() {
    holds(|seed| {
        let faults = every_step_fails(|step, for_ever, fault| at(step, for_ever, fault, seed))?;
        Ok(format!("{faults} faults"))
    });
}
