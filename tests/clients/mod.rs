//! The official MCP clients as child processes, for integration tests.
//!
//! Each client runs inside a driver, a script of its own language, which takes one JSON object per line and answers
//! one per line. README.md beside this file has the commands.

// Each test binary that includes this module uses a part of it.
#![allow(dead_code)]

mod driver;
mod install;
mod packages;

pub(crate) use driver::Driver;

/// An official client, by language and major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// npm `@modelcontextprotocol/sdk`: the older era.
    TsV1,
    /// npm `@modelcontextprotocol/client`: both eras.
    TsV2,
    /// PyPI `mcp` 1: the older era.
    PyV1,
    /// PyPI `mcp` 2: both eras.
    PyV2,
}

impl ClientKind {
    /// Every client.
    pub(crate) const ALL: [Self; 4] = [Self::TsV1, Self::TsV2, Self::PyV1, Self::PyV2];

    /// The eras that this client speaks, as `connect` names them.
    pub(crate) const fn eras(self) -> &'static [&'static str] {
        match self {
            Self::TsV1 | Self::PyV1 => &["legacy"],
            Self::TsV2 | Self::PyV2 => &["legacy", "modern"],
        }
    }
}

/// Starts a driver; installs its client from the lock file when this is the first use.
///
/// Gives `None`, with a loud line on stderr, where node or python3 is missing. With `SESSILE_REQUIRE_ALL=1` in the
/// environment that is a panic instead, and a failed installation always is.
pub(crate) fn driver(kind: ClientKind) -> Option<Driver> {
    match packages::command(kind) {
        Ok(command) => Some(Driver::start(kind, command)),
        Err(missing) => {
            let line = format!("SKIPPED: {missing}, so nothing is tested with {kind:?}");
            assert!(std::env::var_os("SESSILE_REQUIRE_ALL").is_none_or(|value| value != "1"), "{line}");
            install::say(&line);
            None
        }
    }
}
