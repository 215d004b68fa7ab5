//! `sessile token add`: a new token, and its hash in the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use sessile::mcp::TokenHash;

use super::{TokensError, parse};

/// What tokens start with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "sessile_";

/// Makes a token for `name`, writes its hash into the file and gives the token back: nobody can read it again.
///
/// Other lines and comments of the file stay as they are. The file is replaced as a whole or not at all, and two
/// calls at once (they lock the folder) lose neither's line.
///
/// # Errors
///
/// The name cannot be used or is there already, or the file cannot be read or written.
pub(crate) fn add(path: &Path, name: &str) -> Result<String, TokensError> {
    let shown = parse::shown(name);
    parse::check_subject(name).map_err(|problem| TokensError::Name { name: shown.clone(), problem })?;
    let fail = |source| TokensError::Write { path: path.to_owned(), source };
    // A link is followed, so that the rename below replaces the file and not the link.
    let target = if path.exists() { path.canonicalize().map_err(fail)? } else { path.to_owned() };
    let folder = folder_of(&target);
    let _lock = lock(&folder).map_err(fail)?;
    let before = match fs::read_to_string(&target) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(source) => return Err(TokensError::Read { path: path.to_owned(), source }),
    };
    let lines = parse::parse(&before)
        .map_err(|problems| TokensError::Invalid { path: path.to_owned(), problems: problems.join("\n") })?;
    if let Some(line) = lines.iter().find(|line| &*line.subject == name) {
        return Err(TokensError::Taken { name: shown, line: line.number, path: path.to_owned() });
    }
    let token = format!("{PREFIX}{}", hex(&random::<32>()?));
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let text = format!("{before}{gap}{} = \"{}\"\n", quoted(name), TokenHash::of(&token).to_hex());
    replace(&target, &folder.join(format!(".tokens.{}.tmp", hex(&random::<8>()?))), &text)
        .and_then(|()| sync(&folder))
        .map_err(fail)?;
    Ok(token)
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], TokensError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(TokensError::Random)?;
    Ok(bytes)
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A TOML key. No control characters are left to escape.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// Writes a file beside the old one, makes it durable, and puts it in the old one's place.
fn replace(target: &Path, temporary: &Path, text: &str) -> io::Result<()> {
    let written = write(temporary, target, text).and_then(|()| fs::rename(temporary, target));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written
}

fn write(temporary: &Path, target: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(temporary)?;
    keep_owner(&file, target)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Gives the new file the owner of the old one: root may add a token to the file of a service's own user.
#[cfg(unix)]
fn keep_owner(file: &File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    let Ok(old) = fs::metadata(target) else { return Ok(()) };
    let new = file.metadata()?;
    if (old.uid(), old.gid()) == (new.uid(), new.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Locks the folder: the file itself is replaced, so a lock on it would guard the old one.
#[cfg(unix)]
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    folder.lock()?;
    Ok(folder)
}

#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
