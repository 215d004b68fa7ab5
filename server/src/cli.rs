//! The command line: what can be asked for, before anything is checked.

mod files;
mod serve;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use files::{ExportArgs, ExportFormat, FileCommand, ImportArgs, InspectArgs, OnConflict, VerifyArgs};
pub(crate) use serve::{Flags, ServeArgs};

/// Durable, shared-safe state for MCP agents, and the tools that look after it.
///
/// Exit codes: 0 success, 1 failure, 2 wrong usage or options, 3 state files that were refused, 4 an
/// import that ended with refused items.
#[derive(Debug, Parser)]
#[command(name = "sessile", version, about, long_about, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves MCP at `/mcp`, until SIGTERM or SIGINT.
    Serve(Box<ServeArgs>),
    /// Looks after the bearer tokens of `serve --tokens`.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Looks after files of state.
    #[command(flatten)]
    File(FileCommand),
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
