//! What a draft knows of keyed updates.

use super::Draft;
use crate::state::idempotency::{Applied, AppliedKeys, IdempotencyKey};
use crate::state::value::Json;

impl Draft {
    /// The update of this key, if it was applied within the window.
    pub(crate) fn applied(&self, key: &IdempotencyKey) -> Option<&Applied> {
        self.base.keys().find(key, self.now, self.limits.idempotency_window)
    }

    /// Has this update remembered under its key, with what it returns. That alone is a change, and commits a revision.
    pub(crate) fn remember(&mut self, key: &IdempotencyKey, value: Option<Json>) {
        let applied = Applied::new(key, self.base.revision.next(), self.now, value);
        let (window, most) = (self.limits.idempotency_window, self.limits.idempotency_keys);
        self.keys = Some(self.base.keys().with(applied, window, most));
    }

    /// Takes over what another copy of the session remembers, whose entries it takes over too. Revisions of that copy are
    /// numbers of another count, so that what it remembers counts as made by this commit.
    pub(crate) fn adopt_keys(&mut self, keys: &AppliedKeys) {
        if !keys.is(self.base.keys()) {
            self.keys = Some(keys.of_revision(self.base.revision.next()));
        }
    }
}
