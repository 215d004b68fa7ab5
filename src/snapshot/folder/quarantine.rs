//! Puts damaged files aside once they are superseded.

use std::io;
use std::path::{Path, PathBuf};

use super::Folder;

/// Where they go: a folder inside, which is nobody else's and which nothing here ever empties.
const QUARANTINE: &str = "quarantine";

impl Folder {
    /// Moves files that were passed over as damaged to `quarantine/`, their bytes untouched; gives where they are.
    ///
    /// A generation stays where it is until a later one was written and is durable: before that it is the newest that there
    /// is, and an operator's to mend. A journal stays for as long as the generation that it goes on from: what is whole of
    /// it counts. Nothing in the quarantine is read, counted, overwritten or removed.
    ///
    /// # Errors
    /// [`io::Error`] of the first step that failed. What was not moved is tried again by the next call.
    pub(crate) fn quarantine(&self) -> io::Result<Vec<PathBuf>> {
        let mut damaged = self.damaged.lock();
        // Names sort as their numbers do, those of journals before all.
        let known = self.known.lock();
        let superseded =
            known.iter().rev().find(|(_, about)| about.is_whole == Some(true)).map(|(path, _)| path.clone());
        drop(known);
        let due: Vec<_> = damaged.iter().filter(|path| Some(*path) < superseded.as_ref()).cloned().collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let folder = self.path.join(QUARANTINE);
        self.layer.create_folder(&folder)?;
        let mut moved = Vec::new();
        for path in due {
            match self.put_aside(&path, &folder) {
                Ok(place) => moved.push(place),
                // Its operator was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            damaged.retain(|other| *other != path);
        }
        self.layer.sync_folder(&folder)?;
        self.layer.sync_folder(&self.path)?;
        Ok(moved)
    }

    /// Moves one file under its own name, or with the first number after it that is free.
    fn put_aside(&self, path: &Path, folder: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().unwrap_or_default();
        for more in 0_u64.. {
            let mut name = name.to_owned();
            if more > 0 {
                name.push(format!(".{more}"));
            }
            let place = folder.join(name);
            match self.layer.rename(path, &place) {
                Ok(()) => return Ok(place),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
