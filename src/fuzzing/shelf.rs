//! Files that lie in memory, to be read.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::journals::files;
use crate::snapshot::{FileLayer, JournalFile, LayerFile, Listed, Lock};

/// The journals of a folder, one after the other in the same bytes.
pub(super) struct Shelf(Vec<Lying>);

/// A file: where it lies.
#[derive(Clone)]
struct Lying {
    bytes: Arc<[u8]>,
    place: Range<usize>,
}

impl AsRef<[u8]> for Lying {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.place.clone()]
    }
}

impl Shelf {
    pub(super) fn of(bytes: &Arc<[u8]>) -> Self {
        Self(files(bytes).into_iter().map(|place| Lying { bytes: Arc::clone(bytes), place }).collect())
    }

    /// The files, oldest first: each under the numbers that its header tells, where that can be read.
    pub(super) fn listed(&self) -> Vec<JournalFile> {
        let number = |lying: &Lying, at: usize| lying.as_ref().get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let file = |(place, lying): (usize, &Lying)| JournalFile {
            generation: number(lying, 24).unwrap_or_default(),
            segment: number(lying, 32).unwrap_or(place as u64),
            path: PathBuf::from(place.to_string()),
        };
        let mut files: Vec<_> = self.0.iter().enumerate().map(file).collect();
        files.sort_by_key(|file| (file.generation, file.segment));
        files
    }
}

impl FileLayer for Shelf {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let place = path.to_str().and_then(|name| name.parse::<usize>().ok());
        let lying = place.and_then(|place| self.0.get(place)).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(lying.clone())))
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn make_private(&self, _: &Path, _: &[PathBuf]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Lock>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Listed>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn LayerFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
