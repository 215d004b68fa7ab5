//! Snapshots and restores, each beside a raw write or read of as many bytes.
//!
//! A million sessions take minutes: only when `SESSILE_BENCH_MILLION` is set.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, reason = "a bench that fails has no figure")]

mod common;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::random::Random;
use common::{CALLERS, builder, counted, fill, million, runtime, update};
use criterion::{Criterion, criterion_group, criterion_main};
use sessile::Durability;
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Writes so many bytes and has them on the disk when it returns.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes).expect("writes");
    file.sync_all().expect("syncs");
}

/// A folder with one snapshot of so many sessions, and how long one takes.
fn snapshot(criterion: &mut Criterion, runtime: &Runtime, count: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (service, sessions) = runtime.block_on(async {
        let service = builder().snapshots(folder.path()).generations(1_usize).start().await.expect("starts");
        let sessions = fill(&service, count).await;
        (service, sessions)
    });
    let size = runtime.block_on(service.snapshot()).expect("a snapshot").bytes;
    let raw = vec![7_u8; size as usize];
    let path = folder.path().with_extension("raw");
    let mut group = criterion.benchmark_group(format!("snapshot of {count}"));
    group.sample_size(10);
    group.bench_function("raw: write as many bytes, fsync", |bench| bench.iter(|| write(&path, &raw)));
    let mut made = 0;
    group.bench_function("snapshot", |bench| {
        bench.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            for _ in 0..iterations {
                // Else there would be nothing to write.
                runtime.block_on(update(&sessions[0]));
                made += 1;
                let started = Instant::now();
                let report = runtime.block_on(service.snapshot()).expect("a snapshot");
                took += started.elapsed();
                assert_eq!(report.sessions, count as u64);
            }
            took
        });
    });
    group.finish();
    // Not there where a filter left the raw write out.
    let _ = fs::remove_file(path);
    assert_eq!(counted(sessions), made, "an update was lost");
    runtime.block_on(service.drain()).expect("drains");
    folder
}

fn restore(criterion: &mut Criterion, runtime: &Runtime, count: usize, folder: &Path) {
    let newest = || fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let files: Vec<_> = newest().filter(|path| path.extension().is_some_and(|kind| kind == "bin")).collect();
    let mut group = criterion.benchmark_group(format!("restore of {count}"));
    group.sample_size(10);
    group.bench_function("raw: read as many bytes", |bench| {
        bench.iter(|| black_box(fs::read(&files[0]).expect("reads")).len());
    });
    group.bench_function("restore", |bench| {
        bench.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            for _ in 0..iterations {
                let started = Instant::now();
                let service = runtime
                    .block_on(async { builder().snapshots(folder).start().await })
                    .expect("starts from the snapshot");
                took += started.elapsed();
                assert_eq!(service.restored().sessions, count as u64);
                runtime.block_on(service.drain()).expect("drains");
            }
            took
        });
    });
    group.finish();
}

/// Restarts after a crash: a folder with a snapshot of 10,000 sessions and a journal of 400,000 updates to them.
fn replay(criterion: &mut Criterion, runtime: &Runtime, name: &str, durability: Durability) {
    const SESSIONS: usize = 10_000;
    const UPDATES: usize = 400_000;
    let folder = tempfile::tempdir().expect("a folder");
    let start = |folder: &Path| {
        let folder = folder.to_owned();
        async move { builder().snapshots(folder).durability(durability).start().await.expect("starts") }
    };
    runtime.block_on(async {
        let service = start(folder.path()).await;
        let sessions = fill(&service, SESSIONS).await;
        service.snapshot().await.expect("a snapshot");
        let callers = (0..CALLERS).map(|caller| {
            tokio::spawn(async move {
                let mut random = Random::of(caller);
                for _ in 0..UPDATES / CALLERS {
                    update(&sessions[random.below(SESSIONS)]).await;
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("updates");
        }
        // The journal is written within a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        // Dropped without a drain: nothing is folded.
    });
    let files = |folder: &Path| fs::read_dir(folder).expect("a folder").flatten().filter(|file| file.path().is_file());
    let bytes: u64 = files(folder.path()).map(|file| file.metadata().expect("metadata").len()).sum();
    let mut group = criterion
        .benchmark_group(format!("restart of {SESSIONS} after {UPDATES} updates, {name}, {} MiB", bytes >> 20));
    group.sample_size(10);
    group.bench_function("raw: read as many bytes", |bench| {
        let read = |file: fs::DirEntry| fs::read(file.path()).expect("reads").len();
        bench.iter(|| black_box(files(folder.path()).map(read).sum::<usize>()));
    });
    group.bench_function("start", |bench| {
        bench.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            for _ in 0..iterations {
                let copy = tempfile::tempdir().expect("a folder");
                for file in files(folder.path()) {
                    fs::copy(file.path(), copy.path().join(file.file_name())).expect("copies");
                }
                let started = Instant::now();
                let service = runtime.block_on(start(copy.path()));
                took += started.elapsed();
                assert_eq!(service.restored().sessions, SESSIONS as u64);
                runtime.block_on(service.drain()).expect("drains");
            }
            took
        });
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    let runtime = runtime();
    let counts = [1_000, 100_000].into_iter().chain(million().then_some(1_000_000));
    replay(criterion, &runtime, "journal", Durability::Journal { flush_every: Duration::from_secs(1) });
    replay(criterion, &runtime, "commit", Durability::Commit);
    for count in counts {
        let folder = snapshot(criterion, &runtime, count);
        restore(criterion, &runtime, count, folder.path());
    }
}

criterion_group!(all, benches);
criterion_main!(all);
