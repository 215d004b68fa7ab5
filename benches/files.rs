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

use common::{builder, counted, fill, million, runtime, update};
use criterion::{Criterion, criterion_group, criterion_main};
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

/// A folder with one snapshot of so many sessions; how long one takes, and how large it is.
fn snapshot(criterion: &mut Criterion, runtime: &Runtime, count: usize) -> (TempDir, u64) {
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
    fs::remove_file(path).expect("removes");
    assert_eq!(counted(sessions), made, "an update was lost");
    runtime.block_on(service.drain()).expect("drains");
    (folder, made)
}

fn restore(criterion: &mut Criterion, runtime: &Runtime, count: usize, folder: &Path, made: u64) {
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
    assert!(made > 0, "no snapshot was measured");
}

fn benches(criterion: &mut Criterion) {
    let runtime = runtime();
    let counts = [1_000, 100_000].into_iter().chain(million().then_some(1_000_000));
    for count in counts {
        let (folder, made) = snapshot(criterion, &runtime, count);
        restore(criterion, &runtime, count, folder.path(), made);
    }
}

criterion_group!(all, benches);
criterion_main!(all);
