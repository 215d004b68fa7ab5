//! ARCHITECTURE.md against the tree it describes.

use std::fs;

use super::{root, table, text};

/// The crates of the table under a heading; a row may name several.
fn told(heading: &str) -> Vec<String> {
    let rows = table(&text("ARCHITECTURE.md"), heading);
    rows.iter().flat_map(|row| row[0].split(", ")).map(|name| name.trim_matches('`').to_owned()).collect()
}

/// The direct dependencies of a package, optional ones and those of one kind of system too.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = text(manifest);
    let sections = text.split("\n[").filter(|section| {
        let (name, _) = section.split_once("]\n").unwrap_or_default();
        name == "dependencies" || name.starts_with("target.") && name.ends_with(".dependencies")
    });
    let lines = sections.flat_map(str::lines);
    lines.filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).filter(|name| name != "sessile").collect()
}

#[test]
fn every_direct_dependency_is_justified() {
    let (library, server) = (told("### The library"), told("### The server"));
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let expected = sorted(dependencies("Cargo.toml"));
    assert_eq!(sorted(library.clone()), expected, "of the library");
    // What the library has too is justified there.
    let own = dependencies("server/Cargo.toml").into_iter().filter(|name| !library.contains(name)).collect();
    assert_eq!(sorted(server), sorted(own), "of the server alone");
}

#[test]
fn every_module_is_on_the_map() {
    let paper = text("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for folder in ["src", "server/src"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let shown = if path.is_dir() { format!("`{folder}/{name}/") } else { format!("`{folder}/{name}`") };
            // `x.rs` stands for the folder `x` beside it.
            let stands = path.is_dir() && path.with_extension("rs").exists();
            if !stands && !paper.contains(&shown) {
                missing.push(shown);
            }
        }
    }
    for folder in ["src/actor", "src/snapshot", "src/state", "src/proofs", "src/mcp"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_file() && name != "mod.rs" && name != "tests.rs" && !paper.contains(&format!("`{name}`")) {
                missing.push(format!("{folder}/{name}"));
            }
        }
    }
    missing.sort();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Tests are named `path::function`; those of a text that lead nowhere: it promises what nothing holds.
fn astray(text: &str) -> (usize, Vec<String>) {
    let (mut named, mut wrong) = (0, Vec::new());
    for name in text.split('`').skip(1).step_by(2) {
        let Some((file, function)) = name.split_once("::").filter(|(file, _)| file.ends_with(".rs")) else { continue };
        named += 1;
        let found = fs::read_to_string(root().join(file)).is_ok_and(|text| text.contains(&format!("fn {function}(")));
        if !found {
            wrong.push(name.to_owned());
        }
    }
    (named, wrong)
}

#[test]
fn every_test_that_holds_a_guarantee_is_there() {
    let rows = table(&text("ARCHITECTURE.md"), "## Guarantees");
    assert_eq!(rows.len(), 11, "there are eleven guarantees");
    for row in &rows {
        assert_eq!(astray(row.last().unwrap()).1, Vec::<String>::new());
    }
}

#[test]
fn every_test_that_the_papers_name_is_there() {
    for (paper, least) in [("docs/guarantees.md", 35), ("docs/security.md", 30)] {
        // A fenced block holds commands, and its marks would shift the others.
        let text: String = text(paper).split("```").step_by(2).collect();
        let (named, wrong) = astray(&text);
        assert_eq!(wrong, Vec::<String>::new(), "{paper}");
        assert!(named >= least, "{paper} names {named} tests only");
    }
    let guarantees = text("docs/guarantees.md");
    let missing = (1..=11).filter(|number| !guarantees.contains(&format!("\n## {number}. ")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<u32>::new(), "there are eleven guarantees");
    assert_eq!(astray("`src/lib.rs::nobody`"), (1, vec!["src/lib.rs::nobody".to_owned()]));
}
