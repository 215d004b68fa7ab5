//! The names of files in the folder. They are made here and nowhere else; nothing from outside gets into them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::Format;

/// The file whose lock stands for the folder's.
pub(super) const LOCK: &str = "lock";
const HALF_WRITTEN: &str = ".tmp";

/// One generation of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GenerationFile {
    /// Its number; a greater one is newer.
    pub(crate) number: u64,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its format, as its name says.
    pub(crate) format: Format,
}

/// One file of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalFile {
    /// The snapshot that it goes on from.
    pub(crate) generation: u64,
    /// Its number among those of the generation; a greater one is later.
    pub(crate) segment: u64,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl JournalFile {
    pub(super) fn new(folder: &Path, generation: u64, segment: u64) -> Self {
        Self { generation, segment, path: folder.join(journal(generation, segment)) }
    }
}

impl GenerationFile {
    pub(super) fn new(folder: &Path, number: u64, format: Format) -> Self {
        Self { number, path: folder.join(generation(number, format)), format }
    }

    /// Where it is while it is being written.
    pub(super) fn half_written(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(HALF_WRITTEN);
        name.into()
    }
}

/// What a name of ours stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    Lock,
    Generation(u64, Format),
    Journal(u64, u64),
    HalfWritten,
}

impl Name {
    /// Reads a name; `None` when it is not one of ours, to the letter.
    pub(super) fn of(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        if name == LOCK {
            return Some(Self::Lock);
        }
        if let Some(rest) = name.strip_prefix("journal-") {
            let (generation, segment) = rest.strip_suffix(".log")?.split_once('-')?;
            let (generation, segment) = (generation.parse().ok()?, segment.parse().ok()?);
            return (journal(generation, segment) == name).then_some(Self::Journal(generation, segment));
        }
        let (whole, half) = name.strip_suffix(HALF_WRITTEN).map_or((name, false), |whole| (whole, true));
        let (number, extension) = whole.strip_prefix("snapshot-")?.split_once('.')?;
        let format = match extension {
            "bin" => Format::Bincode,
            "json" => Format::Json,
            _ => return None,
        };
        let number = number.parse().ok().filter(|&number| generation(number, format) == whole)?;
        Some(if half { Self::HalfWritten } else { Self::Generation(number, format) })
    }
}

/// Whether a file is a journal by its name.
pub(crate) fn is_journal_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| matches!(Name::of(name), Some(Name::Journal(..))))
}

fn generation(number: u64, format: Format) -> String {
    let extension = match format {
        Format::Bincode => "bin",
        Format::Json => "json",
    };
    format!("snapshot-{number:020}.{extension}")
}

fn journal(generation: u64, segment: u64) -> String {
    format!("journal-{generation:020}-{segment:06}.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_made_here_are_ours() {
        let of = |name: &str| Name::of(OsStr::new(name));
        assert_eq!(of("lock"), Some(Name::Lock));
        assert_eq!(of("snapshot-00000000000000000007.bin"), Some(Name::Generation(7, Format::Bincode)));
        assert_eq!(of("snapshot-18446744073709551615.json"), Some(Name::Generation(u64::MAX, Format::Json)));
        assert_eq!(of("snapshot-00000000000000000007.json.tmp"), Some(Name::HalfWritten));
        assert_eq!(of("journal-00000000000000000007-000012.log"), Some(Name::Journal(7, 12)));
        for name in [
            "",
            "snapshot",
            "snapshot-7.bin",
            "snapshot-00000000000000000007.txt",
            "snapshot-+0000000000000000007.bin",
            "snapshot-18446744073709551616.bin",
            "snapshot-00000000000000000007.bin.bak",
            "lock.tmp",
            "journal-7-0.log",
            "journal-00000000000000000007-000000.log.tmp",
            "journal-00000000000000000007.log",
            "journal-00000000000000000007-0000000.log",
            "LOCK",
            "snapshot-00000000000000000007.bin.tmp.tmp",
            "Snapshot-00000000000000000007.bin",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
