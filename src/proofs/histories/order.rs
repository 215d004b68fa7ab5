//! A long history, checked in the order of its revisions: they are the order that explains it, or it has none.

use std::collections::{HashMap, HashSet};

use super::super::linearizable::{Call, Model};
use super::clients::Ran;
use super::{Answer, Op, State};

/// After everything.
const END: u64 = u64::MAX;

/// Checks a history whose clients may have lost sight of some of their updates; gives how many revisions there are.
pub(super) fn check(calls: &[Call<Op, Answer>], ran: &[Ran]) -> Result<u64, String> {
    let states = chain(calls, ran)?;
    let ids: HashMap<u64, u64> = states.iter().map(|state| (state.last, state.revision)).collect();
    for call in calls {
        let Some((_, answer)) = call.answered else { continue };
        let base = match answer {
            Answer::Wrote { revision, .. } => revision.wrapping_sub(1),
            Answer::Found { revision } | Answer::Conflict { current: revision } => revision,
            Answer::Saw { revision, .. } => revision,
            Answer::Closed | Answer::Ended => continue,
        };
        // Revisions after the last write that anybody knows of are none.
        let state = states.get(base as usize).ok_or_else(|| format!("nobody made the revision of {call:?}"))?;
        let (_, expected) = state.apply(&call.op);
        if answer != expected {
            return Err(format!("{call:?} has to be answered {expected:?}"));
        }
    }
    in_real_time(calls, &ids)?;
    Ok(states.len() as u64 - 1)
}

/// The state at each revision, from the writes: each revision made once, by a write that was asked for.
fn chain(calls: &[Call<Op, Answer>], ran: &[Ran]) -> Result<Vec<State>, String> {
    let mut made: HashMap<u64, (u64, Op)> = HashMap::new();
    let mut top = 0;
    let mut lost = HashMap::new();
    for call in calls {
        let id = id(&call.op);
        match call.answered {
            Some((_, Answer::Wrote { revision, .. })) => {
                if let Some((other, _)) = made.insert(revision, (id, call.op)) {
                    return Err(format!("{other} and {id} both made revision {revision}"));
                }
                top = top.max(revision);
            }
            Some((_, Answer::Saw { revision, .. } | Answer::Found { revision })) => top = top.max(revision),
            Some((_, Answer::Conflict { current })) => top = top.max(current),
            Some(_) => {}
            None => drop(lost.insert(id, call.op)),
        }
    }
    // A write that its caller lost sight of made a revision that nobody else made. It may have run and met the end.
    let mut candidates = HashMap::new();
    for (id, answer) in ran {
        if let (Some(op), Answer::Wrote { revision, .. }) = (lost.get(id), answer) {
            candidates.insert(*revision, (*id, *op));
        }
    }
    let (mut states, mut done) = (vec![State::default()], HashSet::new());
    for revision in 1..=top {
        let maker = made.get(&revision).or_else(|| candidates.get(&revision));
        let Some((_, op)) = maker else { return Err(format!("nobody made revision {revision}")) };
        if !done.insert(id(op)) {
            return Err(format!("{op:?} was done twice, the second time as revision {revision}"));
        }
        let op = match *op {
            // Whether it wanted this revision is checked with its answer.
            Op::SetIf { id, to, .. } => Op::Set { id, to },
            other => other,
        };
        let (next, _) = states[revision as usize - 1].apply(&op);
        states.push(next);
    }
    Ok(states)
}

/// Whoever is answered before another one calls comes before it.
fn in_real_time(calls: &[Call<Op, Answer>], ids: &HashMap<u64, u64>) -> Result<(), String> {
    // Where each stands in the order, and whether it made that revision; what was lost may never have been.
    let rank = |call: &Call<Op, Answer>| match call.answered {
        Some((_, Answer::Wrote { revision, .. })) => Some((revision, true)),
        Some((_, Answer::Found { revision } | Answer::Saw { revision, .. })) => Some((revision, false)),
        Some((_, Answer::Conflict { current })) => Some((current, false)),
        Some((_, Answer::Closed)) => Some((END, true)),
        Some((_, Answer::Ended)) => Some((END, false)),
        None => ids.get(&id(&call.op)).map(|revision| (*revision, true)),
    };
    let called = calls.iter().map(|call| (call.invoked, call, false));
    let answered = calls.iter().filter_map(|call| Some((call.answered?.0, call, true)));
    let mut events: Vec<_> = called.chain(answered).collect();
    events.sort_unstable_by_key(|(at, ..)| *at);
    // The furthest that anybody had come who was answered by now.
    let mut floor = None;
    for (_, call, answered) in events {
        let Some((revision, made)) = rank(call) else { continue };
        if answered {
            floor = floor.max(Some(revision));
        } else if floor.is_some_and(|floor| revision < floor || (made && revision == floor)) {
            return Err(format!("{call:?} comes after an answer of revision {floor:?}"));
        }
    }
    Ok(())
}

fn id(op: &Op) -> u64 {
    match op {
        Op::Add { id, .. } | Op::Set { id, .. } | Op::SetIf { id, .. } => *id,
        Op::Reject | Op::Same | Op::Read | Op::Close => 0,
    }
}
