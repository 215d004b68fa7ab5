//! The program itself: exit codes, what goes to stdout and what to stderr, signals.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, in a folder of its own and without our variables.
fn sessile(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSILE_")) {
        command.env_remove(name);
    }
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    sessile(folder).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn wrong_usage_and_wrong_options_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["swim"]).status.code(), Some(2));
    assert_eq!(run(folder.path(), &["serve", "--colour", "red"]).status.code(), Some(2));
    let wrong = run(folder.path(), &["serve", "--addr", "0.0.0.0:0", "--sweep-every", "0s"]);
    assert_eq!((wrong.status.code(), text(&wrong.stdout)), (Some(2), ""));
    let told = text(&wrong.stderr);
    assert!(told.starts_with("error: the options cannot be used:\n"), "{told}");
    assert!(told.contains("--auth anonymous") && told.matches("--sweep-every: `0s`").count() == 1, "{told}");
    for every in ["2h", "100us"] {
        let wrong = run(folder.path(), &["serve", "--addr", "x", "--flush-every", every]);
        let told = text(&wrong.stderr);
        assert_eq!(wrong.status.code(), Some(2), "{told}");
        assert!(told.contains("--addr: `x`") && told.contains(&format!("--flush-every: `{every}`")), "{told}");
    }
}

#[test]
fn a_missing_tokens_file_exits_with_1_and_says_how_to_make_it() {
    let folder = tempfile::tempdir().unwrap();
    let failed = run(folder.path(), &["serve", "--addr", "127.0.0.1:0", "--tokens", "t.toml"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("`sessile token add NAME --tokens t.toml` makes one\n  because: "));
}

#[test]
fn token_add_prints_the_token_alone_and_refuses_a_taken_name() {
    let folder = tempfile::tempdir().unwrap();
    let added = run(folder.path(), &["token", "add", "alice"]);
    assert!(added.status.success());
    let token = text(&added.stdout).trim_end();
    assert_eq!(text(&added.stdout), format!("{token}\n"));
    assert!(!text(&added.stderr).contains(token));
    let file = std::fs::read_to_string(folder.path().join("tokens.toml")).unwrap();
    assert!(file.starts_with("\"alice\" = \"") && !file.contains(token));
    let again = run(folder.path(), &["token", "add", "alice"]);
    assert_eq!((again.status.code(), text(&again.stdout)), (Some(2), ""));
    let elsewhere = sessile(folder.path()).args(["token", "add", "alice"]).env("SESSILE_TOKENS", "other.toml").output();
    assert!(elsewhere.unwrap().status.success() && folder.path().join("other.toml").exists());
}

#[test]
fn serves_until_sigterm_and_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = sessile(folder.path())
        .args(["serve", "--addr", "127.0.0.1:0", "--log", "off"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut announced = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mcp = announced.find(|line| line.trim_start().starts_with("mcp ")).unwrap();
    let addr = mcp.split("http://").nth(1).unwrap().strip_suffix("/mcp").unwrap();
    assert!(announced.any(|line| line.trim_start().starts_with("restored ")));
    let mut io = TcpStream::connect(addr).unwrap();
    io.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
    assert!(Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
