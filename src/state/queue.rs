//! Rows by key, and in the order of a stamp that readers move on: a heap that is put right where it is looked at.
//!
//! A read moves a row's stamp by one atomic store and nothing else. The heap remembers stamps as they were; a row that
//! comes to its front with an old one is queued again. Each such step is paid for by a use, so finding the first row
//! costs O(log n) amortised. All revisions of a session share the heap: an update that is refused leaves the work done.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use parking_lot::Mutex;
use rpds::RedBlackTreeMapSync;

/// A row whose stamp never goes back.
pub(super) trait Stamped {
    fn key(&self) -> &Arc<str>;
    fn stamp(&self) -> u64;
}

/// The rows of one revision. Cheap to clone; rows are shared, so a use through one revision is seen through all.
pub(super) struct Queue<R> {
    rows: RedBlackTreeMapSync<Arc<str>, Arc<Held<R>>>,
    heap: Arc<Mutex<Heap<R>>>,
    version: u64,
    parent: u64,
}

struct Held<R> {
    row: R,
    /// The version that it was put into.
    born: u64,
}

struct Heap<R> {
    items: BinaryHeap<Item<R>>,
    /// What was born by this version and is not in it is thrown away, so the heap serves it and what was made from it.
    of: u64,
    versions: u64,
}

struct Item<R> {
    stamp: u64,
    held: Arc<Held<R>>,
}

impl<R: Stamped> Item<R> {
    fn of(held: &Arc<Held<R>>) -> Self {
        Self { stamp: held.row.stamp(), held: Arc::clone(held) }
    }
}

impl<R: Stamped> Queue<R> {
    pub(super) fn new() -> Self {
        let heap = Heap { items: BinaryHeap::new(), of: 0, versions: 0 };
        Self { rows: RedBlackTreeMapSync::new_sync(), heap: Arc::new(Mutex::new(heap)), version: 0, parent: 0 }
    }

    pub(super) fn get(&self, key: &str) -> Option<&R> {
        self.rows.get(key).map(|held| &held.row)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|held| &held.row)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the next revision starts from.
    pub(super) fn next(&self) -> Self {
        let mut heap = self.heap.lock();
        self.claim(&mut heap);
        heap.versions += 1;
        let (version, parent) = (heap.versions, self.version);
        Self { rows: self.rows.clone(), heap: Arc::clone(&self.heap), version, parent }
    }

    /// Adds a row, in place of the one of its key.
    pub(super) fn put(&mut self, row: R) {
        let held = Arc::new(Held { row, born: self.version });
        self.heap.lock().items.push(Item::of(&held));
        self.rows.insert_mut(Arc::clone(held.row.key()), held);
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.rows.remove_mut(key);
    }

    /// Shows the rows from the least stamp on, until `visit` wants no more, and gives the stamp of the last one shown.
    /// Stamps from `horizon` on are in no order.
    pub(super) fn walk(&self, horizon: u64, mut visit: impl FnMut(&R) -> bool) -> Option<u64> {
        let mut heap = self.heap.lock();
        self.claim(&mut heap);
        let (mut shown, mut last) = (Vec::new(), None);
        while let Some(mut item) = heap.items.pop() {
            if !self.has(&item.held) {
                // A sweep may look at a revision while the next one is on its way; that one's rows are not garbage.
                if item.held.born > self.version {
                    shown.push(item);
                }
                continue;
            }
            let stamp = item.held.row.stamp();
            if stamp > item.stamp && item.stamp < horizon {
                item.stamp = stamp;
                heap.items.push(item);
                continue;
            }
            last = Some(item.stamp);
            let more = visit(&item.held.row);
            shown.push(item);
            if !more {
                break;
            }
        }
        heap.items.extend(shown);
        last
    }

    /// Makes the heap serve this version. In a line of revisions that costs nothing; who goes back to an older one, or
    /// removes rows by the thousand without looking at the first, has it built anew.
    fn claim(&self, heap: &mut Heap<R>) {
        let serves = heap.of == self.version || heap.of == self.parent;
        if !serves || heap.items.len() / 2 > self.rows.size().max(32) {
            heap.items.retain(|item| item.held.born > self.version);
            heap.items.extend(self.rows.values().map(Item::of));
        }
        heap.of = self.version;
    }

    fn has(&self, held: &Arc<Held<R>>) -> bool {
        self.rows.get(&**held.row.key()).is_some_and(|own| Arc::ptr_eq(own, held))
    }
}

/// By stamp, the least one greatest, as the heap gives the greatest first.
impl<R> Ord for Item<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.stamp.cmp(&self.stamp)
    }
}

impl<R> PartialOrd for Item<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> PartialEq for Item<R> {
    fn eq(&self, other: &Self) -> bool {
        self.stamp == other.stamp
    }
}

impl<R> Eq for Item<R> {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(Arc<str>, u64);

    impl Stamped for Row {
        fn key(&self) -> &Arc<str> {
            &self.0
        }

        fn stamp(&self) -> u64 {
            self.1
        }
    }

    fn row(stamp: u64) -> Row {
        Row(stamp.to_string().into(), stamp)
    }

    fn stamps(queue: &Queue<Row>) -> Vec<u64> {
        let mut found = Vec::new();
        queue.walk(u64::MAX, |row| {
            found.push(row.1);
            true
        });
        found
    }

    #[test]
    fn a_revision_that_is_gone_back_to_has_all_its_rows_once() {
        let mut base = Queue::new();
        [3, 0, 4, 1, 2].map(row).into_iter().for_each(|row| base.put(row));
        let mut next = base.next();
        next.remove("1");
        next.put(row(7));
        let mut after = next.next();
        after.remove("2");
        for _ in 0..2 {
            assert_eq!(stamps(&after), [0, 3, 4, 7]);
            assert_eq!(stamps(&next), [0, 2, 3, 4, 7]);
            assert_eq!(stamps(&base), [0, 1, 2, 3, 4]);
            assert_eq!(stamps(&next), [0, 2, 3, 4, 7]);
        }
    }

    #[test]
    fn rows_that_come_and_go_unseen_leave_little_behind() {
        let (mut queue, mut most) = (Queue::new(), 0);
        for stamp in 0..1_000 {
            queue = queue.next();
            queue.put(row(stamp));
            queue.remove(&stamp.to_string());
            most = most.max(queue.heap.lock().items.len());
        }
        assert_eq!(most, 2 * 32 + 2, "built anew neither later nor every time");
    }
}
