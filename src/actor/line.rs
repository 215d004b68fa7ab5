//! Sessions in line by a time, the earliest first. A place in line is not kept up to date: whoever takes it looks again.

use crate::id::SessionKey;
use crate::time::Timestamp;

/// Places looked at in one round of tidying: with a round for each that joins, half as many as live are stale at most.
pub(crate) const LOOKS: usize = 4;

/// A place in line: a time as of queueing, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Queued {
    pub(crate) at: Timestamp,
    pub(crate) key: SessionKey,
}

/// A binary heap that can let go of places in its middle, which the standard library's cannot.
#[derive(Default)]
pub(crate) struct Line {
    heap: Vec<Queued>,
    /// Where the next round of tidying goes on.
    hand: usize,
}

impl Line {
    /// Adds many at once, in time linear in the whole line.
    pub(crate) fn extend(&mut self, more: Vec<Queued>) {
        if self.heap.is_empty() {
            self.heap = more;
        } else {
            self.heap.extend(more);
        }
        (0..self.heap.len() / 2).rev().for_each(|place| self.sink(place));
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn push(&mut self, queued: Queued) {
        if self.heap.len() == self.heap.capacity() {
            // An eighth instead of double: a line may be as long as the registry.
            self.heap.reserve_exact(self.heap.len() / 8 + 16);
        }
        self.heap.push(queued);
        self.rise(self.heap.len() - 1);
    }

    pub(crate) fn first(&self) -> Option<&Queued> {
        self.heap.first()
    }

    /// Takes the earliest, and its doubles with it.
    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let first = self.take(0)?;
        while self.first() == Some(&first) {
            self.take(0);
        }
        Some(first)
    }

    /// The next few places, round and round.
    pub(crate) fn look(&mut self) -> [Option<(usize, Queued)>; LOOKS] {
        std::array::from_fn(|_| {
            self.hand = self.hand.checked_sub(1).or(self.heap.len().checked_sub(1))?;
            Some((self.hand, *self.heap.get(self.hand)?))
        })
    }

    /// Lets go of a place that was looked at, if it is still where it was.
    pub(crate) fn forget(&mut self, place: usize, queued: &Queued) {
        if self.heap.get(place) == Some(queued) {
            self.take(place);
        }
    }

    fn take(&mut self, place: usize) -> Option<Queued> {
        let last = self.heap.len().checked_sub(1)?;
        self.heap.swap(place.min(last), last);
        let taken = self.heap.pop();
        self.sink(place);
        self.rise(place);
        taken
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && place < self.heap.len() {
            let parent = (place - 1) / 2;
            if self.heap.get(parent) <= self.heap.get(place) {
                return;
            }
            self.heap.swap(parent, place);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let Some(first) = self.heap.get(left) else { return };
            let child = if self.heap.get(right).is_some_and(|second| second < first) { right } else { left };
            if self.heap.get(place) <= self.heap.get(child) {
                return;
            }
            self.heap.swap(place, child);
            place = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(at: u64) -> Queued {
        Queued { at: Timestamp::from_micros(at), key: SessionKey([at as u8; 16]) }
    }

    /// Numbers below 100 in no order.
    fn mixed(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|n| n * 37 % 101 % 100)
    }

    #[test]
    fn the_earliest_is_first_however_it_came_in() {
        for built in [0, 1, 2, 50, 99] {
            let mut line = Line::default();
            line.push(queued(1_000));
            line.extend(mixed(built).map(queued).collect());
            mixed(100).skip(built as usize).for_each(|at| line.push(queued(at)));
            let mut expected: Vec<_> = mixed(100).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut found: Vec<_> = std::iter::from_fn(|| line.pop()).map(|queued| queued.at.as_micros()).collect();
            assert_eq!(found.pop(), Some(1_000));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_last_place_can_be_let_go_of() {
        let mut line = Line::default();
        (0..5).for_each(|at| line.push(queued(at)));
        for left in (0..5).rev() {
            line.forget(left, &queued(left as u64));
            assert_eq!((line.len(), line.first().is_some()), (left, left > 0));
        }
    }

    #[test]
    fn tidying_comes_by_every_place_and_keeps_the_order() {
        let mut line = Line::default();
        (0..100).for_each(|at| line.push(queued(at * 7 % 100)));
        for _ in 0..100_usize.div_ceil(LOOKS) * 2 {
            for (place, seen) in line.look().into_iter().flatten() {
                if seen.at.as_micros() % 3 != 0 {
                    line.forget(place, &seen);
                }
            }
        }
        let found: Vec<_> = std::iter::from_fn(|| line.pop()).map(|queued| queued.at.as_micros()).collect();
        assert_eq!(found, (0..100).filter(|at| at % 3 == 0).collect::<Vec<_>>());
    }
}
