//! The events that are kept, in chunks: a copy of them for a file copies a pointer a chunk, and a chunk that such a copy
//! holds is copied itself before it changes.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Entry;

/// Events of a chunk.
const EVENTS: usize = 64;

/// Events, oldest first. No chunk is empty.
#[derive(Clone, Default)]
pub(crate) struct Chunks {
    chunks: VecDeque<Arc<VecDeque<Entry>>>,
    len: usize,
}

impl Chunks {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Newest first.
    pub(super) fn iter_back(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().rev().flat_map(|chunk| chunk.iter().rev())
    }

    /// Puts one after all others.
    pub(super) fn push(&mut self, entry: Entry) {
        self.len += 1;
        match self.chunks.back_mut().filter(|chunk| chunk.len() < EVENTS) {
            Some(chunk) => Arc::make_mut(chunk).push_back(entry),
            None => self.chunks.push_back(Arc::new([entry].into())),
        }
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let chunk = Arc::make_mut(self.chunks.front_mut()?);
        let entry = chunk.pop_front()?;
        if chunk.is_empty() {
            self.chunks.pop_front();
        }
        self.len -= 1;
        Some(entry)
    }

    /// Keeps those that `keep` says.
    pub(super) fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let mut kept = Self::default();
        self.iter().filter(|entry| keep(entry)).cloned().for_each(|entry| kept.push(entry));
        *self = kept;
    }
}
