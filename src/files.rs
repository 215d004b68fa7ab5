//! Files of state without a service: look into one, check it, write it in the other format.
//!
//! Nothing here takes the folder's lock, so that all of it works beside a running service: its snapshots are written whole
//! under another name first, and never changed after; its journals only get longer. A file is read as a stream: the memory
//! that takes is one session's, about 40 bytes for each session of the file (to notice one that is in it twice), and bounded
//! tables. [`newest`] alone keeps what the journals of a folder hold.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! use sessile::files::{self, Options};
//!
//! let service = sessile::SessionService::builder().start().await?;
//! service.global().await?.set("greeting", "hello").await?;
//! service.export(folder.join("state.bin"), sessile::Format::Bincode).await?;
//!
//! let held = files::inspect(folder.join("state.bin"), Options::default())?;
//! assert_eq!((held.sessions.sessions, held.sessions.entries), (1, 1));
//! files::convert(folder.join("state.bin"), folder.join("state.json"), sessile::Format::Json, Options::default())?;
//! assert!(files::verify(folder.join("state.json"), Options::default())?.is_restorable());
//! # Ok(())
//! # }
//! ```

mod convert;
mod error;
mod inspect;
mod journal;
mod newest;
mod options;
mod over;
mod pass;
mod tally;

use crate::config::Format;
use crate::snapshot;
use crate::time::Timestamp;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use over::Over;

pub use convert::{Converted, convert, write_to};
pub use error::FileError;
pub use inspect::{Inspection, KindFigures, OwnerFigures, Role, SessionFigures, inspect};
pub use journal::{Journal, JournalRest, Records, is_journal, journal};
pub use newest::{Newest, newest};
pub use options::{Options, Progress};
pub use pass::{Finding, Verified, verify};
pub use tally::{Ends, Figures};

/// What a file says of itself at its start; of a sealed one, inside its seal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Its format.
    pub format: Format,
    /// The version of its format.
    pub version: u32,
    /// When it was begun.
    pub written_at: Timestamp,
    /// Its number in the folder of snapshots; zero for an export.
    pub generation: u64,
    /// The release that wrote it.
    pub release: String,
}

impl From<snapshot::FileHeader> for Header {
    fn from(header: snapshot::FileHeader) -> Self {
        let snapshot::FileHeader { version, format, created_at, generation, service } = header;
        Self { format, version, written_at: Timestamp::from_micros(created_at), generation, release: service }
    }
}
