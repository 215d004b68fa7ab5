//! Tokens made as an operator makes them.

use std::path::Path;

use super::server::sessile;

/// Flags of a server that tells callers apart by `tokens.toml` of its folder.
pub(crate) const FLAGS: [&str; 2] = ["--tokens", "tokens.toml"];

/// Adds a caller to the tokens file in `home`; gives the token, which is shown this once.
pub(crate) fn add(home: &Path, name: &str) -> String {
    let added = sessile(home).args(["token", "add", name, "--tokens", "tokens.toml"]).output().unwrap();
    assert!(added.status.success(), "{added:?}");
    String::from_utf8(added.stdout).unwrap().trim_end().to_owned()
}
