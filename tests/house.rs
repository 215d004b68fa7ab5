//! The house in order: files stay short, papers stay true, nothing in them points at one machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's panic is its verdict")]

#[path = "house/architecture.rs"]
mod architecture;
#[path = "house/forwarding.rs"]
mod forwarding;
#[path = "house/readme.rs"]
mod readme;
#[path = "house/tree.rs"]
mod tree;

use std::path::Path;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of the first table under a heading, as trimmed cells; neither its head nor its rule.
fn table(paper: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = paper.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

/// Compares a table with what it has to say; a failure prints the table to be pasted.
fn assert_table(paper: &str, heading: &str, expected: &[Vec<String>]) {
    let lines: Vec<_> = expected.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert_eq!(table(paper, heading), expected, "the table under {heading} has to be\n{}", lines.join("\n"));
}
