//! Lists of bounded length, in both formats: an element takes more memory than what tells it, and one that breaks a rule is told
//! at length. So a list is refused while it is read, not once all of it is there.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::{MAX_ENTRIES, MAX_EVENTS, MAX_IDEMPOTENCY_KEYS, MAX_TAGS};

/// Tags of a session.
pub(in crate::snapshot) const MOST_TAGS: usize = MAX_TAGS as usize;
/// Entries of a session: the greatest cap that a service takes.
pub(in crate::snapshot) const MOST_ENTRIES: usize = MAX_ENTRIES as usize;
/// Keyed updates that a session remembers.
pub(in crate::snapshot) const MOST_KEYS: usize = MAX_IDEMPOTENCY_KEYS as usize;
/// Events of a log, and streams that they may be of.
pub(in crate::snapshot) const MOST_EVENTS: usize = MAX_EVENTS as usize;

/// Reads a list that is no longer than it may be.
pub(in crate::snapshot) fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MOST: usize>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T, const MOST: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = from.next_element()? {
                if list.len() == MOST {
                    return Err(A::Error::invalid_length(MOST + 1, &self));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    from.deserialize_seq(List::<T, MOST>(PhantomData))
}
