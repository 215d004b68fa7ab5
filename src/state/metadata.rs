//! What a session says about itself, beside its entries.

use std::collections::BTreeSet;

use super::value::Json;
use crate::config::{MAX_CUSTOM_BYTES, MAX_TAGS, MAX_TEXT_BYTES};
use crate::error::{Limit, LimitExceeded};

/// Bytes of what an adapter attaches to a session: 64 KiB.
pub(crate) const MAX_ATTACHMENT_BYTES: u64 = 64 << 10;

/// What a session says about itself; changed by updates, as entries are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// A name for people.
    pub label: Option<String>,
    /// The client software.
    pub user_agent: Option<String>,
    /// Where the client called from.
    pub origin: Option<String>,
    /// Words to find the session by.
    pub tags: BTreeSet<String>,
    /// Anything else, up to 4 KiB.
    pub custom: Option<Json>,
    /// What an adapter needs to bring the session back, such as a handshake.
    pub(crate) attachment: Option<Json>,
}

/// What most sessions say: nothing.
pub(super) static SILENT: Metadata =
    Metadata { label: None, user_agent: None, origin: None, tags: BTreeSet::new(), custom: None, attachment: None };

impl Metadata {
    /// Checks every cap.
    ///
    /// # Errors
    /// [`LimitExceeded`] names the first cap that is passed.
    pub fn check(&self) -> Result<(), LimitExceeded> {
        for text in self.texts() {
            at_most(Limit::TextBytes, MAX_TEXT_BYTES, text.len() as u64)?;
        }
        at_most(Limit::Tags, MAX_TAGS, self.tags.len() as u64)?;
        at_most(Limit::CustomBytes, MAX_CUSTOM_BYTES, length(self.custom.as_ref()))?;
        // An adapter's own figure: it has no cap of its own to name.
        at_most(Limit::CustomBytes, MAX_ATTACHMENT_BYTES, length(self.attachment.as_ref()))
    }

    /// The bytes of all of it, as they count against a session's cap.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let texts: u64 = self.texts().map(|text| text.len() as u64).sum();
        texts + length(self.custom.as_ref()) + length(self.attachment.as_ref())
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        self.label.iter().chain(&self.user_agent).chain(&self.origin).chain(&self.tags)
    }
}

/// Refuses a figure beyond its cap.
pub(super) fn at_most(limit: Limit, allowed: u64, attempted: u64) -> Result<(), LimitExceeded> {
    if attempted > allowed { Err(LimitExceeded { limit, allowed, attempted }) } else { Ok(()) }
}

fn length(json: Option<&Json>) -> u64 {
    json.map_or(0, |json| json.as_str().len() as u64)
}
