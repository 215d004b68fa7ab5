//! Opens files of ours and nothing else: no link is followed, nothing is waited for, nobody else may read or write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file by its own name: what a link of that name leads to is not touched, and a pipe holds nobody up.
///
/// A file that is there and open to others is made its owner's alone: the folder keeps others out anyway, and a copy that
/// an operator made must not keep a service from starting. Where that cannot be done the file is somebody else's, and is
/// refused.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    private(options);
    let file = options.open(path).map_err(told)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Opens a folder to sync it.
pub(super) fn folder(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_DIRECTORY);
    options.open(path)
}

/// Refuses a folder that is a link where strangers could put another in its place, or lead it elsewhere.
///
/// A link is fine for who made the folder, or for root, as long as nobody else can rename what it leads through.
#[cfg(unix)]
pub(super) fn check_link(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let link = fs::symlink_metadata(path)?;
    if !link.is_symlink() {
        return Ok(());
    }
    let real = path.canonicalize()?;
    let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if link.uid() != 0 && link.uid() != fs::metadata(&real)?.uid() {
        return refused("it is a link that belongs to somebody else than the folder; give the folder itself");
    }
    for folder in real.ancestors().skip(1) {
        let mode = fs::metadata(folder)?.mode();
        // In a folder with the sticky bit only owners rename.
        if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            return refused("it is a link through a folder that others can change; give the folder itself");
        }
    }
    Ok(())
}

/// Elsewhere only administrators make links.
#[cfg(not(unix))]
pub(super) fn check_link(_: &Path) -> io::Result<()> {
    Ok(())
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
}

/// Says what the system's answer to a link means.
fn told(error: io::Error) -> io::Error {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ELOOP) {
        return io::Error::new(io::ErrorKind::InvalidInput, "it is a link, which is not followed");
    }
    error
}
