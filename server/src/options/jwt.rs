//! Callers by signed tokens: whose, for whom, and the keys.

use std::path::PathBuf;

use super::parse;
use super::source::Sources;

/// The options that belong to `auth` `jwt`.
const NAMES: [&str; 3] = ["jwt-issuer", "jwt-audience", "jwks"];

/// Whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwtOption {
    /// Who issues them.
    pub(crate) issuer: String,
    /// For whom they are: the address of this server, as clients know it.
    pub(crate) audience: String,
    /// What they are signed with.
    pub(crate) keys: KeySet,
}

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySet {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(String),
}

/// Whether somebody gave one of them.
pub(super) fn is_named(sources: &Sources) -> bool {
    NAMES.iter().any(|name| sources.has(name))
}

impl JwtOption {
    /// Reads them; `None` when one is wrong or missing, which is then a problem.
    pub(super) fn read(sources: &mut Sources) -> Option<Self> {
        let missing: Vec<_> = NAMES.iter().filter(|name| !sources.has(name)).map(|name| format!("--{name}")).collect();
        if !missing.is_empty() {
            sources.problems.add(format!(
                "auth is jwt, and something of it is missing; give {} too, such as --jwt-issuer https://id.example.com \
                 --jwt-audience https://mcp.example.com/mcp --jwks https://id.example.com/jwks.json",
                missing.join(" and ")
            ));
        }
        let issuer = sources.one("jwt-issuer", parse::issuer);
        let audience = sources.one("jwt-audience", parse::audience);
        let keys = sources.one("jwks", parse::key_set);
        Some(Self { issuer: issuer?, audience: audience?, keys: keys? })
    }
}
