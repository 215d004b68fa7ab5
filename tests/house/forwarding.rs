//! Our handler around an author's forwards all that rmcp may ask of it.

use std::collections::BTreeSet;
use std::process::Command;

use super::text;

/// Names of the methods between two lines of rmcp's source.
fn asked(source: &str) -> BTreeSet<String> {
    let (_, methods) = source.split_once("macro_rules! server_handler_methods").unwrap();
    let (methods, _) = methods.split_once("pub trait ServerHandler").unwrap();
    names(methods)
}

fn names(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let names = lines.flat_map(|line| line.split("fn ").skip(1));
    names.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned).collect()
}

#[test]
fn every_method_of_rmcps_handler_is_forwarded() {
    // For this system alone: the sources of others need not be here.
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    let metadata = Command::new(env!("CARGO")).args(arguments).current_dir(super::root()).output().unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let rmcp = packages.iter().find(|package| package["name"] == "rmcp").unwrap();
    let manifest = std::path::Path::new(rmcp["manifest_path"].as_str().unwrap());
    let source = std::fs::read_to_string(manifest.with_file_name("src/handler/server.rs")).unwrap();

    let ours = text("src/mcp/handler.rs");
    let (_, forwarded) = ours.split_once("impl<S: ServerHandler> ServerHandler").unwrap();
    let in_macro = forwarded.lines().map(str::trim_start).filter(|line| line.ends_with(';'));
    let in_macro = in_macro.filter_map(|line| line.rsplit("=> ").next()?.split_once('('));
    let in_macro = in_macro.map(|(name, _)| name.to_owned());
    let forwarded: BTreeSet<_> = in_macro.chain(names(forwarded)).collect();
    let missing: Vec<_> = asked(&source).difference(&forwarded).cloned().collect();
    assert!(missing.is_empty(), "an author's own {missing:?} would not be asked; forward them in src/mcp/handler.rs");
    assert!(asked(&source).len() > 30, "rmcp's trait is written in another way: this test reads nothing");
}
