//! What a session holds: at each revision exactly one thing, so that half an update shows.

use std::collections::BTreeMap;

use sessile::{Draft, DraftError, View};

/// Sessions that live for ever, by their numbers: those below are small.
pub(crate) const SMALL: u64 = 24;
/// Up to here are counters: their updates are written in place.
pub(crate) const COUNTERS: u64 = 31;
/// Up to here are large ones, of which a journal holds what changed.
pub(crate) const LASTING: u64 = 32;
/// Long values of a large session.
const LONG: u64 = 400;
/// Numbers that a session remembers.
const REMEMBERED: u64 = 8;

pub(crate) fn id(session: u64) -> String {
    format!("kill-{session}")
}

fn long(number: u64) -> String {
    format!("{number:0>200}")
}

const fn is_counter(session: u64) -> bool {
    session >= SMALL && session < COUNTERS
}

const fn is_large(session: u64) -> bool {
    session >= COUNTERS && session < LASTING
}

/// The next update of a session; every one of them goes through here.
pub(crate) fn update(session: u64, draft: &mut Draft) -> Result<(), DraftError> {
    if is_counter(session) {
        return draft.increment("n", 1).map(drop);
    }
    let n = draft.get::<u64>("n")?.unwrap_or(0) + 1;
    draft.set("n", &n)?;
    draft.set("twin", &n)?;
    draft.set(&format!("remembered-{}", n % REMEMBERED), &n)?;
    if n % 2 == 1 {
        draft.set("odd", &n)?;
    } else {
        draft.remove("odd");
    }
    if is_large(session) {
        if n == 1 {
            (0..LONG).try_for_each(|place| draft.set(&format!("long-{place}"), &long(0)))?;
        }
        draft.set(&format!("long-{}", n % LONG), &long(n))?;
    }
    Ok(())
}

/// What a session has to hold at a revision, as JSON.
fn expected(session: u64, revision: u64) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    if revision == 0 {
        return state;
    }
    state.insert("n".to_owned(), revision.to_string());
    if is_counter(session) {
        return state;
    }
    state.insert("twin".to_owned(), revision.to_string());
    for n in revision.saturating_sub(REMEMBERED - 1).max(1)..=revision {
        state.insert(format!("remembered-{}", n % REMEMBERED), n.to_string());
    }
    if revision % 2 == 1 {
        state.insert("odd".to_owned(), revision.to_string());
    }
    if is_large(session) {
        state.extend((0..LONG).map(|place| (format!("long-{place}"), format!("\"{}\"", long(0)))));
        for n in revision.saturating_sub(LONG - 1).max(1)..=revision {
            state.insert(format!("long-{}", n % LONG), format!("\"{}\"", long(n)));
        }
    }
    state
}

/// What is wrong with what a session holds, if anything is.
pub(crate) fn check(session: u64, view: &View) -> Result<(), String> {
    let revision = view.revision().get();
    let expected = expected(session, revision);
    let wrong = expected.iter().find(|(key, value)| view.json(key) != Some(value.as_str()));
    match wrong {
        Some((key, value)) => {
            let found = view.json(key);
            Err(format!("session {session} at revision {revision}: {key} is {found:?} and has to be {value}"))
        }
        None if view.len() != expected.len() => {
            Err(format!("session {session} at revision {revision}: {} entries and not {}", view.len(), expected.len()))
        }
        None => Ok(()),
    }
}
