//! Opens files of ours and nothing else: no link is followed, nothing is waited for. Keeps others from reading and writing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file by its own name: what a link of that name leads to is not touched, and a pipe holds nobody up. One that is
/// made is for its owner alone; one that is there is not changed.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    private(options);
    let file = options.open(path).map_err(told)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok(file)
}

/// Makes a file that is open to others its owner's alone: the folder keeps others out anyway, and a copy that an operator
/// made must not keep a service from starting. Where that cannot be done the file is somebody else's, and is refused.
#[cfg(unix)]
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let is_private = |metadata: fs::Metadata| metadata.permissions().mode() & 0o077 == 0;
    if is_private(fs::symlink_metadata(path)?) {
        return Ok(());
    }
    open(OpenOptions::new().read(true), path)?.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Makes a folder its owner's alone.
#[cfg(unix)]
pub(super) fn make_folder_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path)?.permissions().mode() & 0o777 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Elsewhere folders inherit who may read.
#[cfg(not(unix))]
pub(super) fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Elsewhere folders inherit who may read.
#[cfg(not(unix))]
pub(super) fn make_folder_private(_: &Path) -> io::Result<()> {
    Ok(())
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
