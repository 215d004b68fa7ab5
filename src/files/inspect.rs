//! What a file holds, in figures.

use std::path::Path;

use super::options::Watched;
use super::over::Input;
use super::pass::pass;
use super::tally::{Ends, Figures, Largest, Tally};
use super::{FileError, Options, Verified};
use crate::actor::measure::{owner_key, principal_of};
use crate::id::SessionDigest;
use crate::principal::{OwnerKey, Principal};
use crate::snapshot::{self, Chain, Item, SessionRef};
use crate::time::Timestamp;

/// Kinds and owners with figures of their own; what comes after is added up.
const MOST_KINDS: usize = 1_024;
const MOST_OWNERS: usize = 65_536;

/// What a session is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A session with an id.
    Session,
    /// The owner's own one.
    Bucket,
    /// The shared one.
    Global,
}

/// The figures of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindFigures {
    /// The kind.
    pub kind: String,
    /// Its figures.
    pub figures: Figures,
}

/// The figures of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnerFigures {
    /// The short tag that stands for it in logs; `anonymous` for all anonymous sessions, `global` for the shared one.
    pub tag: String,
    /// Its figures.
    pub figures: Figures,
    /// Who it is, where [`Options::names`] asked for it.
    pub principal: Option<Principal>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionFigures {
    /// The short tag that stands for it in logs.
    pub tag: String,
    /// What it is to its owner.
    pub role: Role,
    /// Its kind.
    pub kind: String,
    /// The tag of its owner, as in [`OwnerFigures::tag`].
    pub owner: String,
    /// Its entries, expired ones included.
    pub entries: u64,
    /// The bytes of its keys, values and metadata.
    pub bytes: u64,
    /// Its revision.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used; reads count.
    pub last_active_at: Timestamp,
    /// Its id, where [`Options::names`] asked for it; no file holds an anonymous session's.
    pub id: Option<String>,
    /// The name its owner gave it, where [`Options::names`] asked for it.
    pub name: Option<String>,
}

/// What a whole file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The file itself, as [`verify`](super::verify) tells it. Sessions that cannot be restored are in no other figure.
    pub file: Verified,
    /// All sessions.
    pub sessions: Figures,
    /// How many of them are buckets.
    pub buckets: u64,
    /// The remembered ends.
    pub ends: Ends,
    /// By kind, largest first, at most 1,024 kinds.
    pub kinds: Vec<KindFigures>,
    /// Sessions of kinds beyond those.
    pub other_kinds: Figures,
    /// How many owners there are, counted up to 65,536.
    pub owner_count: u64,
    /// The largest owners, among the first 65,536 of the file.
    pub owners: Vec<OwnerFigures>,
    /// Sessions of all other owners.
    pub other_owners: Figures,
    /// The largest sessions.
    pub largest: Vec<SessionFigures>,
}

/// Reads a file to its end, checks it as [`verify`](super::verify) does, and tells what it holds.
///
/// No value is told, and no id or name unless [`Options::names`] asks for them.
///
/// # Errors
/// [`FileError`] when the file as a whole is refused or cannot be read.
pub fn inspect(path: impl AsRef<Path>, mut options: Options<'_>) -> Result<Inspection, FileError> {
    let path = path.as_ref();
    let mut input = Input { file: Some(Watched::open(path, &mut options)?), chain: &Chain::default() };
    let names = options.names;
    let (mut sessions, mut buckets, mut ends) = (Figures::default(), 0, Ends::default());
    let (mut kinds, mut owners) = (Tally::new(MOST_KINDS), Tally::new(MOST_OWNERS));
    let mut largest = Largest::new(options.largest);
    let file = pass(&mut input, &options, |item, figures| {
        match (item, figures) {
            (Item::Session(record), Some(figures)) => {
                sessions.add(figures);
                buckets += u64::from(record.role == snapshot::Role::Bucket);
                kinds.add(record.kind.to_owned(), figures, || ());
                owners.add(owner_key(record), figures, || names.then(|| principal_of(record)).flatten());
                largest.offer(figures.bytes, || session(record, figures, names));
            }
            (Item::Session(_), None) | (Item::Events(_), _) => {}
            (Item::Tombstone(record), _) => ends.count(record.reason),
        }
        Ok(())
    });
    let file = file.map_err(|error| FileError::of(path, error))?;
    let owner_count = owners.len();
    let (kinds, other_kinds) = kinds.largest(MOST_KINDS);
    let (owners, other_owners) = owners.largest(options.largest);
    let kinds = kinds.into_iter().map(|(kind, figures, ())| KindFigures { kind, figures });
    let owners =
        owners.into_iter().map(|(key, figures, principal)| OwnerFigures { tag: owner_tag(key), figures, principal });
    Ok(Inspection {
        file,
        sessions,
        buckets,
        ends,
        kinds: kinds.collect(),
        other_kinds,
        owner_count,
        owners: owners.collect(),
        other_owners,
        largest: largest.into_rows(),
    })
}

fn session(record: &SessionRef<'_>, figures: Figures, names: bool) -> SessionFigures {
    let told = |text: Option<&str>| text.filter(|_| names).map(str::to_owned);
    SessionFigures {
        tag: SessionDigest(record.digest).tag(),
        role: match record.role {
            snapshot::Role::Session => Role::Session,
            snapshot::Role::Bucket => Role::Bucket,
            snapshot::Role::Global => Role::Global,
        },
        kind: record.kind.to_owned(),
        owner: owner_tag(owner_key(record)),
        entries: figures.entries,
        bytes: figures.bytes,
        revision: record.revision,
        created_at: Timestamp::from_micros(record.created_at),
        last_active_at: Timestamp::from_micros(record.last_active_at),
        id: told(record.id),
        name: told(record.name),
    }
}

fn owner_tag(key: OwnerKey) -> String {
    match key {
        OwnerKey::ANONYMOUS => "anonymous".to_owned(),
        OwnerKey::GLOBAL => "global".to_owned(),
        key => key.tag(),
    }
}
