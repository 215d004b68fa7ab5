//! Writes a file outside the folder: whole or not at all, over nothing that is there.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::layer::{FileLayer, StdLayer};

/// Writes a new file with what `fill` puts in; gives what `fill` gave once the file would outlive a power cut.
///
/// # Errors
/// Of `fill`, or of a step; no file is left behind. A file of that name is refused before anything is written.
pub(crate) fn write_new<T, E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let layer = StdLayer;
    // The name is taken first: nobody's file is overwritten, and a name that cannot be made fails at once.
    let file = layer.create(path)?;
    let mut output = BufWriter::with_capacity(256 << 10, file);
    let written = fill(&mut output).and_then(|written| {
        output.flush()?;
        output.get_mut().sync()?;
        layer.sync_folder(folder)?;
        Ok(written)
    });
    if written.is_err() {
        // The first error is the one to tell.
        drop(fs::remove_file(path));
    }
    written
}
