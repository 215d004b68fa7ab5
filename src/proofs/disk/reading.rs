//! How much of earlier generations a snapshot reads.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::hand::paused;
use super::around::{Around, Habit};
use super::simulated::Disk;
use super::workload::FOLDER;
use crate::actor::planted::DISK;
use crate::service::SessionService;
use crate::snapshot::FileLayer;

const GENERATIONS: u64 = 8;
const BYTES: usize = 1 << 20;

/// Counts what is read.
#[derive(Default)]
struct Reads(Arc<AtomicU64>);

struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Habit for Reads {
    fn open(&self, inner: &dyn FileLayer, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Counted { inner: inner.open(path)?, read: Arc::clone(&self.0) }))
    }
}

async fn start(layer: &Arc<dyn FileLayer>) -> SessionService {
    let builder = SessionService::builder().snapshots(FOLDER).generations(2).keep_for(Duration::from_secs(86_400));
    DISK.scope(Arc::clone(layer), builder.max_value_bytes(2 << 20).max_session_bytes(4_u64 << 20).start())
        .await
        .unwrap()
}

#[test]
fn after_a_start_a_snapshot_reads_what_is_to_be_counted_and_no_more() {
    let (disk, reads) = (Disk::default(), Arc::new(Reads::default()));
    let layer = Around::layer(Arc::new(disk), &reads);
    paused(async {
        let service = start(&layer).await;
        service.global().await.unwrap().set("large", &"x".repeat(BYTES)).await.unwrap();
        for _ in 0..GENERATIONS {
            service.snapshot().await.unwrap();
        }
        drop(service);
        tokio::task::yield_now().await;
        let service = start(&layer).await;
        let mut read = Vec::new();
        for _ in 0..2 {
            reads.0.store(0, Ordering::Relaxed);
            service.snapshot().await.unwrap();
            read.push(reads.0.load(Ordering::Relaxed));
        }
        assert_eq!(layer.list(Path::new(FOLDER)).unwrap().len() as u64, 1 + GENERATIONS + 2);
        // The beginning of each, once: how old they are. That they are whole is asked when they are to go.
        let beginnings = GENERATIONS * (256 << 10);
        assert!(read[0] <= beginnings && read[1] <= 256 << 10, "{read:?} bytes were read");
    });
}
