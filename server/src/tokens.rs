//! Files of bearer tokens: read, and added to.

mod add;
mod error;
mod parse;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

pub(crate) use add::add;
pub(crate) use error::TokensError;
use sessile::mcp::Tokens;

/// Reads a tokens file. Beside the table: what is odd about the file but no reason to refuse it.
///
/// # Errors
///
/// The file cannot be read, says something wrong (all of it is told, never a hash), or holds no token.
pub(crate) fn load(path: &Path) -> Result<(Tokens, Option<String>), TokensError> {
    let (text, warning) = read(path).map_err(|source| TokensError::Read { path: path.to_owned(), source })?;
    let lines = parse::parse(&text)
        .map_err(|problems| TokensError::Invalid { path: path.to_owned(), problems: problems.join("\n") })?;
    if lines.is_empty() {
        return Err(TokensError::Empty { path: path.to_owned() });
    }
    Ok((lines.into_iter().map(|line| (line.hash, line.subject)).collect(), warning))
}

/// Text of the file, and a warning where others may read it. Both are asked of the one opened file.
fn read(path: &Path) -> std::io::Result<(String, Option<String>)> {
    let mut file = File::open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let open = others_may_read(&file.metadata()?).then(|| {
        format!("the tokens file {0} can be read by other users of this machine; run: chmod 600 {0}", path.display())
    });
    Ok((text, open))
}

#[cfg(unix)]
fn others_may_read(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o044 != 0
}

#[cfg(not(unix))]
fn others_may_read(_: &fs::Metadata) -> bool {
    false
}
