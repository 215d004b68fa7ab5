//! Why the program ends, and the exit code that says so.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use sessile::files::FileError;
use sessile::mcp::KeysUnusable;

use crate::options::Problems;
use crate::tokens::TokensError;

/// Why the program ends. Exit codes: 1 failure, 2 wrong usage or options, 3 state files that were refused (and
/// left as they are), 4 an import that ended with refused items; 0 is success. Wrong flags end with 2 before any of this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Options that cannot be used.
    #[error("the options cannot be used:\n{0}")]
    Options(Problems),
    /// A tokens file or token that cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A file of keys that cannot be used.
    #[error("the keys of {path} (--jwks) cannot be used", path = path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeysUnusable,
    },
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
    #[error("the state files were refused")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(&'static str),
    /// A file of state that was refused, or could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Some of several files; what is wrong with each has been told.
    #[error("{failed} of {all} files did not pass")]
    Files {
        /// How many did not.
        failed: usize,
        /// Of so many.
        all: usize,
        /// Whether one of them was read and refused.
        refused: bool,
    },
    /// Some items of an import; each has been told.
    #[error("{refused} of {all} sessions were refused; the report tells why")]
    Items {
        /// How many were.
        refused: usize,
        /// Of so many.
        all: usize,
    },
    /// A folder that a running service uses.
    #[error("the folder {} is in use by a running service", .0.display())]
    InUse(PathBuf),
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
            Self::Usage(_) => 2,
            Self::State(_) | Self::Files { refused: true, .. } => 3,
            Self::File(error) if error.is_refusal() => 3,
            Self::Items { .. } => 4,
            Self::File(_) | Self::Files { .. } | Self::InUse(_) => 1,
            Self::Tokens(_) | Self::Keys { .. } | Self::Listen { .. } | Self::Other { .. } => 1,
        }
    }

    /// What to do about it, where the message does not say.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(error) => Some(error.hint()),
            Self::InUse(_) => Some("stop that one first, or import into another folder"),
            _ => None,
        }
    }

    /// What went wrong, under it why, as far down as anybody said, and what to do.
    #[must_use]
    pub(crate) fn explain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let told = error.to_string();
            // Some messages end with their cause, for those who print no causes.
            if !text.ends_with(&told) {
                text = format!("{text}\n  because: {told}");
            }
            cause = error.source();
        }
        match self.hint() {
            Some(hint) => format!("{text}\nhint: {hint}"),
            None => text,
        }
    }
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
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
        assert_eq!(Failure::Usage("x").number(), 2);
        assert_eq!(Failure::Files { failed: 1, all: 2, refused: false }.number(), 1);
        assert_eq!(Failure::Files { failed: 1, all: 2, refused: true }.number(), 3);
        assert_eq!(Failure::Items { refused: 1, all: 2 }.number(), 4);
        assert_eq!(Failure::InUse("d".into()).number(), 1);
    }

    #[test]
    fn tells_no_cause_twice_and_the_hint_last() {
        let inner = Failure::while_doing("writing")(io::Error::other("full"));
        let doubled = Failure::while_doing("x")(format!("it failed: {}", "full"));
        assert_eq!(inner.explain(), "writing failed\n  because: full");
        assert_eq!(doubled.explain(), "x failed\n  because: it failed: full");
        assert!(Failure::InUse("d".into()).explain().contains("\nhint: stop that one first"));
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
