//! README.md against the server that it speaks of: what it prints at a start, the flags it takes and the tools it lists.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's panic is its verdict")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap()
}

/// The rows of the first table under a heading, as trimmed cells; neither its head nor its rule.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = readme();
    let (_, section) = readme.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(2).map(cells).collect()
}

/// Compares a table with what it has to say; a failure prints the table to be pasted.
fn assert_table(heading: &str, expected: &[Vec<String>]) {
    let lines: Vec<_> = expected.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert_eq!(table(heading), expected, "the table under {heading} has to be\n{}", lines.join("\n"));
}

/// The binary, in an environment without options.
fn sessile() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SESSILE_")) {
        command.env_remove(name);
    }
    command
}

#[test]
fn flags_are_those_of_the_command_line() {
    let help = sessile().args(["serve", "--help"]).env("COLUMNS", "1000").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut rows = Vec::new();
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(flag) = line.trim_start().strip_prefix("--") else { continue };
        let name = flag.split([' ', '[', '=']).next().unwrap();
        // The text is on the same line where there is room, else on the next ones.
        let mut told = flag.split_once("  ").map(|(_, told)| told.trim().to_owned()).unwrap_or_default();
        while let Some(more) = lines.next_if(|line| !line.trim().is_empty() && !line.trim_start().starts_with('-')) {
            told = format!("{told} {}", more.trim());
        }
        let default = told.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
        let variable = format!("SESSILE_{}", name.to_ascii_uppercase().replace('-', "_"));
        let key = if name == "config" { String::new() } else { format!("`{name}`") };
        let default = default.map_or_else(String::new, |(default, _)| default.to_owned());
        rows.push(vec![format!("`--{name}`"), format!("`{variable}`"), key, default]);
    }
    assert!(rows.len() > 15, "{help}");
    assert_table("## Configuration", &rows);
}

/// A running server, killed when the test ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server on a free port; gives its address.
fn start(folder: &Path) -> (Server, String) {
    let mut server = sessile();
    server.args(["serve", "--addr", "127.0.0.1:0", "--snapshots"]).arg(folder);
    let mut child = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let server = Server(child);
    let line = lines.map_while(Result::ok).find(|line| line.trim_start().starts_with("mcp ")).unwrap();
    let address = line.split_once("http://").unwrap().1.split('/').next().unwrap().to_owned();
    (server, address)
}

/// Asks for a method of the era without sessions; gives its result.
fn ask(address: &str, method: &str, mut params: Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "papers", "version": "0" },
    });
    let name = params.get("name").and_then(Value::as_str).map(|name| format!("mcp-name: {name}\r\n"));
    let name = name.unwrap_or_default();
    params["_meta"] = meta;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let head = format!(
        "POST /mcp HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\n{name}content-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    let text =
        text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim()).find(|line| line.starts_with('{'));
    let message: Value = serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap();
    message.get("result").cloned().unwrap_or_else(|| panic!("{answer}"))
}

/// The properties of a schema, in the order of the table, with `?` behind those that may be missing.
fn properties(schema: &Value, order: &str) -> String {
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    names.sort_by_key(|name| order.find(&format!("`{name}")).unwrap_or(usize::MAX));
    let shown: Vec<_> = names
        .into_iter()
        .map(|name| format!("`{name}{}`", if required.contains(&name.as_str()) { "" } else { "?" }))
        .collect();
    shown.join(", ")
}

/// What `GET /metrics` tells of itself, beside what the library's own table has.
#[test]
fn metrics_of_the_server_are_those_that_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start(&folder.path().join("snapshots"));
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let library: Vec<_> = table("## Metrics").into_iter().map(|row| row[0].clone()).collect();
    let told = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let mut rows: Vec<_> = told
        .map(|(name, help)| (name, format!("`{name}`"), help.trim_end_matches('.')))
        .filter(|(_, cell, _)| !library.contains(cell))
        .map(|(name, cell, help)| {
            let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
            let sample = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap_or_default();
            let label = sample.split_once('{').and_then(|(_, rest)| rest.split_once('=')).map(|(label, _)| label);
            vec![cell, label.map_or_else(String::new, |label| format!("`{label}`")), format!("{kind}. {help}")]
        })
        .collect();
    rows.sort();
    assert_table("### Metrics of the server", &rows);
}

