//! The keys of files of state, from a file or from the environment.

use std::path::Path;

use sessile::{KeyError, KeyRing};

use super::source::{KEY, Sources, Variable};
use super::{Problems, parse};

/// Reads `key-file`, or the variable with a key itself; `None` when there are no keys, or when they are wrong, which is
/// then a problem.
pub(super) fn read(sources: &mut Sources) -> Option<KeyRing> {
    let both = sources.has("key-file") && sources.has_key();
    let file = sources.one("key-file", |text| load(&parse::path(text)?));
    let variable = sources.key(|text| KeyRing::parse(text).map_err(told));
    if both {
        sources.problems.add(format!("a key file is named, and {KEY} is set; leave out one of the two"));
    }
    file.or(variable)
}

/// Keys for a command on files: of its flag, else of the environment as `serve` reads it.
///
/// # Errors
///
/// Everything that is wrong with them.
pub(crate) fn for_command(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = Variable>,
) -> Result<Option<KeyRing>, Problems> {
    let ours = environment.into_iter().filter(|(name, _)| [KEY, "SESSILE_KEY_FILE"].contains(&name.as_str()));
    // The flag is closer than the environment, whichever of the two variables is there.
    let (flags, variables) = match file {
        Some(file) => (vec![file.to_string_lossy().into_owned()], Vec::new()),
        None => (Vec::new(), ours.collect()),
    };
    let flags = flags.into_iter().map(|file| ("key-file", vec![file])).collect();
    let mut sources = Sources::new(flags, variables);
    let keys = read(&mut sources);
    sources.problems.check(keys)
}

fn load(path: &Path) -> Result<KeyRing, String> {
    KeyRing::load(path).map_err(told)
}

fn told(error: KeyError) -> String {
    error.to_string()
}
