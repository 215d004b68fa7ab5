//! A file that records are appended to: what any journal has to do, and nothing else.
//!
//! One thread writes what came while its last write took its time, in one write at a multiple of 512 bytes, into zeros
//! that were written ahead, and waits for `fdatasync`. Nothing is encoded, summed or kept.

use std::fs::{File, remove_file};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::queue::{Asked, Queue};
use crate::random::Random;
use crate::run::{SESSIONS, Store};

/// Bytes of the record that a journal of Sessile has of such a session, with what stands before it.
const RECORD: usize = 1_225;
/// What stands before the records of one write.
const HEAD: usize = 32;
/// Zeros that are written ahead, at first and at most.
const RESERVE: u64 = 256 << 10;
const MOST_RESERVE: u64 = 4 << 20;
/// Where another file is begun.
const LONGEST: u64 = 64 << 20;

/// A file, with how much of it is written and how much are zeros.
struct Log {
    folder: PathBuf,
    number: u64,
    file: File,
    end: u64,
    reserved: u64,
    reserve: u64,
    buffer: Vec<u8>,
    records: u64,
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("log-{number}"))
}

impl Log {
    fn begin(folder: &Path, number: u64) -> Self {
        let file = File::create_new(path(folder, number)).expect("a file");
        let (folder, buffer) = (folder.to_owned(), Vec::new());
        let mut log = Self { folder, number, file, end: 0, reserved: 0, reserve: RESERVE, buffer, records: 0 };
        log.fill();
        log
    }

    fn fill(&mut self) {
        self.file.write_all_at(&vec![0; self.reserve as usize], self.reserved).expect("zeros");
        self.reserved += self.reserve;
        self.file.sync_data().expect("syncs");
    }

    fn append(&mut self, asked: Asked<[u8; RECORD]>) {
        self.buffer.clear();
        self.buffer.resize(HEAD, 1);
        asked.iter().for_each(|(record, _)| self.buffer.extend_from_slice(record));
        self.buffer.resize(self.buffer.len().next_multiple_of(512), 0);
        self.file.write_all_at(&self.buffer, self.end).expect("writes");
        self.file.sync_data().expect("syncs");
        self.end += self.buffer.len() as u64;
        self.reserved = self.reserved.max(self.end);
        self.records += asked.len() as u64;
        // Whoever asked waits for it.
        asked.into_iter().for_each(|(_, told)| told.send(()).expect("a caller waits"));
        if self.end >= LONGEST {
            let (old, records) = (path(&self.folder, self.number), self.records);
            *self = Self { records, ..Self::begin(&self.folder, self.number + 1) };
            remove_file(old).expect("removes");
        } else if self.reserved - self.end < self.reserve / 4 {
            self.reserve = (self.reserve * 2).min(MOST_RESERVE);
            self.fill();
        }
    }
}

/// Such a file.
pub(crate) struct Raw(Queue<[u8; RECORD], u64>);

impl Store for Raw {
    async fn build(folder: &Path, _callers: usize) -> Self {
        Self(Queue::start(Log::begin(folder, 0), Log::append, |log| log.records))
    }

    async fn update(&self, _caller: usize, random: &mut Random) -> u64 {
        self.0.ask([random.below(SESSIONS) as u8; RECORD]).await;
        1
    }

    async fn counted(self) -> u64 {
        self.0.join()
    }
}
