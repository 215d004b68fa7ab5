//! `sessile`: the ready-made MCP server and its tools.

mod auth;
mod cli;
mod http;
mod log;
mod options;
mod shutdown;
mod tokens;

fn main() {}
