//! The house has one direction: downward. An arrow upward fails here.

#![allow(clippy::unwrap_used, reason = "a test's panic is its verdict")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. A module may name those below it and itself.
const LAYERS: [&[&str]; 9] = [
    &["proofs"],
    &["fuzzing"],
    &["mcp"],
    &["service", "files"],
    &["owner"],
    &["session"],
    &["actor"],
    &["snapshot"],
    &["state"],
];
const LEAVES: [&str; 7] = ["config", "error", "id", "keys", "principal", "telemetry", "time"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Every module that the text names by its path in the crate.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            names.push(name);
        }
    }
    names
}

/// What is wrong with the arrows of these files.
fn upward(files: &[(String, String)]) -> Vec<String> {
    let height = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut wrong = Vec::new();
    for (from, text) in files {
        for to in named(text) {
            let fine = match (height(from), height(&to)) {
                // The crate's root names everything; a name that is no layer is a leaf or an item of the root.
                _ if from == "lib" || *from == to => true,
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(from), Some(to)) => from < to,
            };
            if !fine {
                wrong.push(format!("{from} names {to}"));
            }
        }
    }
    wrong
}

#[test]
fn arrows_point_downward() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    let files: Vec<_> = paths.iter().map(|path| (module(path), fs::read_to_string(path).unwrap())).collect();
    assert!(files.len() > 40, "the scan found {} files only", files.len());
    for (module, _) in &files {
        let known =
            module == "lib" || LEAVES.contains(&&**module) || LAYERS.iter().any(|layer| layer.contains(&&**module));
        assert!(known, "{module} has no place in the house: give it one here and in ARCHITECTURE.md");
    }
    assert_eq!(upward(&files), Vec::<String>::new());
}

#[test]
fn only_the_actor_folder_names_ractor() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    for path in paths.iter().filter(|path| module(path) != "actor") {
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains("ractor::"), "{}", path.display());
    }
}

#[test]
fn an_arrow_upward_is_noticed() {
    let planted = [("state".to_owned(), "use crate::actor::core::Core;".to_owned())];
    assert_eq!(upward(&planted), ["state names actor"]);
    let leaf = [("error".to_owned(), "use crate::state::Json;".to_owned())];
    assert_eq!(upward(&leaf), ["error names state"]);
}
