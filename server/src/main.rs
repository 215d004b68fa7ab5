//! `sessile`: the ready-made MCP server and its tools.

mod cli;
mod log;
mod options;

fn main() {}
