//! The baselines: what the machine does when nobody asks for owners, limits, expiry or checks.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use hdrhistogram::Histogram;

const PIECE: usize = 256 << 10;

/// Writes so many bytes into one file and syncs it.
pub(crate) fn write(path: &Path, bytes: u64) -> Duration {
    let piece: Vec<u8> = (0..PIECE).map(|index| index as u8).collect();
    let started = Instant::now();
    let mut file = File::create(path).expect("a file");
    let mut left = bytes;
    while left > 0 {
        let now = left.min(PIECE as u64);
        file.write_all(&piece[..now as usize]).expect("writes");
        left -= now;
    }
    file.sync_all().expect("syncs");
    let took = started.elapsed();
    std::fs::remove_file(path).expect("removes");
    took
}

/// Reads a file and sums it.
pub(crate) fn read(path: &Path) -> Duration {
    let started = Instant::now();
    let (mut file, mut piece, mut sum) = (File::open(path).expect("a file"), vec![0; PIECE], 0);
    loop {
        match file.read(&mut piece).expect("reads") {
            0 => break,
            read => sum = crc32c::crc32c_append(sum, &piece[..read]),
        }
    }
    black_box(sum);
    started.elapsed()
}

/// A plain map of as many values of as many bytes.
pub(crate) struct Map(DashMap<[u8; 16], Arc<[u8]>>);

impl Map {
    pub(crate) fn fill(sessions: u64, bytes: usize) -> (Self, Histogram<u64>) {
        let (map, value) = (DashMap::new(), vec![7_u8; bytes]);
        let mut times = Histogram::new(3).expect("a histogram");
        for number in 0..sessions {
            let key = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes();
            let started = Instant::now();
            map.insert(key, Arc::from(value.as_slice()));
            times.record(started.elapsed().as_nanos() as u64).expect("records");
        }
        (Self(map), times)
    }

    /// Looks at every value once.
    pub(crate) fn scan(&self) -> Duration {
        let started = Instant::now();
        black_box(self.0.iter().filter(|entry| entry.value().first() == Some(&0)).count());
        started.elapsed()
    }
}
