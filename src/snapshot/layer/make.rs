//! Makes a folder whose name outlives a power cut, with those above it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::guard;

/// What is asked of a file system for it.
pub(super) trait Steps {
    fn is_folder(&mut self, path: &Path) -> bool;
    /// Makes one folder in one that is there.
    fn make(&mut self, path: &Path) -> io::Result<()>;
    /// Makes a folder's name durable, in the one that it lies in.
    fn sync_name(&mut self, path: &Path) -> io::Result<()>;
}

/// Makes the folder where it is missing, one level after the other, each durable before what is made in it.
///
/// The lowest one that is there may be what a start made that was cut off before it came to the sync, so its name is
/// synced each time; where that is not for this user or not for this file system, it is somebody else's to have done.
pub(super) fn folder(steps: &mut dyn Steps, folder: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for path in folder.ancestors().take_while(|path| !path.as_os_str().is_empty()) {
        if steps.is_folder(path) {
            match steps.sync_name(path).map_err(|error| (error.kind(), error)) {
                Err((ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported, _)) | Ok(()) => {}
                Err((_, error)) => return Err(error),
            }
            break;
        }
        missing.push(path);
    }
    for path in missing.into_iter().rev() {
        steps.make(path)?;
        steps.sync_name(path)?;
    }
    Ok(())
}

/// The machine's own file system.
pub(super) struct Machine;

impl Steps for Machine {
    fn is_folder(&mut self, path: &Path) -> bool {
        path.is_dir()
    }

    fn make(&mut self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            // Somebody was faster, or the path goes up again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn sync_name(&mut self, path: &Path) -> io::Result<()> {
        match path.canonicalize()?.parent() {
            // Elsewhere a folder cannot be opened, and its changes are as durable as they get.
            Some(parent) if cfg!(unix) => guard::folder(parent)?.sync_all(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    /// Folders that are there, and what was done.
    #[derive(Default)]
    struct Recorded {
        there: BTreeSet<PathBuf>,
        done: Vec<String>,
        refuses: Option<(&'static str, ErrorKind)>,
    }

    impl Steps for Recorded {
        fn is_folder(&mut self, path: &Path) -> bool {
            self.there.contains(path)
        }

        fn make(&mut self, path: &Path) -> io::Result<()> {
            assert!(path.parent().is_some_and(|parent| self.there.contains(parent)), "one level at a time");
            self.there.insert(path.to_owned());
            self.done.push(format!("make {}", path.display()));
            Ok(())
        }

        fn sync_name(&mut self, path: &Path) -> io::Result<()> {
            self.done.push(format!("sync {}", path.display()));
            match self.refuses {
                Some((refused, kind)) if path == Path::new(refused) => Err(kind.into()),
                _ => Ok(()),
            }
        }
    }

    fn there(paths: &[&str]) -> Recorded {
        Recorded { there: paths.iter().map(PathBuf::from).collect(), ..Recorded::default() }
    }

    #[test]
    fn every_level_is_durable_before_the_next_one_is_made() {
        let mut steps = there(&["/", "/a"]);
        folder(&mut steps, Path::new("/a/b/c")).unwrap();
        assert_eq!(steps.done, ["sync /a", "make /a/b", "sync /a/b", "make /a/b/c", "sync /a/b/c"]);
    }

    #[test]
    fn what_a_start_left_unsynced_is_synced_by_the_next() {
        let mut steps = there(&["/", "/a", "/a/b"]);
        folder(&mut steps, Path::new("/a/b")).unwrap();
        assert_eq!(steps.done, ["sync /a/b"]);
    }

    #[test]
    fn a_folder_in_somebody_elses_is_no_reason_not_to_start() {
        for (kind, starts) in
            [(ErrorKind::PermissionDenied, true), (ErrorKind::Unsupported, true), (ErrorKind::Other, false)]
        {
            let mut steps = there(&["/", "/a"]);
            steps.refuses = Some(("/a", kind));
            assert_eq!(folder(&mut steps, Path::new("/a")).is_ok(), starts, "{kind:?}");
        }
        // One that was made here has to be durable.
        let mut steps = there(&["/"]);
        steps.refuses = Some(("/a", ErrorKind::PermissionDenied));
        assert!(folder(&mut steps, Path::new("/a")).is_err());
    }
}
