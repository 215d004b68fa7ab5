//! `sessile`: the ready-made MCP server and its tools.

// The server that uses them is not joined to them yet.
#[allow(dead_code)]
mod tools;

fn main() {}