#[test]
fn tools_are_those_that_the_server_lists() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address) = start(&folder.path().join("snapshots"));
    let told = table("## Tools");
    let listed = ask(&address, "tools/list", json!({}));
    let rows: Vec<_> = listed["tools"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(place, tool)| {
            let cell = |column: usize| told.get(place).and_then(|row| row.get(column)).map_or("", String::as_str);
            let name = format!("`{}`", tool["name"].as_str().unwrap());
            vec![name, properties(&tool["inputSchema"], cell(1)), properties(&tool["outputSchema"], cell(2))]
        })
        .collect();
    assert_table("## Tools", &rows);
}

/// Starts a server as README.md does, but for its port; gives the first lines that it prints, with the port put back.
fn announced(home: &Path, lines: usize) -> (Server, String, Vec<String>) {
    let mut server = sessile();
    server.args(["serve", "--addr", "127.0.0.1:0"]).current_dir(home);
    let mut child = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let told: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().take(lines).map_while(Result::ok).collect();
    let server = Server(child);
    let mcp = told.iter().find_map(|line| line.trim_start().strip_prefix("mcp ")).unwrap();
    let address = mcp.split_once("http://").unwrap().1.split('/').next().unwrap().to_owned();
    let told = told.iter().map(|line| line.replace(&address, "127.0.0.1:8808")).collect();
    (server, address, told)
}

/// A line without its figures.
fn shape(line: &str) -> String {
    let mut shape = line.replace(|c: char| c.is_ascii_digit(), "0");
    while shape.contains("00") {
        shape = shape.replace("00", "0");
    }
    shape
}

#[test]
fn the_first_walk_is_what_is_seen() {
    let readme = readme();
    let (_, walk) = readme.split_once("\n## Kill it, start it again\n").unwrap();
    let (walk, _) = walk.split_once("\n## ").unwrap();
    let mut blocks = walk.split("\n```text\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0.lines());
    let first: Vec<_> = blocks.next().unwrap().collect();
    let second: Vec<_> = blocks.next().unwrap().collect();
    let home = tempfile::tempdir().unwrap();
    let (server, address, told) = announced(home.path(), first.len());
    assert_eq!(told, first);
    let set = json!({ "name": "write_state", "arguments": { "set": [{ "key": "plan", "value": { "step": 1 } }] } });
    assert_eq!(ask(&address, "tools/call", set)["structuredContent"]["revision"], 1);
    let counted = |address: &str| {
        let add = json!({ "name": "increment_state", "arguments": { "key": "visits" } });
        ask(address, "tools/call", add)["structuredContent"].clone()
    };
    let shown: Vec<Value> = walk
        .split("\n```json\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split_once("\n```").unwrap().0).unwrap())
        .collect();
    assert_eq!(counted(&address), shown[0]);
    // Killed once the journal tells of it, which takes about a second.
    let deadline = Instant::now() + Duration::from_secs(30);
    let written = || {
        let out = sessile().args(["export", "snapshots"]).current_dir(home.path()).output().unwrap();
        String::from_utf8(out.stdout).unwrap().contains("visits")
    };
    while !written() {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(server);
    let (_server, address, told) = announced(home.path(), first.len() - 1 + second.len());
    let restored: Vec<_> = told.iter().skip(first.len() - 1).map(|line| shape(line)).collect();
    assert_eq!(restored, second.iter().map(|line| shape(line)).collect::<Vec<_>>());
    assert_eq!(counted(&address), shown[1]);
}
