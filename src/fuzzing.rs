//! Every reader of foreign bytes, by one door each, for fuzzers and proofs. No part of the interface.
//!
//! A door gives what the reader said: an error that tells what is wrong, or nothing. It panics where bytes that were
//! taken are not what they seemed.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what is violated here ends the run, as in a test"
)]

mod journals;
mod mutate;
mod random;
mod shelf;
mod sums;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use self::shelf::Shelf;
use crate::actor::image::part;
use crate::actor::measure::measure;
use crate::config::{Config, Wrap};
use crate::files::Over;
use crate::id::{Kind, SessionId};
use crate::owner::Cursor;
use crate::snapshot::{self, FileLayer, Frame, Item, ReadOptions, RecordError, entries_codec, read_journal};
use crate::state::{Committed, Draft, Entries, EventId, IdempotencyKey, Json, Lifetime, Metadata};
use crate::time::Timestamp;

pub use mutate::mutate;
pub use random::Random;
pub use sums::mend;

/// Reads a snapshot or export in either format as a start, an import or a check would.
///
/// # Errors
/// What is wrong with it.
pub fn file(bytes: &[u8], accept_edited: bool) -> Result<(), String> {
    let options = ReadOptions { entries: entries_codec(), accept_edited };
    let header = snapshot::header(&mut &*bytes);
    let read = snapshot::read(&mut &*bytes, &options, &mut |item| match item {
        Item::Session(record) => {
            // A record whose digest is not that of its id is read all the same.
            drop(record.owned());
            drop(measure(record));
            packed(record.entries).map_err(RecordError)
        }
        Item::Events(_) | Item::Tombstone(_) => Ok(()),
    });
    let summary = read.map_err(|error| error.to_string())?;
    assert_eq!(header.expect("a file that is read whole has a header"), summary.header);
    Ok(())
}

/// Reads a snapshot, export or journals as a start does, and builds one record after the other.
///
/// # Errors
/// As [`file`] and `journals`.
pub fn built(bytes: &Arc<[u8]>) -> Result<(), String> {
    let mut build = |item: Item<'_>| match item {
        Item::Session(record) => {
            drop(measure(record));
            Entries::from_packed(record.entries).map(drop).map_err(|error| RecordError(error.to_string()))
        }
        Item::Events(record) => part(record, |at| at).map(drop).map_err(RecordError),
        Item::Tombstone(_) => Ok(()),
    };
    if bytes.starts_with(&snapshot::JOURNAL_MAGIC) {
        return laid_over(&Shelf::of(bytes), build);
    }
    let options = ReadOptions { entries: entries_codec(), accept_edited: true };
    snapshot::read(&mut &**bytes, &options, &mut build).map(drop).map_err(|error| error.to_string())
}

/// What journals are laid over.
const SNAPSHOT: &[u8] = include_bytes!("../snapshots/golden/v2.bin");

/// Reads journals, one after the other in the same bytes: each by itself, then as a chain that goes on from a snapshot.
///
/// # Errors
/// Why they were not read to their end, or why what they say cannot be laid over.
pub fn journals(bytes: impl Into<Arc<[u8]>>) -> Result<(), String> {
    let shelf = Shelf::of(&bytes.into());
    for file in shelf.listed() {
        let mut again = Frame::new();
        let mut input = shelf.open(&file.path).expect("it lies there");
        let read = read_journal(&mut input, &Wrap::default(), u64::MAX, &mut |item| {
            again.clear();
            again.put(&item).expect("what was taken can be written");
            Ok(())
        });
        drop(read);
    }
    let mut met = HashSet::new();
    laid_over(&shelf, |item| match item {
        Item::Session(record) => {
            assert!(met.insert(record.digest), "a session is handed on once");
            drop(measure(record));
            packed(record.entries).map_err(RecordError)
        }
        Item::Events(record) => part(record, |at| at).map(drop).map_err(RecordError),
        Item::Tombstone(_) => Ok(()),
    })
}

