//! Every step fails once, or from then on: nothing acknowledged is lost, and the service goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::super::hand::paused;
use super::super::proving::{Verdict, caught, holds};
use super::super::random::Random;
use super::super::secrets::log::record;
use super::around::Around;
use super::habits::{Counting, Failing, Fault, every_step_fails};
use super::plain::load;
use super::planted::NoFolderSync;
use super::simulated::Disk;
use super::workload::{FOLDER, World};
use crate::actor::planted::DISK;
use crate::actor::snapshotter::SnapshotError;
use crate::config::Format;
use crate::service::SessionService;
use crate::snapshot::FileLayer;
use crate::telemetry::SharedRecorder;

const CHANGES: u64 = 6;
const SNAPSHOTS: usize = 4;

/// Starts, changes and writes; what fails is told, and nothing else.
async fn life(world: &mut World, failing: &Failing, random: &mut Random, format: Format) -> Result<(), String> {
    let mut told = false;
    if world.start(format).await.is_err() {
        if !failing.was_met() {
            return Err("a start failed and no step had".to_owned());
        }
        told = true;
        failing.mend();
        world.start(format).await.map_err(|error| format!("a start on a mended disk: {error}"))?;
    }
    for _ in 0..SNAPSHOTS {
        for _ in 0..CHANGES {
            // Changes need no file: they go on whatever the disk does.
            world.change(random).await;
        }
        let broken = failing.is_broken();
        let failed = world.snapshot().await.is_err();
        if broken && !failed {
            return Err("every step fails and nobody was told".to_owned());
        }
        told |= failed;
    }
    if told && !failing.was_met() {
        return Err("a snapshot failed and no step had".to_owned());
    }
    Ok(())
}

/// One fault at one step. False once there is no such step.
fn at(step: usize, for_ever: bool, fault: Fault, format: Format, seed: u64, synced: bool) -> Result<bool, String> {
    let disk = Disk::default();
    let failing = Arc::new(Failing::new(&disk, step, for_ever, fault));
    let mut under: Arc<dyn FileLayer> = Arc::new(disk.clone());
    if !synced {
        under = Around::layer(under, &Arc::new(NoFolderSync));
    }
    let layer = Around::layer(under, &failing);
    paused(async {
        let (mut random, mut world) = (Random(seed), World::new(&disk, layer, 1));
        life(&mut world, &failing, &mut random, format).await?;
        // The power is cut while the disk may be broken still.
        for more in 0..16 {
            let found = load(Arc::new(Disk::of(&disk.cut(seed ^ more))), Path::new(FOLDER))?;
            let acknowledged = world.ledger.acknowledged.iter().map(|(_, number)| *number).max().unwrap_or_default();
            if found.generation < acknowledged || found.skipped > 0 {
                return Err(format!("generation {} is back, {acknowledged} was acknowledged", found.generation));
            }
            if found.generation > 0 && *world.ledger.written[&found.generation].plain != found.plain {
                return Err("what is back was never written".to_owned());
            }
        }
        failing.mend();
        world.change(&mut random).await;
        world.snapshot().await.map_err(|error| format!("a snapshot on a mended disk: {error}"))?;
        let found = load(Arc::new(Disk::of(&disk.cut(seed))), Path::new(FOLDER))?;
        if found.plain != world.plain {
            return Err(world.plain.unlike(&found.plain));
        }
        Ok(failing.was_met())
    })
}

fn both_formats(seed: u64, synced: bool) -> Verdict {
    let faults = [Format::Bincode, Format::Json].map(|format| {
        let faults = every_step_fails(|step, for_ever, fault| at(step, for_ever, fault, format, seed, synced));
        faults.map_err(|why| format!("{format:?}: {why}"))
    });
    Ok(format!("{} faults", faults.into_iter().sum::<Result<usize, _>>()?))
}

#[test]
fn nothing_acknowledged_is_lost_whatever_step_fails() {
    holds(|seed| both_formats(seed, true));
    caught(3, |seed| both_formats(seed, false));
}

#[test]
fn a_snapshot_is_these_steps() {
    let (disk, counting) = (Disk::default(), Arc::new(Counting::default()));
    let layer = Around::layer(Arc::new(disk.clone()), &counting);
    paused(async {
        let (mut random, mut world) = (Random(1), World::new(&disk, layer, 1));
        world.start(Format::Bincode).await.unwrap();
        world.snapshot().await.unwrap();
        for _ in 0..2 {
            world.change(&mut random).await;
            counting.0.lock().clear();
            world.snapshot().await.unwrap();
            tokio::time::sleep(Duration::ZERO).await;
        }
        let steps =
            ["list", "create", "write", "sync", "rename", "sync folder", "list", "list", "remove", "sync folder"];
        assert_eq!(*counting.0.lock(), steps);
    });
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let (disk, recorder, log) = (Disk::default(), Arc::new(DebuggingRecorder::new()), record());
    // Two looks, folder, lock, and the folder made private; the first snapshot takes six steps.
    let failing = Arc::new(Failing::new(&disk, 15, true, Fault::NoSpace));
    let (layer, figures) = (Around::layer(Arc::new(disk.clone()), &failing), recorder.snapshotter());
    paused(async {
        let builder = SessionService::builder().snapshots(FOLDER).recorder(recorder as SharedRecorder);
        let service = DISK.scope(layer, builder.start()).await.unwrap();
        let global = service.global().await.unwrap();
        let names = || disk.list(Path::new(FOLDER)).unwrap().len();
        let mut rounds = 0;
        let full = loop {
            global.set("round", &rounds).await.unwrap();
            match service.snapshot().await {
                Ok(_) => rounds += 1,
                Err(error) => break error,
            }
        };
        assert!(rounds > 0, "{full}");
        let SnapshotError::Write(source) = full else { panic!("{full}") };
        assert!(source.to_string().contains("no storage space"), "{source}");
        assert_eq!(names(), 1 + rounds, "the lock and what was written stand there alone");
        // Nobody asks: the service tries again by itself, and says so each time.
        tokio::time::sleep(Duration::from_secs(200)).await;
        let log = String::from_utf8(log.take()).unwrap();
        assert!(log.matches("no space is left").count() >= 3, "{log}");
        assert_eq!(global.get("round").unwrap(), Some(rounds), "reads and updates go on");
        failing.mend();
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(names(), 2 + rounds, "a snapshot was written once there was space");
        assert!(service.snapshot().await.is_ok());
        drop(service);
        let failures = figures.snapshot().into_vec().into_iter().find_map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            (key.key().name() == "sessile_snapshot_failures_total" && labels == ["no_space"]).then_some(value)
        });
        assert!(matches!(failures, Some(DebugValue::Counter(3..))), "{failures:?}");
    });
}
