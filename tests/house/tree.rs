//! Every file of the repository: how long it may be, and what no text may hold.

use std::fs;
use std::path::{Path, PathBuf};

use super::root;

const MAX_LINES: usize = 400;
/// Folders that hold what was built, installed or kept, and nothing that was written for the repository.
const NOT_OURS: [&str; 5] = ["target", "node_modules", ".git", ".venv", "__pycache__"];

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // A work tree of git has a file of this name, which says where it is.
        if NOT_OURS.contains(&name) || path == root().join("snapshots") {
            continue;
        }
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    found
}

#[test]
fn no_source_file_is_too_long() {
    let sources: Vec<_> = ["src", "server/src"].iter().flat_map(|folder| files(folder)).collect();
    assert!(sources.len() > 80, "the walk found {} files only", sources.len());
    let lengths = sources.iter().map(|path| (path, fs::read_to_string(path).unwrap().lines().count()));
    let long: Vec<_> = lengths.filter(|(_, lines)| *lines > MAX_LINES).collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines, so more than one concept: {long:?}");
}

/// What would tie a text to one machine or one registry. In two halves, since this file is a text as well.
fn forbidden() -> Vec<String> {
    let paths = [("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/"), ("C:", "\\Users")];
    let hosts = [
        ("index.cra", "tes.io"),
        ("static.cra", "tes.io"),
        ("registry.np", "mjs.org"),
        ("registry.ya", "rnpkg.com"),
        ("py", "pi.org"),
        ("files.python", "hosted.org"),
    ];
    paths.iter().chain(&hosts).map(|(one, other)| format!("{one}{other}")).collect()
}

#[test]
fn no_text_names_a_machine_or_a_registry() {
    let (forbidden, files) = (forbidden(), files("."));
    assert!(files.len() > 120, "the walk found {} files only", files.len());
    let mut wrong = Vec::new();
    for path in files {
        // What is no text holds no sentence.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        wrong.extend(
            forbidden.iter().filter(|word| text.contains(*word)).map(|word| format!("{}: {word}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_package_comes_from_the_public_registry() {
    let lock = super::text("Cargo.lock");
    let sources: Vec<_> = lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    assert!(sources.len() > 100, "the lock file names {} sources only", sources.len());
    let others: Vec<_> = sources.iter().filter(|source| !source.ends_with("/crates.io-index\"")).collect();
    assert!(others.is_empty(), "{others:?}");
}
