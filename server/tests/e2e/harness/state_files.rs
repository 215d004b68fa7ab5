//! Files of state: copied, damaged, compared; and the ids that must not be in what others read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Digits of a minted id, after its kind.
const DIGITS: usize = 30;

/// The generations of a folder, oldest first.
pub(crate) fn generations(snapshots: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = contents(snapshots).into_keys().collect();
    files.sort();
    files
}

/// Every generation with its bytes.
pub(crate) fn contents(snapshots: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(snapshots).unwrap().map(|file| file.unwrap().path());
    let ours =
        files.filter(|path| path.is_file() && path.file_name().unwrap().to_string_lossy().starts_with("snapshot"));
    ours.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// A new home with a copy of the generations in `snapshots`.
pub(crate) fn copy(snapshots: &Path) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("snapshots");
    fs::create_dir(&folder).unwrap();
    for (path, bytes) in contents(snapshots) {
        fs::write(folder.join(path.file_name().unwrap()), bytes).unwrap();
    }
    home
}

/// Fails where `text` holds a minted id: `kind_` and thirty digits.
#[track_caller]
pub(crate) fn no_ids(what: &str, text: &str) {
    for (at, _) in text.match_indices('_') {
        let digits =
            text[at + 1..].bytes().take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()).count();
        assert_ne!(digits, DIGITS, "an id is in {what}: {}", &text[at.saturating_sub(60)..at + 6]);
    }
}
