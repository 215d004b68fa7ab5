//! What a session is for.

use crate::error::IdError;

/// The kind of a session for which none was chosen.
pub const DEFAULT_KIND: &str = "session";

/// What a session is for: `[a-z][a-z0-9-]{0,31}`, the first part of its id.
///
/// The usual kind takes no memory of its own: most sessions are of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kind(Option<Box<str>>);

impl Kind {
    /// Checks a kind's spelling.
    ///
    /// # Errors
    /// [`IdError::Kind`] when it does not match `[a-z][a-z0-9-]{0,31}`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let mut bytes = text.bytes();
        let head = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let tail = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !head || !tail || text.len() > 32 {
            return Err(IdError::Kind);
        }
        Ok(Self((text != DEFAULT_KIND).then(|| text.into())))
    }

    /// The kind as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(DEFAULT_KIND)
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_kind_is_one_however_it_is_made_and_kinds_sort_as_text() {
        assert_eq!(Kind::new(DEFAULT_KIND).unwrap(), Kind::default());
        assert_eq!(Kind::default().as_str(), DEFAULT_KIND);
        let mut kinds: Vec<_> = ["sfoo", "session", "cart", "a"].iter().map(|text| Kind::new(text).unwrap()).collect();
        kinds.sort();
        assert_eq!(kinds.iter().map(Kind::as_str).collect::<Vec<_>>(), ["a", "cart", "session", "sfoo"]);
    }
}
