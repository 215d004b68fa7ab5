//! Why a tokens file or a new token was refused.

use std::io;
use std::path::PathBuf;

/// Why a tokens file or a new token was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    /// The file cannot be read.
    #[error("cannot read the tokens file {path}; `sessile token add NAME --tokens {path}` makes one")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file says something wrong.
    #[error("the tokens file {path} is wrong:\n{problems}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What, one problem a line.
        problems: String,
    },
    /// The file holds no token, so that nobody could come in.
    #[error("the tokens file {path} holds no token; `sessile token add NAME --tokens {path}` adds one")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The new name cannot be used.
    #[error("the name {name} cannot be used: {problem}")]
    Name {
        /// The name, quoted.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The new name is there already.
    #[error("{name} has a token already (line {line} of {path}); remove that line first, or choose another name")]
    Taken {
        /// The name, quoted.
        name: String,
        /// Where it is.
        line: usize,
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random numbers.
    #[error("the operating system gave no random numbers: {0}")]
    Random(getrandom::Error),
    /// The file cannot be written; what was there is still there.
    #[error("cannot write the tokens file {path}; it is as it was")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
