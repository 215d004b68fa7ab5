//! Updates of one session are linearizable, and revisions rise by one: histories of clients at once.
//!
//! Long ones are checked in the order of their revisions ([`order`]), short ones by a search for any order at all
//! ([`linearizable`](super::linearizable)), which knows nothing of how revisions come about.

mod clients;
mod order;

use super::linearizable::{Call, Model, linearizable};
use super::proving::{Verdict, caught, holds};
use crate::actor::planted::Bug;
use clients::{History, Shape, record};

/// What a client asks for. Every write has an id of its own, which it leaves in the state.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Add {
        id: u64,
        by: i64,
    },
    Set {
        id: u64,
        to: i64,
    },
    SetIf {
        id: u64,
        expected: u64,
        to: i64,
    },
    /// An update that writes and then gives up.
    Reject,
    /// An update that changes nothing.
    Same,
    Read,
    Close,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The write made this revision, with this number in it, on the revision that the write `after` had made.
    Wrote {
        revision: u64,
        number: i64,
        after: u64,
    },
    /// It found this revision, and left it.
    Found {
        revision: u64,
    },
    /// It found another revision than it wanted.
    Conflict {
        current: u64,
    },
    Saw {
        revision: u64,
        number: i64,
        mirror: i64,
        last: u64,
    },
    Closed,
    Ended,
}

/// A session, as far as these operations go.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct State {
    revision: u64,
    number: i64,
    last: u64,
    ended: bool,
}

impl State {
    fn wrote(&self, id: u64, number: i64) -> (Self, Answer) {
        let revision = self.revision + 1;
        let answer = Answer::Wrote { revision, number, after: self.last };
        (Self { revision, number, last: id, ended: false }, answer)
    }
}

impl Model for State {
    type Op = Op;
    type Answer = Answer;

    fn apply(&self, op: &Op) -> (Self, Answer) {
        let Self { revision, number, last, ended } = *self;
        match *op {
            _ if ended => (self.clone(), Answer::Ended),
            Op::Add { id, by } => self.wrote(id, number.wrapping_add(by)),
            Op::Set { id, to } => self.wrote(id, to),
            Op::SetIf { id, expected, to } if expected == revision => self.wrote(id, to),
            Op::SetIf { .. } => (self.clone(), Answer::Conflict { current: revision }),
            Op::Reject | Op::Same => (self.clone(), Answer::Found { revision }),
            Op::Read => (self.clone(), Answer::Saw { revision, number, mirror: number, last }),
            Op::Close => (Self { ended: true, ..self.clone() }, Answer::Closed),
        }
    }
}

/// Long histories, one session each.
fn long(seed: u64, bugs: &[Bug], sessions: u64, calls: u64) -> Verdict {
    let shape = Shape { clients: 8, calls: calls / 8, yields: 16 };
    let (mut asked, mut revisions, mut maybe) = (0, 0, 0);
    record(seed, bugs, sessions, shape, |History { calls, ran }| {
        asked += calls.len() as u64;
        maybe += calls.iter().filter(|call| call.answered.is_none()).count();
        revisions += order::check(&calls, &ran)?;
        Ok(())
    })?;
    Ok(format!(
        "{asked} operations on {sessions} sessions: {revisions} revisions, {maybe} outcomes unknown to the caller"
    ))
}

/// Short histories, one session each.
fn short(seed: u64, bugs: &[Bug], sessions: u64) -> Verdict {
    let shape = Shape { clients: 3, calls: 3, yields: 2 };
    let (mut asked, mut at_once, mut maybe) = (0, 0_u64, 0);
    record(seed, bugs, sessions, shape, |History { calls, .. }| {
        asked += calls.len();
        maybe += calls.iter().filter(|call| call.answered.is_none()).count();
        at_once += u64::from(overlap(&calls));
        if linearizable(&State::default(), &calls) {
            return Ok(());
        }
        let mut calls = calls;
        calls.sort_by_key(|call| call.invoked);
        let calls: Vec<_> = calls.iter().map(|call| format!("\n  {call:?}")).collect();
        Err(format!("no order explains{}", calls.concat()))
    })?;
    if bugs.is_empty() && at_once * 20 < sessions {
        return Err(format!("only {at_once} of {sessions} histories have calls at once: they tell nothing"));
    }
    Ok(format!("{sessions} histories, {at_once} with calls at once: {asked} operations, {maybe} outcomes unknown"))
}

/// Whether some writes were under way at once.
fn overlap(calls: &[Call<Op, Answer>]) -> bool {
    let writes = |call: &&Call<Op, Answer>| !matches!(call.op, Op::Read);
    let until = |call: &Call<Op, Answer>| call.answered.map_or(u64::MAX, |(at, _)| at);
    let meet =
        |one: &Call<Op, Answer>, other: &Call<Op, Answer>| one.invoked < other.invoked && other.invoked < until(one);
    calls.iter().filter(writes).any(|one| calls.iter().filter(writes).any(|other| meet(one, other)))
}

#[test]
fn long_histories_follow_their_revisions() {
    holds(|seed| long(seed, &[], 17, 125_000));
}

#[test]
fn short_histories_have_an_order_that_explains_them() {
    holds(|seed| short(seed, &[], 4_000));
}

#[test]
fn every_planted_bug_shows_in_long_histories() {
    for bug in
        [Bug::TwoTokens, Bug::StaleBase, Bug::StaleRead, Bug::RevisionStands, Bug::CancelledTwice, Bug::CancelledHalf]
    {
        println!("{bug:?}");
        caught(5, |seed| long(seed, &[bug], 1, 50_000));
    }
}

#[test]
fn every_planted_bug_shows_in_short_histories() {
    for bug in
        [Bug::TwoTokens, Bug::StaleBase, Bug::StaleRead, Bug::RevisionStands, Bug::CancelledTwice, Bug::CancelledHalf]
    {
        println!("{bug:?}");
        caught(5, |seed| short(seed, &[bug], 4_000));
    }
}
