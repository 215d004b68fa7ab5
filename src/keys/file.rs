//! Keys from a file that is for its owner alone.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::{KeyError, KeyRing};

/// The most bytes of a key file: hundreds of keys with remarks.
const MOST_BYTES: u64 = 64 << 10;

impl KeyRing {
    /// Reads keys from a file, as [`KeyRing::parse`] does. A link to a file is followed.
    ///
    /// # Errors
    /// [`KeyError`]: the file is missing, is no regular file, may be read or changed by others than its owner, or holds
    /// something other than keys.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let reading = |source| KeyError::Read { path: path.to_owned(), source };
        // Before it is opened, since a pipe would wait; and again on what was opened.
        refuse_others(path, &fs::metadata(path).map_err(reading)?)?;
        let file = File::open(path).map_err(reading)?;
        let about = file.metadata().map_err(reading)?;
        refuse_others(path, &about)?;
        // Room for all of it, so that no piece is left behind where a buffer grew.
        let room = usize::try_from(about.len()).unwrap_or_default().saturating_add(1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(reading)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| reading(io::Error::new(io::ErrorKind::InvalidData, "it is not text")))?;
        Self::parse(text).map_err(|source| KeyError::Text { path: path.to_owned(), source: Box::new(source) })
    }
}

fn refuse_others(path: &Path, about: &Metadata) -> Result<(), KeyError> {
    if !about.is_file() || about.len() >= MOST_BYTES {
        return Err(KeyError::NotAFile { path: path.to_owned() });
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned() });
    }
    Ok(())
}
