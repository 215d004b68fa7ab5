//! Static bearer tokens: a table from the hash of a token to the subject it stands for.

use std::collections::HashMap;
use std::fmt;

use http::request::Parts;
use sha2::{Digest, Sha256};

use super::{Asking, PrincipalSource, Refusal, bearer};
use crate::principal::{Caller, Principal};

/// What vouches for the subjects of the table.
const ISSUER: &str = "tokens";

/// Callers by static bearer tokens. The tokens themselves are nowhere in it.
///
/// ```
/// use sessile::mcp::{TokenHash, Tokens};
///
/// // What is kept is the hash; the token has to have 128 random bits or more.
/// let hash = TokenHash::from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").ok_or("no hash")?;
/// let tokens: Tokens = [(hash, "alice".to_owned())].into_iter().collect();
/// assert_eq!(tokens.subject("abc"), Some("alice"));
/// # Ok::<_, &str>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// By hash: a lookup compares hashes of what was presented, so the time it takes tells nothing about a token.
    subjects: HashMap<TokenHash, Box<str>>,
}

impl Tokens {
    /// The subject that `token` stands for.
    #[must_use]
    pub fn subject(&self, token: &str) -> Option<&str> {
        self.subjects.get(&TokenHash::of(token)).map(|subject| &**subject)
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether nobody can come in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }
}

impl<S: Into<Box<str>>> FromIterator<(TokenHash, S)> for Tokens {
    fn from_iter<I: IntoIterator<Item = (TokenHash, S)>>(tokens: I) -> Self {
        Self { subjects: tokens.into_iter().map(|(hash, subject)| (hash, subject.into())).collect() }
    }
}

impl PrincipalSource for Tokens {
    fn caller<'a>(&'a self, parts: &'a mut Parts) -> Asking<'a> {
        Box::pin(async move {
            let subject = self.subject(bearer::token(&parts.headers)?).ok_or(Refusal::Invalid)?;
            Ok(Caller::Principal(Principal::new(ISSUER, subject)))
        })
    }
}

/// SHA-256 of a token. A token has so many random bits that neither salt nor a slow hash would add anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of `token`.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(pairs) {
            *byte = pair.iter().try_fold(0, |value, digit| Some(value << 4 | nibble(*digit)?))?;
        }
        Some(Self(hash))
    }

    /// Writes 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_everybody_does() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_hex(), known);
        assert_eq!(TokenHash::from_hex(known), Some(TokenHash::of("abc")));
        assert_eq!(TokenHash::from_hex(&known.to_uppercase()), None);
        assert!(!format!("{:?}", TokenHash::of("abc")).contains("ba"));
    }
}
