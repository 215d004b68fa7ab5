//! `sessile`: a ready-made MCP server in which agents keep durable, shared-safe state, and its tools.
//!
//! Exit codes: 0 success, 1 failure, 2 wrong usage or options, 3 state files that were refused, 4 an import that ended
//! with refused items.

mod auth;
mod cli;
mod commands;
mod edge;
mod failure;
#[cfg(test)]
mod foreign;
mod http;
mod load;
mod log;
mod metrics;
mod options;
mod serve;
mod service;
mod shutdown;
mod signals;
mod tokens;
mod tools;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use zeroize::Zeroizing;

use crate::cli::{Cli, Command, ServeArgs, TokenCommand};
use crate::failure::Failure;
use crate::options::{ServeOptions, Variable};

// Many small allocations on many threads, freed on others: what the system's allocator is slowest at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(*args),
        Command::Token(TokenCommand::Add { name, tokens }) => add_token(&name, tokens),
        Command::File(command) => commands::run(command, environment(), &mut io::stdout().lock()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "error: {}", commands::plain(&failure.explain()));
            failure.code()
        }
    }
}

/// `sessile serve`.
fn serve(args: ServeArgs) -> Result<(), Failure> {
    let options = ServeOptions::read(args.into_flags(), environment())?;
    log::start(&options.log);
    for warning in &options.warnings {
        tracing::warn!("{warning}");
    }
    let recorder = metrics::recorder().map_err(Failure::while_doing("setting up metrics"))?;
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|_| Failure::while_doing("setting up metrics")("set up twice"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::while_doing("starting threads"))?.block_on(async {
        let events = signals::listen().map_err(Failure::while_doing("listening for signals"))?;
        let (auth, warning) = auth::prepare(&options.auth).await?;
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        serve::run(&options, auth, handle, events, service::start, &mut io::stdout()).await
    })
}

/// `sessile token add`.
fn add_token(name: &str, tokens: Option<PathBuf>) -> Result<(), Failure> {
    let named = || std::env::var_os("SESSILE_TOKENS").filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = tokens.or_else(named).unwrap_or_else(|| "tokens.toml".into());
    let token = tokens::add(&path, name)?;
    // On stdout the token alone, so that it can be piped on; it is shown this once.
    writeln!(io::stdout(), "{token}").map_err(Failure::while_doing("printing the token"))?;
    let told = format!(
        "wrote the token's hash into {0}; the token itself is not shown again\n\
         serve with it: sessile serve --tokens {0} (a running server reads the file when it starts again)",
        path.display()
    );
    let _ = writeln!(io::stderr(), "{told}");
    Ok(())
}

/// The environment, as far as it is text. A key may be among it, so that its values are wiped wherever they are let go.
fn environment() -> impl Iterator<Item = Variable> {
    std::env::vars_os().filter_map(|(name, value)| {
        let value = Zeroizing::new(value.into_encoded_bytes());
        // One that is text is copied into a place of its size, and leaves nothing behind where it grew.
        let text = std::str::from_utf8(&value).map(str::to_owned);
        let text = text.unwrap_or_else(|_| String::from_utf8_lossy(&value).into_owned());
        Some((name.into_string().ok()?, Zeroizing::new(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_environment_are_wiped_with_their_last_owner() {
        // By type: what is taken from it and let go is wiped, whoever holds it.
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        for (name, value) in environment() {
            wiped(&value);
            assert_eq!(std::env::var_os(name).unwrap().to_string_lossy(), **value);
        }
    }
}
