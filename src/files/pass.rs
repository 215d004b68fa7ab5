//! One pass over a file: everything that a restore would check, but for the service's own caps.

use std::collections::HashSet;
use std::path::Path;

use super::options::Watched;
use super::over::{Input, Over};
use super::{Figures, FileError, Header, Options};
use crate::actor::image::part;
use crate::actor::measure::measure;
use crate::config::Format;
use crate::id::{SessionDigest, SessionKey};
use crate::snapshot::{self, Chain, FileHeader, Item, ReadOptions, RecordError, Summary, entries_codec};
use crate::state::Continuity;

/// The most findings that are told in full.
const MOST_FINDINGS: usize = 100;

/// A session, or a part of its event log, that is in the file as it was written, and that a start would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which record, counted from 1 over sessions, parts of event logs and tombstones.
    pub index: u64,
    /// The short tag of the session.
    pub tag: String,
    /// What is wrong with it.
    pub detail: String,
}

/// A file that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// What it says of itself.
    pub header: Header,
    /// Its sessions.
    pub sessions: u64,
    /// Events in their logs.
    pub events: u64,
    /// Sessions whose end is in the file too, which has the last word: they ended while it was being written.
    pub ended: u64,
    /// The ends it remembers.
    pub tombstones: u64,
    /// Its size.
    pub bytes: u64,
    /// The name of the key that it is sealed under, as [`KeyRing::ids`](crate::KeyRing::ids) tells them.
    pub sealed_under: Option<String>,
    /// Whether it is compressed.
    pub compressed: bool,
    /// How many sessions cannot be restored; with any, a start refuses the file and an import refuses those sessions.
    pub refused: u64,
    /// What is wrong with them, for the first hundred.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether a start would take the file.
    #[must_use]
    pub const fn is_restorable(&self) -> bool {
        self.refused == 0
    }
}

/// Reads a file to its end and checks header, structure, counts, checksums and every record.
///
/// # Errors
/// [`FileError`] when the file as a whole is refused or cannot be read.
pub fn verify(path: impl AsRef<Path>, mut options: Options<'_>) -> Result<Verified, FileError> {
    let path = path.as_ref();
    let mut input = Input { file: Some(Watched::open(path, &mut options)?), chain: &Chain::default() };
    let verified = pass(&mut input, &options, |_, _| Ok(()));
    verified.map_err(|error| FileError::of(path, error))
}

/// Reads a file with the journals that go on from it and hands each record on, with its figures where it is a session
/// that can be restored.
pub(super) fn pass(
    input: &mut Input<'_, '_>,
    options: &Options<'_>,
    mut each: impl FnMut(Item<'_>, Option<Figures>) -> Result<(), RecordError>,
) -> Result<Verified, snapshot::FileError> {
    let mut seen = Seen::default();
    let mut over = Over::new(&input.chain.replay, |item: Item<'_>| {
        let figures = seen.look(item);
        each(item, figures)
    });
    let mut about = About::default();
    let written_at = input.chain.written_at();
    let header = match &mut input.file {
        Some(file) => {
            let reading = ReadOptions { entries: entries_codec(), accept_edited: options.accept_edited };
            let mut opened = snapshot::open(&mut *file, &options.wrap)?;
            let (sealed_under, compressed) = (opened.sealed_under(), opened.is_compressed());
            let wrapped = opened.is_wrapped();
            let Summary { header, bytes, .. } = snapshot::read(&mut opened, &reading, &mut |item| over.take(item))?;
            about = About { bytes: if wrapped { file.bytes() } else { bytes }, sealed_under, compressed };
            FileHeader { created_at: header.created_at.max(written_at), ..header }
        }
        None => FileHeader::new(Format::Bincode, written_at, 0),
    };
    over.finish().map_err(|RecordError(detail)| snapshot::FileError::Record { index: 0, detail })?;
    Ok(seen.ended(header, about))
}

/// What lies around the records of a file.
#[derive(Default)]
struct About {
    bytes: u64,
    sealed_under: Option<String>,
    compressed: bool,
}

/// What one pass has met.
#[derive(Default)]
struct Seen {
    keys: HashSet<SessionKey>,
    continuity: Continuity,
    sessions: u64,
    events: u64,
    tombstones: u64,
    records: u64,
    ended: u64,
    refused: u64,
    findings: Vec<Finding>,
}

impl Seen {
    fn look(&mut self, item: Item<'_>) -> Option<Figures> {
        self.records += 1;
        let record = match item {
            Item::Session(record) => {
                self.sessions += 1;
                record
            }
            Item::Events(record) => {
                let digest = SessionDigest(record.digest);
                let flaw = match (self.keys.contains(&digest.key()), part(record, |at| at)) {
                    (false, _) => Some("events of a session that is not in the file".to_owned()),
                    (true, Err(detail)) => Some(detail),
                    (true, Ok(part)) => self.continuity.follow(record.digest, &part).err().map(str::to_owned),
                };
                match flaw {
                    None => self.events += record.events.len() as u64,
                    Some(detail) => self.refuse(digest, detail),
                }
                return None;
            }
            Item::Tombstone(record) => {
                self.tombstones += 1;
                self.ended += u64::from(self.keys.remove(&SessionDigest(record.digest).key()));
                return None;
            }
        };
        let digest = SessionDigest(record.digest);
        let first = self.keys.insert(digest.key());
        let once = if first { Ok(()) } else { Err("the session is in the file twice".to_owned()) };
        match once.and_then(|()| measure(record)) {
            Ok((entries, bytes)) => Some(Figures { sessions: 1, entries, bytes }),
            Err(detail) => {
                self.refuse(digest, detail);
                None
            }
        }
    }

    fn refuse(&mut self, digest: SessionDigest, detail: String) {
        self.refused += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { index: self.records, tag: digest.tag(), detail });
        }
    }

    fn ended(self, header: FileHeader, about: About) -> Verified {
        let Self { sessions, events, tombstones, ended, refused, findings, .. } = self;
        let About { bytes, sealed_under, compressed } = about;
        Verified {
            header: header.into(),
            sessions,
            events,
            ended,
            tombstones,
            bytes,
            sealed_under,
            compressed,
            refused,
            findings,
        }
    }
}
