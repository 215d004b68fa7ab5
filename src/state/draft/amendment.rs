//! The smallest draft: another value of the same length under one key, written into the revision where it lies.

use std::sync::Arc;

use super::Draft;
use crate::config::AtCapacity;
use crate::error::Revision;
use crate::state::changes::Changes;
use crate::state::committed::Committed;
use crate::state::entries::NewEntry;
use crate::state::packed::Amend;

/// What such a draft changes, apart from the revision that it started from: of that nobody may hold a second reference.
pub(crate) struct Amendment {
    key: Box<str>,
    new: NewEntry,
    at: Amend,
}

impl Draft {
    /// The revision that it started from, and the change to it; the draft itself when that is more than an amendment.
    ///
    /// No cap, deadline or sum changes with it, so there is nothing else to check or to note.
    #[allow(clippy::result_large_err, reason = "the draft goes on to be committed as a whole")]
    #[inline]
    pub(crate) fn amendment(mut self) -> Result<(Arc<Committed>, Amendment), Self> {
        let Some(at) = self.amend() else { return Err(self) };
        match std::mem::take(&mut self.staged) {
            Changes::One(key, Some(new)) => Ok((self.base, Amendment { key, new, at })),
            staged => Err(Self { staged, ..self }),
        }
    }

    /// Where the change is written, if it is the only one.
    fn amend(&self) -> Option<Amend> {
        let base = &self.base;
        let plain = self.metadata.is_none()
            && self.keys.is_none()
            && self.limits.at_entries == AtCapacity::Reject
            && !base.notes_uses()
            && self.now < base.quiet_until()
            && self.lifetime == base.lifetime();
        match &self.staged {
            Changes::One(key, Some(new)) if plain => base.entries.amend(key, self.near, new),
            _ => None,
        }
    }
}

impl Amendment {
    /// The revision that it makes.
    pub(crate) fn revision(&self) -> Revision {
        self.new.revision
    }

    /// The draft again, on a fresh one, where somebody reads the revision that it started from.
    pub(crate) fn onto(self, draft: Draft) -> Draft {
        Draft { staged: Changes::One(self.key, Some(self.new)), ..draft }
    }
}

impl Committed {
    /// Makes the next revision of this one; false, and nothing is done, if it is not what the amendment was made for.
    pub(crate) fn amend(&mut self, amendment: &Amendment) -> bool {
        let amended = self.revision.next() == amendment.new.revision
            && self.entries.amended(&amendment.at, amendment.new.value.as_str());
        if amended {
            self.revision = amendment.new.revision;
        }
        amended
    }
}
