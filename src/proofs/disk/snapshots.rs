//! Durable by snapshots: at any power cut a restart finds one complete generation, the last acknowledged one at least.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::hand::paused;
use super::super::proving::{Verdict, caught, holds};
use super::super::random::Random;
use super::around::{Around, Habit};
use super::habits::Slow;
use super::medium::Image;
use super::plain::{Loaded, load};
use super::planted::{NoChecksum, NoFileSync, NoFolderSync, RemovesFirst, SyncAfterRename, WritesOver};
use super::simulated::Disk;
use super::sweep::{Figures, image_seed, sweep};
use super::workload::{EVERY, FOLDER, Ledger, World, principal, start};
use crate::actor::new_session::NewSession;
use crate::config::Format;
use crate::fuzzing;
use crate::snapshot::FileLayer;

const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];
/// Services at work on disks of their own.
const WORLDS: u64 = 6;
/// Images of each.
const IMAGES: u64 = 167_000;
/// Whole services that are started on images of each.
const SERVICES: u64 = 200;
/// Steps of random work.
const WORK: u64 = 600;

/// Lets a service work on a disk with a habit; what it promised.
fn worked<H: Habit>(seed: u64, disk: &Disk, habit: H) -> Ledger {
    worked_on(seed, disk, Around::layer(Arc::new(disk.clone()), &Arc::new(habit)))
}

fn worked_on(seed: u64, disk: &Disk, layer: Arc<dyn FileLayer>) -> Ledger {
    paused(async {
        let mut random = Random(seed);
        let generations = 1 + random.below(3) as usize;
        let mut world = World::new(disk, layer, generations);
        world.work(&mut random, WORK, &FORMATS).await.unwrap();
        world.ledger
    })
}

fn found(image: &Image) -> Result<Loaded, String> {
    load(Arc::new(Disk::of(image)), Path::new(FOLDER))
}

/// What was promised by the time that the disk had done so many steps.
struct Promises<'a> {
    ledger: &'a Ledger,
    times: Vec<Duration>,
    /// How long the longest write took.
    write: Duration,
}

impl Promises<'_> {
    fn kept(&self, cut: usize, loaded: &Loaded) -> Result<(), String> {
        let ledger = self.ledger;
        if loaded.skipped > 0 {
            return Err("a damaged file has a name".to_owned());
        }
        let acknowledged = ledger.acknowledged.iter().take_while(|(at, _)| *at <= cut).map(|(_, number)| *number).max();
        if loaded.generation < acknowledged.unwrap_or_default() {
            return Err(format!("generation {} is back, {acknowledged:?} was acknowledged", loaded.generation));
        }
        let mut changes = 0;
        if loaded.generation > 0 {
            let written = ledger.written.get(&loaded.generation).filter(|written| written.named <= cut);
            let written = written.ok_or_else(|| format!("generation {} was not written yet", loaded.generation))?;
            if *written.plain != loaded.plain {
                return Err(format!("generation {}: {}", loaded.generation, written.plain.unlike(&loaded.plain)));
            }
            changes = written.changes;
        }
        // The power may have been cut as late as the next step was due.
        let now = self.times.get(cut).or(self.times.last()).copied().unwrap_or_default();
        let life = ledger.lives.iter().rev().find(|(at, _)| *at <= cut).map_or(0, |(_, changes)| *changes);
        let due = |(at, time): &&(usize, Duration)| *at <= cut && *time + EVERY + 2 * self.write <= now;
        let old = ledger.changes[life..].iter().take_while(due).count();
        if old > 0 && changes < life + old {
            return Err(format!("generation {} lacks a change older than an interval", loaded.generation));
        }
        Ok(())
    }
}

/// Starts services on images, uses them, cuts the power again, and looks once more.
fn services(disk: &Disk, seed: u64, count: u64) -> Result<(), String> {
    let cuts = disk.every_step();
    let mut random = Random(seed);
    for number in 0..count {
        let (index, medium) = &cuts[random.below(cuts.len() as u64) as usize];
        let seed = image_seed(seed, *index, number);
        let image = medium.cut(&mut Random(seed));
        let used = used(&image, seed, random.below(2) == 0);
        used.map_err(|why| format!("a service after a cut at step {index}, image of seed {seed}: {why}"))?;
    }
    Ok(())
}

fn used(image: &Image, seed: u64, drain: bool) -> Result<(), String> {
    let (before, disk) = (found(image)?, Disk::of(image));
    let layer: Arc<dyn FileLayer> = Arc::new(disk.clone());
    paused(async {
        let service = start(&layer, Format::Json, 2, Duration::from_secs(1 << 20)).await;
        let service = service.map_err(|error| error.to_string())?;
        if service.restored().sessions != before.plain.sessions.len() as u64 || service.restored().degraded() {
            return Err(format!("restored {:?}", service.restored()));
        }
        for held in before.plain.sessions.iter() {
            let slot =
                service.core().registry.find(&crate::id::SessionDigest(*held.0)).ok_or("a session is missing")?;
            let committed = slot.peek().ok_or("a session has ended")?;
            let mut entries = committed.entries.iter().map(|entry| (entry.key.to_owned(), entry.value.to_string()));
            if committed.revision.get() != held.1.0 || !entries.by_ref().eq(held.1.1.clone()) {
                return Err("a session is another one".to_owned());
            }
        }
        let created = service.owner(&principal()).create(NewSession::default()).await.unwrap();
        created.set("key", "value").await.unwrap();
        let report = if drain { service.drain().await.unwrap() } else { Some(service.snapshot().await.unwrap()) };
        let after = found(&disk.cut(seed))?;
        if report.is_none() || after.generation <= before.generation || after.skipped > 0 {
            return Err(format!("generation {} after {}", after.generation, before.generation));
        }
        let mut expected = before.plain.clone();
        let held = (1, [("key".to_owned(), "\"value\"".to_owned())].into());
        let new = after.plain.sessions.keys().find(|digest| !expected.sessions.contains_key(*digest)).copied();
        expected.sessions.insert(new.ok_or("what was written last is missing")?, Arc::new(held));
        if after.plain == expected { Ok(()) } else { Err(expected.unlike(&after.plain)) }
    })
}

