//! What the folder has to give back: what was known before, and what the killed process noted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::ledger::{Note, What};

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It never was, as far as anybody knows.
    Absent,
    /// At a revision.
    Alive(u64),
    Ended,
}

/// What one process did to a session.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// Updates that were asked for: so much further may it be.
    asked: u64,
    /// The highest revision that has to be there.
    due: u64,
    asked_create: bool,
    created_due: bool,
    asked_close: bool,
    closed: bool,
}

/// What was seen, in numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    /// Processes that were killed before they had acknowledged anything.
    pub(crate) empty: u64,
    /// Acknowledged.
    pub(crate) updates: u64,
    pub(crate) creates: u64,
    pub(crate) closes: u64,
    /// Updates among them that were so young that they might have been lost, and sessions that were found behind for it.
    pub(crate) young: u64,
    pub(crate) behind: u64,
    /// Updates that were asked for and not answered when the kill came, and those of them that had been made.
    pub(crate) open: u64,
    pub(crate) made: u64,
    /// The longest time that was allowed for, in milliseconds.
    pub(crate) longest: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, empty, updates, creates, closes, young, behind, open, made, longest } = self;
        write!(
            out,
            "{kills} kills ({empty} before the first answer), acknowledged: {updates} updates, {creates} creates, \
             {closes} closes; {young} updates young enough to be lost (at most {longest} ms), {behind} sessions behind; \
             {open} updates unanswered, {made} of them made"
        )
    }
}

/// Every session that there ever was.
#[derive(Default)]
pub(crate) struct Model(BTreeMap<u64, Known>);

/// One round: what was before it, and what came then.
pub(crate) struct Expected {
    sessions: BTreeMap<u64, (Known, Done, u64)>,
}

impl Model {
    /// What has to be there. `since` is the time from which on an acknowledgement may be lost.
    pub(crate) fn expect(&self, notes: &[Note], since: Option<Duration>, tally: &mut Tally) -> Expected {
        let known = self.0.iter().map(|(session, known)| (*session, (*known, Done::default(), 0)));
        let mut sessions: BTreeMap<u64, (Known, Done, u64)> = known.collect();
        let mut acknowledged = 0;
        for note in notes {
            if note.what.is_of_the_process() {
                continue;
            }
            let is_due = since.is_none_or(|since| note.at < since);
            let none = (Known::Absent, Done::default(), 0);
            let (_, done, last) = sessions.entry(note.session).or_insert(none);
            match note.what {
                What::AsksUpdate => done.asked += 1,
                What::AsksCreate => done.asked_create = true,
                What::AsksClose => done.asked_close = true,
                What::Created => {
                    done.created_due |= is_due;
                    tally.creates += 1;
                }
                What::Updated => {
                    *last = note.value.max(*last);
                    done.created_due |= is_due;
                    done.due = if is_due { done.due.max(note.value) } else { done.due };
                    tally.updates += 1;
                    tally.young += u64::from(!is_due);
                    acknowledged += 1;
                }
                // An end is written before it is told, at either level.
                What::Closed => {
                    done.closed = true;
                    tally.closes += 1;
                }
                _ => {}
            }
        }
        tally.empty += u64::from(acknowledged == 0);
        tally.open += sessions.values().map(|(_, done, _)| done.asked).sum::<u64>().saturating_sub(acknowledged);
        Expected { sessions }
    }

    pub(crate) fn set(&mut self, session: u64, known: Known) {
        self.0.insert(session, known);
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter(|(_, known)| matches!(known, Known::Alive(_))).map(|(session, _)| *session)
    }
}

impl Expected {
    pub(crate) fn sessions(&self) -> impl Iterator<Item = u64> {
        self.sessions.keys().copied()
    }

    /// What is wrong with what was found of a session, if anything is.
    pub(crate) fn check(&self, session: u64, found: Known, tally: &mut Tally) -> Result<(), String> {
        let (before, done, last) = self.sessions[&session];
        let wrong = match (found, before) {
            (Known::Absent, Known::Alive(_) | Known::Ended) => Some("is gone"),
            (Known::Absent, _) if done.closed => Some("was closed and is forgotten"),
            (Known::Absent, _) if done.created_due => Some("was created and is missing"),
            (Known::Ended, Known::Alive(_) | Known::Absent) if !done.asked_close => Some("ended, and nobody closed it"),
            (Known::Alive(_), Known::Ended) => Some("had ended and lives"),
            (Known::Alive(_), _) if done.closed => Some("was closed and lives"),
            (Known::Alive(_), Known::Absent) if !done.asked_create => Some("was made by nobody"),
            (Known::Alive(revision), Known::Alive(before)) if revision < before => Some("went back"),
            (Known::Alive(revision), _) if revision < done.due => Some("has lost what was acknowledged"),
            (Known::Alive(revision), before) => {
                let before = if let Known::Alive(before) = before { before } else { 0 };
                tally.behind += u64::from(revision < last);
                tally.made += revision.saturating_sub(last.max(before));
                (revision > before + done.asked).then_some("has more than was asked for")
            }
            _ => None,
        };
        wrong.map_or(Ok(()), |wrong| {
            Err(format!("session {session} {wrong}: before {before:?}, then {done:?}, last {last}, found {found:?}"))
        })
    }
}
