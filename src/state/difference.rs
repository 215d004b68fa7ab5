//! What changed between two revisions of one session's entries.

use std::ops::Bound;

use super::changes::Changes;
use super::entries::{Entries, NewEntry};
use super::packed;
use super::value::Json;
use crate::error::{DraftError, Revision};

impl Entries {
    /// What was put since `base`, which had this revision, in the packed layout, and the keys that were removed.
    ///
    /// Looks at every entry of both.
    pub(crate) fn since<'a>(&self, base: &'a Self, revision: Revision) -> (Vec<u8>, Vec<&'a str>) {
        let put = packed::encode(|| self.iter().filter(|entry| entry.revision > revision));
        let mut kept = self.iter().peekable();
        let removed = base.iter().filter(|entry| {
            while kept.next_if(|kept| kept.key < entry.key).is_some() {}
            kept.peek().is_none_or(|kept| kept.key != entry.key)
        });
        (put, removed.map(|entry| entry.key).collect())
    }

    /// What [`Entries::since`] gave, laid over these, which are of the revision `base` or of one that came after it.
    pub(crate) fn laid_over<'a>(
        &self,
        base: Revision,
        put: &Self,
        removed: impl Iterator<Item = &'a str>,
    ) -> Result<Self, DraftError> {
        // What was put after `base` and is not there at the end was removed after it.
        let passing = self.iter().filter(|entry| entry.revision > base).map(|entry| (entry.key.into(), None));
        let mut changes: Changes = removed.map(|key| (key.into(), None)).chain(passing).collect();
        for entry in put.iter_from(Bound::Unbounded) {
            let new = NewEntry { value: Json::parse(entry.value)?, revision: entry.revision, expiry: entry.expiry };
            changes.insert(entry.key, Some(new));
        }
        Ok(self.apply(changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Expiry;

    fn changes(of: &[(u32, Option<u64>)]) -> Changes {
        let new = |revision: u64| NewEntry {
            value: Json::parse(&format!("\"{}\"", "x".repeat(300 + revision as usize))).unwrap(),
            revision: Revision::new(revision),
            expiry: Expiry::Never,
        };
        of.iter().map(|(key, revision)| (format!("key{key:04}").into(), revision.map(new))).collect()
    }

    #[test]
    fn a_difference_laid_over_any_revision_in_between_gives_the_last_one() {
        for count in [3, 100] {
            let base: Vec<_> = (0..count).map(|key| (key, Some(1))).collect();
            let steps = [
                vec![(0, None), (1, Some(2))],
                vec![(count, Some(3)), (2, None)],
                vec![(0, Some(4)), (count, None)],
                vec![(count + 1, Some(5))],
            ];
            let mut revisions = vec![Entries::empty().apply(changes(&base))];
            for step in &steps {
                revisions.push(revisions.last().unwrap().apply(changes(step)));
            }
            let last = revisions.last().unwrap();
            let (put, removed) = last.since(&revisions[0], Revision::new(1));
            let put = Entries::from_packed(put).unwrap();
            assert_eq!((put.len(), removed.as_slice()), (3, ["key0002"].as_slice()));
            for (on, revision) in revisions.iter().enumerate() {
                let laid = revision.laid_over(Revision::new(1), &put, removed.iter().copied()).unwrap();
                assert_eq!(laid.to_packed(), last.to_packed(), "{count} on {on}");
            }
        }
    }
}
