//! The command line: what can be asked for, before anything is checked.

mod files;
mod serve;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use serve::{Flags, ServeArgs};

/// Durable, shared-safe state for MCP agents, and the tools that look after it.
///
/// Exit codes: 0 success, 1 failure, 2 wrong usage or options, 3 state files that were refused.
#[derive(Debug, Parser)]
#[command(name = "sessile", version, about, long_about, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
//
// `files::FileCommand` (inspect, verify, export, import) joins here, flattened, together with the module that runs it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves MCP at `/mcp`, until SIGTERM or SIGINT.
    Serve(Box<ServeArgs>),
    /// Looks after the bearer tokens of `serve --tokens`.
    #[command(subcommand)]
    Token(TokenCommand),
}

/// What to do with bearer tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a new token, prints it once and writes its hash into the tokens file.
    Add {
        /// Whom the token stands for: the subject that owns the sessions.
        name: String,
        /// The tokens file, made when missing; `SESSILE_TOKENS` when left out, else `tokens.toml`.
        #[arg(long, value_name = "FILE")]
        tokens: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_token_add() {
        let cli = Cli::try_parse_from(["sessile", "token", "add", "alice", "--tokens", "t.toml"]).unwrap();
        let Command::Token(TokenCommand::Add { name, tokens }) = cli.command else { panic!("another command") };
        assert_eq!((name.as_str(), tokens), ("alice", Some(PathBuf::from("t.toml"))));
    }
}