fn proof(seed: u64, disk: &Disk, ledger: &Ledger, images: u64) -> Result<Figures, String> {
    let times = disk.times();
    let promises = Promises { ledger, times, write: Duration::ZERO };
    swept(seed, disk, &promises, images)
}

fn swept(seed: u64, disk: &Disk, promises: &Promises<'_>, images: u64) -> Result<Figures, String> {
    sweep(disk, seed, images, &found, &|cut, loaded| promises.kept(cut, loaded))
}

#[test]
fn a_restart_finds_one_complete_generation_wherever_the_power_is_cut() {
    holds(|seed| {
        let mut all = Figures::default();
        for world in 0..WORLDS {
            let (seed, disk) = (seed.wrapping_mul(WORLDS).wrapping_add(world), Disk::default());
            let ledger = worked_on(seed, &disk, Arc::new(disk.clone()));
            let named = |why| format!("world of seed {seed}: {why}");
            all += proof(seed, &disk, &ledger, IMAGES).map_err(named)?;
            services(&disk, seed, SERVICES).map_err(named)?;
        }
        Ok(format!("{all}; {} services", SERVICES * WORLDS))
    });
}

#[test]
fn on_a_slow_disk_no_more_is_lost_than_an_interval_and_two_writes() {
    holds(|seed| {
        let (disk, each) = (Disk::default(), Duration::from_millis(50));
        let ledger = worked(seed, &disk, Slow { each });
        // List, create, write, sync, rename, sync; then the same for what is removed.
        let promises = Promises { ledger: &ledger, times: disk.times(), write: 12 * each };
        swept(seed, &disk, &promises, IMAGES).map(|figures| figures.to_string())
    });
}

#[test]
fn the_same_seed_gives_the_same_steps_to_the_byte() {
    let run = |seed| {
        let disk = Disk::default();
        worked_on(seed, &disk, Arc::new(disk.clone()));
        disk.told()
    };
    assert!(run(1) == run(1) && run(1) != run(2));
}

#[test]
fn an_image_can_be_made_again() {
    let disk = Disk::default();
    worked_on(3, &disk, Arc::new(disk.clone()));
    for (index, medium) in disk.every_step().into_iter().step_by(97) {
        assert_eq!(disk.image_at(index, 5).hash(), medium.cut(&mut Random(5)).hash());
    }
}

#[test]
fn each_mechanism_is_missed_when_it_is_taken_out() {
    fn seen<H: Habit>(what: &str, habit: impl Fn(&Disk) -> H) {
        println!("{what}");
        caught(3, |seed| {
            let disk = Disk::default();
            let ledger = worked(seed, &disk, habit(&disk));
            proof(seed, &disk, &ledger, IMAGES / 8).map(|figures| figures.to_string())
        });
    }
    seen("no sync of the file", |_| NoFileSync);
    seen("no sync of the folder", |_| NoFolderSync);
    seen("named before it is synced", |disk| SyncAfterRename(disk.clone()));
    seen("older generations removed first", |_| RemovesFirst);
    seen("written over the newest", |disk| WritesOver(disk.clone()));
}

/// A sector of the newest file goes bad: what is found then is still one complete generation, or none at all.
fn rots(seed: u64, checksums: bool) -> Verdict {
    let disk = Disk::default();
    let ledger = worked_on(seed, &disk, Arc::new(disk.clone()));
    let (cuts, mut random, mut refused, mut back) = (disk.every_step(), Random(seed), 0, 0);
    const ROTTEN: u64 = 20_000;
    for _ in 0..ROTTEN {
        let mut image = cuts[random.below(cuts.len() as u64) as usize].1.cut(&mut random);
        if image.rot(&mut random).is_none() {
            continue;
        }
        let mut layer: Arc<dyn FileLayer> = Arc::new(Disk::of(&image));
        if !checksums {
            layer = Around::layer(layer, &Arc::new(NoChecksum(|bytes| fuzzing::mend(bytes))));
        }
        match load(layer, Path::new(FOLDER)) {
            Err(_) => refused += 1,
            Ok(loaded) if loaded.generation == 0 => {}
            Ok(loaded) => {
                let written = &ledger.written[&loaded.generation].plain;
                if **written != loaded.plain {
                    return Err(format!("generation {}: {}", loaded.generation, written.unlike(&loaded.plain)));
                }
                back += usize::from(loaded.skipped > 0);
            }
        }
    }
    Ok(format!("{ROTTEN} images with a bad sector: {back} fell back, {refused} were refused"))
}

#[test]
fn a_bad_sector_is_never_taken_for_state() {
    holds(|seed| rots(seed, true));
    caught(3, |seed| rots(seed, false));
}
