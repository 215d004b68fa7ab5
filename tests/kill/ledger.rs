//! What the killed process told: notes of one size, appended with one system call each to a file in memory, so that none is
//! ever half there, and none is there that was not made.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a note: no page of memory ends inside one.
const NOTE: usize = 32;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The service has started.
    Ready,
    /// Asked for, and not yet known to be done.
    AsksUpdate,
    AsksCreate,
    AsksClose,
    /// Acknowledged; of an update with its revision.
    Updated,
    Created,
    Closed,
    /// A write of the journal is done; with the microseconds that it took.
    Wrote,
    /// The machine lets the process run; with the microseconds for which the thread that writes the journal was not let.
    Beat,
}

const ALL: [What; 9] = [
    What::Ready,
    What::AsksUpdate,
    What::AsksCreate,
    What::AsksClose,
    What::Updated,
    What::Created,
    What::Closed,
    What::Wrote,
    What::Beat,
];

impl What {
    /// Whether it tells of the process, and of no session.
    pub(crate) const fn is_of_the_process(self) -> bool {
        matches!(self, Self::Ready | Self::Wrote | Self::Beat)
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) what: What,
    pub(crate) session: u64,
    pub(crate) value: u64,
    /// Since the Unix epoch; of an acknowledgement, once the caller had it.
    pub(crate) at: Duration,
}

/// The time, as both processes know it.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// A folder in memory where there is one.
pub(crate) fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// The file, for whoever writes to it.
pub(crate) struct Ledger(File);

impl Ledger {
    pub(crate) fn open(path: &Path) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub(crate) fn note(&self, what: What, session: u64, value: u64) {
        let mut note = [0; NOTE];
        note[0] = what as u8;
        note[8..16].copy_from_slice(&session.to_le_bytes());
        note[16..24].copy_from_slice(&value.to_le_bytes());
        note[24..].copy_from_slice(&(now().as_micros() as u64).to_le_bytes());
        (&self.0).write_all(&note).unwrap();
    }
}

/// All that was noted, in order.
pub(crate) fn read(path: &Path) -> Vec<Note> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let (notes, rest) = bytes.as_chunks::<NOTE>();
    assert!(rest.is_empty(), "half a note");
    let number = |note: &[u8; NOTE], at: usize| u64::from_le_bytes(*note[at..].first_chunk().unwrap());
    let note = |note: &[u8; NOTE]| Note {
        what: ALL[usize::from(note[0])],
        session: number(note, 8),
        value: number(note, 16),
        at: Duration::from_micros(number(note, 24)),
    };
    notes.iter().map(note).collect()
}
