//! What a session is for.

use crate::error::IdError;

/// The kind of a session for which none was chosen.
pub const DEFAULT_KIND: &str = "session";

/// The kinds that the service itself gives; the first is the usual one.
pub(crate) const OWN_KINDS: [&str; 4] = [DEFAULT_KIND, "bucket", "global", "mcp"];

/// What a session is for: `[a-z][a-z0-9-]{0,31}`, the first part of its id.
///
/// The service's own kinds take no memory: most sessions are of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind(Spelling);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Spelling {
    Own(OwnKind),
    /// None of the service's own.
    Other(Box<str>),
}

/// One of [`OWN_KINDS`], by its place among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OwnKind(u8);

impl OwnKind {
    pub(crate) fn as_str(self) -> &'static str {
        OWN_KINDS.get(usize::from(self.0)).copied().unwrap_or(DEFAULT_KIND)
    }
}

impl Default for Kind {
    fn default() -> Self {
        Self(Spelling::Own(OwnKind::default()))
    }
}

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
        let own = (0_u8..).zip(OWN_KINDS).find(|(_, own)| *own == text);
        Ok(Self(own.map_or_else(|| Spelling::Other(text.into()), |(place, _)| Spelling::Own(OwnKind(place)))))
    }

    /// The kind as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Spelling::Own(own) => own.as_str(),
            Spelling::Other(text) => text,
        }
    }

    /// Which of the service's own it is, if it is one.
    pub(crate) fn own(&self) -> Option<OwnKind> {
        match self.0 {
            Spelling::Own(own) => Some(own),
            Spelling::Other(_) => None,
        }
    }
}

impl From<OwnKind> for Kind {
    fn from(own: OwnKind) -> Self {
        Self(Spelling::Own(own))
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
    fn own_kinds_take_no_memory_and_kinds_sort_as_text() {
        assert_eq!(Kind::new(DEFAULT_KIND).unwrap(), Kind::default());
        assert_eq!(Kind::default().as_str(), DEFAULT_KIND);
        for text in OWN_KINDS {
            assert_eq!(Kind::new(text).unwrap().own().map(OwnKind::as_str), Some(text));
        }
        assert_eq!(Kind::new("cart").unwrap().own(), None);
        let mut kinds: Vec<_> = ["sfoo", "session", "cart", "a"].iter().map(|text| Kind::new(text).unwrap()).collect();
        kinds.sort();
        assert_eq!(kinds.iter().map(Kind::as_str).collect::<Vec<_>>(), ["a", "cart", "session", "sfoo"]);
    }
}
