//! Why keys were refused.

use std::io;
use std::path::PathBuf;

/// Why keys were refused. No message holds anything of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Lines that are no key, each with its number.
    #[error("{}; write one key a line, of 64 hex digits", .0.join("; "))]
    Lines(Vec<String>),
    /// There is no key at all.
    #[error("there is no key; write one of 64 hex digits, as `openssl rand -hex 32` prints it")]
    Empty,
    /// The file's text is wrong.
    #[error("the key file {} cannot be used: {source}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<KeyError>,
    },
    /// The file cannot be read.
    #[error("the key file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device, or too long for a key file.
    #[error("{} is no key file; name a regular file that holds one key a line", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Others than its owner may read or change the file.
    #[error("the key file {0} is open to other users of this machine; run: chmod 600 {0}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
}
