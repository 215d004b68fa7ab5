//! Whether a history is linearizable: Wing and Gong's search, with a memory of what was tried (Lowe's).

use std::collections::HashSet;
use std::hash::Hash;

/// What a history is held against: a state, and what an operation does to it one after another.
pub(super) trait Model: Clone + Eq + Hash {
    type Op;
    type Answer: PartialEq;

    /// The state after the operation, and its answer.
    fn apply(&self, op: &Self::Op) -> (Self, Self::Answer);
}

/// One operation of a history, in ticks of one clock for all.
#[derive(Clone, Debug)]
pub(super) struct Call<O, A> {
    pub(super) op: O,
    pub(super) invoked: u64,
    /// `None` when nobody knows whether it was done: it may take effect once, at any time from then on, or never.
    pub(super) answered: Option<(u64, A)>,
}

/// Whether one order explains all answers, with every operation taking effect between its call and its answer.
///
/// Exponential in the worst case, and for at most 64 calls.
pub(super) fn linearizable<M: Model>(start: &M, calls: &[Call<M::Op, M::Answer>]) -> bool {
    let bit = |index: usize| 1_u64 << index;
    let answered = |index: &usize| calls[*index].answered.is_some();
    let all: u64 = (0..calls.len()).filter(answered).map(bit).sum();
    let (mut tried, mut open) = (HashSet::new(), vec![(0_u64, start.clone())]);
    while let Some((done, state)) = open.pop() {
        if done & all == all {
            return true;
        }
        if !tried.insert((done, state.clone())) {
            continue;
        }
        let waiting = || (0..calls.len()).filter(|index| done & bit(*index) == 0);
        // What was called after another one's answer comes after it.
        let first_answer = waiting().filter_map(|index| Some(calls[index].answered.as_ref()?.0)).min();
        for index in waiting().filter(|index| first_answer.is_none_or(|first| calls[*index].invoked < first)) {
            let (next, answer) = state.apply(&calls[index].op);
            if calls[index].answered.as_ref().is_none_or(|(_, told)| *told == answer) {
                open.push((done | bit(index), next));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is written and read.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Register(u8);

    #[derive(Clone)]
    enum Op {
        Write(u8),
        Read,
        Add(u8),
    }
    use Op::{Add, Read, Write};

    impl Model for Register {
        type Op = Op;
        type Answer = u8;

        fn apply(&self, op: &Op) -> (Self, u8) {
            let now = match op {
                Write(to) => *to,
                Read => self.0,
                Add(by) => self.0 + by,
            };
            (Self(now), now)
        }
    }

    fn told(op: Op, invoked: u64, at: u64, answer: u8) -> Call<Op, u8> {
        Call { op, invoked, answered: Some((at, answer)) }
    }

    fn maybe(op: Op, invoked: u64) -> Call<Op, u8> {
        Call { op, invoked, answered: None }
    }

    fn fits(calls: &[Call<Op, u8>]) -> bool {
        linearizable(&Register(0), calls)
    }

    #[test]
    fn histories_that_are() {
        assert!(fits(&[]));
        assert!(fits(&[told(Write(1), 0, 1, 1), told(Read, 2, 3, 1)]));
        // A read beside a write sees it or does not, and the write may come before a read that was called first.
        assert!(fits(&[told(Write(1), 0, 5, 1), told(Read, 1, 2, 0), told(Read, 3, 4, 1)]));
        assert!(fits(&[told(Read, 0, 5, 1), told(Write(1), 1, 2, 1)]));
        // Both increments count, in either order.
        assert!(fits(&[told(Add(1), 0, 3, 3), told(Add(2), 1, 2, 2), told(Read, 4, 5, 3)]));
        // Nobody knows of the write: it is seen late, or never.
        assert!(fits(&[maybe(Write(7), 0), told(Read, 1, 2, 0), told(Read, 3, 4, 7)]));
        assert!(fits(&[maybe(Write(7), 0), told(Read, 1, 2, 0), told(Read, 3, 4, 0)]));
        // The only order is not the one of the calls: 2 writes, the reader in between, 3 writes.
        assert!(fits(&[told(Write(3), 0, 9, 3), told(Write(2), 1, 8, 2), told(Read, 2, 3, 2), told(Read, 10, 11, 3)]));
    }

    #[test]
    fn histories_that_are_not() {
        // A read that misses what was written before it began.
        assert!(!fits(&[told(Write(1), 0, 1, 1), told(Read, 2, 3, 0)]));
        // New, then old.
        assert!(!fits(&[told(Write(1), 0, 7, 1), told(Read, 1, 2, 1), told(Read, 3, 4, 0)]));
        // A lost update.
        assert!(!fits(&[told(Add(1), 0, 3, 1), told(Add(1), 1, 2, 1)]));
        assert!(!fits(&[told(Add(1), 0, 3, 1), told(Add(2), 1, 2, 3), told(Read, 4, 5, 2)]));
        // From the future.
        assert!(!fits(&[told(Read, 0, 1, 1), told(Write(1), 2, 3, 1)]));
        assert!(!fits(&[told(Read, 0, 1, 7), maybe(Write(7), 2)]));
        // Twice.
        assert!(!fits(&[maybe(Add(1), 0), told(Read, 1, 2, 1), told(Read, 3, 4, 2)]));
        // Out of nothing.
        assert!(!fits(&[told(Read, 0, 1, 5)]));
    }

    #[test]
    fn it_agrees_with_trying_every_order() {
        let first = crate::proofs::proving::seed();
        let mut accepted = 0;
        for round in 0..3_000_u64 {
            let draw =
                |place: u64, below: u64| crate::actor::sabotage::mix(first.wrapping_add(round * 64 + place)) % below;
            let calls: Vec<_> = (0..5)
                .map(|index| {
                    let op = match draw(index * 8, 3) {
                        0 => Write(draw(index * 8 + 1, 2) as u8),
                        1 => Add(1),
                        _ => Read,
                    };
                    let invoked = draw(index * 8 + 2, 12);
                    let answer = (invoked + 1 + draw(index * 8 + 3, 6), draw(index * 8 + 4, 3) as u8);
                    Call { op, invoked, answered: (draw(index * 8 + 5, 6) > 0).then_some(answer) }
                })
                .collect();
            let expected = every_order(&calls, &mut Vec::new());
            assert_eq!(fits(&calls), expected, "round {round}");
            accepted += u64::from(expected);
        }
        println!("3000 histories, {accepted} linearizable");
        assert!((100..2_900).contains(&accepted), "{accepted} of 3000 tell nothing");
    }

    /// The same by definition: some order of all answered calls and any of the others.
    fn every_order(calls: &[Call<Op, u8>], order: &mut Vec<usize>) -> bool {
        let explains = || {
            let mut state = Register(0);
            order.iter().all(|index| {
                let (next, answer) = state.apply(&calls[*index].op);
                state = next;
                calls[*index].answered.as_ref().is_none_or(|(_, told)| *told == answer)
            })
        };
        let in_time = || {
            order.iter().enumerate().all(|(place, later)| {
                order[..place]
                    .iter()
                    .all(|sooner| calls[*later].answered.as_ref().is_none_or(|(at, _)| *at > calls[*sooner].invoked))
            })
        };
        let missing: Vec<_> = (0..calls.len()).filter(|index| !order.contains(index)).collect();
        if missing.iter().all(|index| calls[*index].answered.is_none()) && in_time() && explains() {
            return true;
        }
        missing.into_iter().any(|index| {
            order.push(index);
            let fits = every_order(calls, order);
            order.pop();
            fits
        })
    }
}
