//! `sessile`: the ready-made MCP server and its tools.

mod auth;
mod cli;
mod log;
mod options;
mod tokens;

fn main() {}
