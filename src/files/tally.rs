//! Figures that add up, in tables that stay bounded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::snapshot::EndRecord;

/// How much there is of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Sessions, buckets among them.
    pub sessions: u64,
    /// Their entries, expired ones included.
    pub entries: u64,
    /// The bytes of their keys, values and metadata, as they count against the caps.
    pub bytes: u64,
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

/// Remembered ends, by how they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ends {
    /// After the idle timeout.
    pub idle: u64,
    /// At the end of the max lifetime.
    pub lifetime: u64,
    /// To make room.
    pub evicted: u64,
    /// On request.
    pub closed: u64,
}

impl Ends {
    pub(super) fn count(&mut self, reason: EndRecord) {
        *match reason {
            EndRecord::Idle => &mut self.idle,
            EndRecord::Lifetime => &mut self.lifetime,
            EndRecord::Evicted => &mut self.evicted,
            EndRecord::Closed => &mut self.closed,
        } += 1;
    }
}

/// Figures by key, for the first so many keys; the others are added up in one.
pub(super) struct Tally<K, V> {
    rows: BTreeMap<K, (Figures, V)>,
    most: usize,
    others: Figures,
}

impl<K: Ord + Clone, V> Tally<K, V> {
    pub(super) const fn new(most: usize) -> Self {
        Self { rows: BTreeMap::new(), most, others: Figures { sessions: 0, entries: 0, bytes: 0 } }
    }

    pub(super) fn add(&mut self, key: K, figures: Figures, about: impl FnOnce() -> V) {
        if let Some((row, _)) = self.rows.get_mut(&key) {
            row.add(figures);
        } else if self.rows.len() < self.most {
            self.rows.insert(key, (figures, about()));
        } else {
            self.others.add(figures);
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The largest by bytes, and all the rest in one.
    pub(super) fn largest(self, count: usize) -> (Vec<(K, Figures, V)>, Figures) {
        let mut rows: Vec<_> = self.rows.into_iter().map(|(key, (figures, about))| (key, figures, about)).collect();
        rows.sort_by(|(one_key, one, _), (other_key, other, _)| {
            (Reverse(one.bytes), one_key).cmp(&(Reverse(other.bytes), other_key))
        });
        let mut others = self.others;
        for (_, figures, _) in rows.split_off(count.min(rows.len())) {
            others.add(figures);
        }
        (rows, others)
    }
}

/// The largest so many of a stream; of equals, those that came first.
pub(super) struct Largest<T> {
    heap: BinaryHeap<Reverse<(u64, Reverse<u64>)>>,
    rows: BTreeMap<u64, T>,
    most: usize,
    met: u64,
}

impl<T> Largest<T> {
    pub(super) const fn new(most: usize) -> Self {
        Self { heap: BinaryHeap::new(), rows: BTreeMap::new(), most, met: 0 }
    }

    pub(super) fn offer(&mut self, size: u64, row: impl FnOnce() -> T) {
        self.met += 1;
        let fits = self.heap.len() < self.most;
        let beats = self.heap.peek().is_some_and(|Reverse((least, _))| size > *least);
        if !fits && !beats {
            return;
        }
        if !fits && let Some(Reverse((_, Reverse(number)))) = self.heap.pop() {
            self.rows.remove(&number);
        }
        self.heap.push(Reverse((size, Reverse(self.met))));
        self.rows.insert(self.met, row());
    }

    /// Largest first.
    pub(super) fn into_rows(self) -> Vec<T> {
        let Self { heap, mut rows, .. } = self;
        // Ascending in `Reverse` is largest first.
        heap.into_sorted_vec().into_iter().filter_map(|Reverse((_, Reverse(number)))| rows.remove(&number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: u64) -> Figures {
        Figures { sessions: 1, entries: 0, bytes }
    }

    #[test]
    fn a_tally_stays_bounded_and_loses_nothing() {
        let mut tally = Tally::new(2);
        for (key, bytes) in [("a", 1), ("b", 5), ("c", 9), ("a", 3), ("c", 1)] {
            tally.add(key, of(bytes), || ());
        }
        assert_eq!(tally.len(), 2);
        let (rows, others) = tally.largest(1);
        assert_eq!(rows.iter().map(|(key, figures, ())| (*key, figures.bytes)).collect::<Vec<_>>(), [("b", 5)]);
        assert_eq!(others, Figures { sessions: 4, entries: 0, bytes: 14 });
    }

    #[test]
    fn the_largest_of_a_stream_come_out_in_order() {
        let mut largest = Largest::new(3);
        for (number, size) in [4, 7, 1, 7, 9, 4].into_iter().enumerate() {
            largest.offer(size, || (size, number));
        }
        assert_eq!(largest.into_rows(), [(9, 4), (7, 1), (7, 3)]);
        let mut none = Largest::new(0);
        none.offer(1, || 1);
        assert!(none.into_rows().is_empty());
    }
}