/// Hands on what a snapshot holds once these journals are laid over.
fn laid_over(shelf: &Shelf, each: impl FnMut(Item<'_>) -> Result<(), RecordError>) -> Result<(), String> {
    let files = shelf.listed();
    let generation = files.first().map_or(0, |file| file.generation);
    let chain = snapshot::chain(shelf, &Wrap::default(), &files, generation);
    let chain = chain.map_err(|(_, error)| error.to_string())?;
    let mut over = Over::new(&chain.replay, each);
    let options = ReadOptions { entries: entries_codec(), accept_edited: false };
    let laid = snapshot::read(&mut &*SNAPSHOT, &options, &mut |item| over.take(item));
    laid.map_err(|error| error.to_string())?;
    over.finish().map_err(|RecordError(detail)| detail)?;
    chain.cut.map_or(Ok(()), |cut| Err(cut.detail))
}

/// Reads a session's entries in the packed layout.
///
/// # Errors
/// What is wrong with them.
pub fn packed(bytes: &[u8]) -> Result<(), String> {
    let entries = Entries::from_packed(bytes).map_err(|error| error.to_string())?;
    let mut before: Option<String> = None;
    for entry in entries.iter() {
        assert!(before.as_deref().is_none_or(|before| before < entry.key), "keys ascend");
        let value: Json = Json::parse(entry.value).expect("a value that was taken is one");
        assert_eq!(value.as_str(), entry.value);
        before = Some(entry.key.to_owned());
    }
    assert_eq!(
        Entries::from_packed(entries.packed_bytes()).expect("what was taken is taken again").len(),
        entries.len()
    );
    Ok(())
}

/// Reads a text as an id, a kind, a cursor of a list, the id of an event, an idempotency key and a value.
///
/// # Errors
/// When it is none of them.
pub fn text(text: &str) -> Result<(), String> {
    let id = SessionId::parse(text).map(drop).map_err(|error| error.to_string());
    let kind = Kind::new(text).map(drop).map_err(|error| error.to_string());
    let cursor = text.parse::<Cursor>().map(|cursor| {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    });
    let event = text.parse::<EventId>().map(|event| {
        assert_eq!(event.to_string().parse::<EventId>().expect("an id is read as it is shown"), event);
    });
    let event = event.map_err(|error| error.to_string());
    // Most short texts are one.
    drop(IdempotencyKey::new(text));
    let value = Json::parse(text).map(|value| {
        assert_eq!(Json::parse(value.as_str()).expect("compact text is a value").as_str(), value.as_str());
    });
    let value = value.map_err(|error| error.to_string());
    id.or(kind).or(cursor.map_err(|error| error.to_string())).or(event).or(value)
}

/// Applies a patch to a state, both JSON, with a line break between them: as a merge patch and as a JSON patch.
///
/// # Errors
/// Why neither was applied.
pub fn patch(text: &str) -> Result<(), String> {
    let (patch, state) = text.split_once('\n').ok_or("no line break")?;
    let patch: Value = serde_json::from_str(patch).map_err(|error| error.to_string())?;
    let state: Value = serde_json::from_str(state).map_err(|error| error.to_string())?;
    let (limits, now) = (Config::default().session, Timestamp::default());
    let mut draft = Draft::stage(Arc::new(Committed::new(Metadata::default(), Lifetime::default())), now, limits);
    for (key, value) in state.as_object().ok_or("no state")? {
        draft.set(key, value).map_err(|error| error.to_string())?;
    }
    let base = Arc::new(draft.finish().map_err(|error| error.to_string())?.ok_or("an empty state")?);
    let apply = |run: &dyn Fn(&mut Draft) -> Result<Vec<String>, String>| {
        let mut draft = Draft::stage(Arc::clone(&base), now, limits);
        run(&mut draft)?;
        draft.finish().map(drop).map_err(|error| error.to_string())
    };
    let merged = apply(&|draft| draft.merge_patch(&patch).map_err(|error| error.to_string()));
    let patched = apply(&|draft| draft.json_patch(&patch).map_err(|error| error.to_string()));
    patched.or(merged)
}
