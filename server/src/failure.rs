//! Why the program ends, and the exit code that says so.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use crate::options::Problems;
use crate::tokens::TokensError;

/// Why the program ends. Exit codes: 1 failure, 2 wrong usage or options, 3 state files that were refused (and
/// left as they are); 0 is success. Wrong flags end with 2 before any of this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Options that cannot be used.
    #[error("the options cannot be used:\n{0}")]
    Options(Problems),
    /// A tokens file or token that cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// An address that cannot be listened on.
    #[error("cannot listen on {addr}; stop what listens there, or choose another with {flag}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// State files that were refused; they are as they were.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the service, whose `start` refuses state files"))]
    #[error("the state files were refused")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else.
    #[error("{doing} failed")]
    Other {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

// By hand: `#[from]` would make the problems a cause as well, and tell them twice.
impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Options(problems)
    }
}

impl Failure {
    /// A failure while `doing` something, for `map_err`.
    pub(crate) fn while_doing<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Other { doing, source: source.into() }
    }

    /// The exit code.
    #[must_use]
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.number())
    }

    fn number(&self) -> u8 {
        match self {
            Self::Options(_) | Self::Tokens(TokensError::Name { .. } | TokensError::Taken { .. }) => 2,
            Self::State(_) => 3,
            Self::Tokens(_) | Self::Listen { .. } | Self::Other { .. } => 1,
        }
    }

    /// What went wrong, and under it why, as far down as anybody said.
    #[must_use]
    pub(crate) fn explain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}\n  because: {error}");
            cause = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_code() {
        let broken = || io::Error::other("broken");
        let mut problems = Problems::default();
        problems.add("x");
        assert_eq!(Failure::Options(problems).number(), 2);
        assert_eq!(Failure::Tokens(TokensError::Empty { path: "t".into() }).number(), 1);
        assert_eq!(Failure::while_doing("reading")(broken()).number(), 1);
        assert_eq!(Failure::State(broken().into()).number(), 3);
    }

    #[test]
    fn explains_down_to_the_cause() {
        let source = io::Error::other("address in use");
        let failure = Failure::Listen { addr: "127.0.0.1:1".parse().unwrap(), flag: "--addr", source };
        assert_eq!(
            failure.explain(),
            "cannot listen on 127.0.0.1:1; stop what listens there, or choose another with --addr\n  because: address in use"
        );
    }
}
