//! Installs the clients from their lock files, once per lock file and target folder.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of this folder, which is put beside the packages: Node looks for packages from a script's folder upwards.
pub(super) type Source = (&'static str, &'static str);

/// The folder with the packages of `lock`; `install` fills it where that has not happened before.
pub(super) fn installed(
    language: &str,
    lock: &str,
    sources: &[Source],
    tool: &str,
    install: impl FnOnce(&Path),
) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    sources.iter().filter(|(name, _)| *name == lock).for_each(|source| source.hash(&mut hasher));
    // A virtual environment is bound to the interpreter that made it.
    tool.hash(&mut hasher);
    // Cargo gives integration tests `<target>/tmp`.
    let clients = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    let folder = clients.join(format!("{language}-{:016x}", hasher.finish()));
    done(fs::create_dir_all(&folder), &folder);
    // Held to the end of this function: tests of other threads and processes wait here for the installation.
    let guard = folder.join("lock");
    let guard = done(File::create(&guard).and_then(|file| file.lock().map(|()| file)), &guard);
    for (name, text) in sources {
        place(&folder, name, text);
    }
    let mark = folder.join("complete");
    if !mark.exists() {
        say(&format!("installing the {language} client of {lock} into {}", folder.display()));
        install(&folder);
        done(File::create(&mark), &mark);
    }
    drop(guard);
    folder
}

/// Writes a file where it differs, by rename: a driver of another test may be reading the old one.
fn place(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return;
    }
    let new = folder.join(format!("{name}.new"));
    done(fs::write(&new, text).and_then(|()| fs::rename(&new, &path)), &path);
}

fn done<T>(result: std::io::Result<T>, path: &Path) -> T {
    result.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a step of the installation, which has to succeed.
pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed, {}:\n{text}", output.status);
}

/// Writes to stderr itself: the test harness would hold back what `eprintln!` writes.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
