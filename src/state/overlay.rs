//! Sorted entries with sorted changes laid over them.

use std::cmp::Ordering;
use std::iter::Peekable;

use super::entries::EntryRef;

/// Walks both in step: a change takes the place of the entry of its key, or takes it away.
pub(super) struct Overlay<B: Iterator, C: Iterator> {
    base: Peekable<B>,
    changes: Peekable<C>,
}

impl<'a, B, C> Overlay<B, C>
where
    B: Iterator<Item = EntryRef<'a>>,
    C: Iterator<Item = (&'a str, Option<EntryRef<'a>>)>,
{
    pub(super) fn new(base: B, changes: C) -> Self {
        Self { base: base.peekable(), changes: changes.peekable() }
    }
}

impl<'a, B, C> Iterator for Overlay<B, C>
where
    B: Iterator<Item = EntryRef<'a>>,
    C: Iterator<Item = (&'a str, Option<EntryRef<'a>>)>,
{
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<EntryRef<'a>> {
        loop {
            let order = match (self.base.peek(), self.changes.peek()) {
                (Some(entry), Some((key, _))) => entry.key.cmp(key),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return None,
            };
            if order == Ordering::Less {
                return self.base.next();
            }
            if order == Ordering::Equal {
                self.base.next();
            }
            if let Some((_, Some(entry))) = self.changes.next() {
                return Some(entry);
            }
        }
    }
}
