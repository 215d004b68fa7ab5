//! Who is calling: the verified identity a session is bound to.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::error::{Limit, LimitExceeded};

/// Bytes of a principal's issuer, subject or client id: 64 KiB.
pub const MAX_IDENTITY_BYTES: u64 = 64 << 10;

/// A verified caller: issuer and subject, as the verified token or the transport says them. Never a raw token.
///
/// ```
/// let alice = sessile::Principal::new("https://id.example", "alice");
/// assert_ne!(alice, sessile::Principal::new("https://other.example", "alice"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    issuer: Box<str>,
    subject: Box<str>,
    client: Option<Box<str>>,
}

impl Principal {
    /// The principal `subject`, as `issuer` vouches for it.
    #[must_use]
    pub fn new(issuer: impl Into<Box<str>>, subject: impl Into<Box<str>>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into(), client: None }
    }

    /// Adds the OAuth client id. It joins the identity only where the service was built with `bind_client(true)`.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<Box<str>>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The client id, where one was given.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// This principal without its client id.
    pub(crate) fn without_client(&self) -> Self {
        Self { client: None, ..self.clone() }
    }

    /// Checks that files can hold it.
    pub(crate) fn check(&self) -> Result<(), LimitExceeded> {
        let parts = [Some(&self.issuer), Some(&self.subject), self.client.as_ref()];
        let attempted = parts.into_iter().flatten().map(|part| part.len() as u64).max().unwrap_or_default();
        if attempted <= MAX_IDENTITY_BYTES {
            return Ok(());
        }
        Err(LimitExceeded { limit: Limit::IdentityBytes, allowed: MAX_IDENTITY_BYTES, attempted })
    }

    /// The key of this identity.
    pub(crate) fn key(&self) -> OwnerKey {
        OwnerKey::of(&self.issuer, &self.subject, self.client())
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({})", self.key().tag())
    }
}

/// The caller of one request: somebody, or nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A verified principal.
    Principal(Principal),
    /// No identity: what it may reach is what it holds the id of.
    Anonymous,
}

/// The hash that stands for an owner in tables and files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OwnerKey(pub(crate) [u8; 32]);

impl OwnerKey {
    /// The owner of all anonymous sessions.
    pub(crate) const ANONYMOUS: Self = Self([0; 32]);
    /// The owner of the shared bucket.
    pub(crate) const GLOBAL: Self = Self([0xff; 32]);

    /// The key of an identity: SHA-256 over the length-prefixed parts, so that no two identities share an encoding.
    pub(crate) fn of(issuer: &str, subject: &str, client: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"sessile owner v1\0");
        for part in [Some(issuer), Some(subject), client] {
            match part {
                Some(text) => {
                    hash.update([1]);
                    hash.update((text.len() as u64).to_le_bytes());
                    hash.update(text.as_bytes());
                }
                None => hash.update([0]),
            }
        }
        Self(hash.finalize().into())
    }

    /// A short tag for logs and `Debug`: names nobody.
    pub(crate) fn tag(&self) -> String {
        self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerKey({})", self.tag())
    }
}
