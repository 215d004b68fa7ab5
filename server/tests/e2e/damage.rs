//! Damaged and newer files: an older generation is used and the server says so, or it refuses to start; no file is touched.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Caller, Era, Raw, Server, state_files};

/// What can happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Truncated,
    Flipped,
    Empty,
    Newer,
}

const DAMAGE: [Harm; 3] = [Harm::Truncated, Harm::Flipped, Harm::Empty];

impl Harm {
    fn on(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        match self {
            Self::Truncated => bytes.truncate(middle),
            Self::Flipped => bytes[middle] ^= 0x10,
            Self::Empty => bytes.clear(),
            Self::Newer => bytes = newer(bytes),
        }
        fs::write(path, bytes).unwrap();
    }
}

/// The file as a release with the next version of the format would begin it.
fn newer(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes[0] == b'{' {
        let text = String::from_utf8(bytes).unwrap();
        let next = text.replacen("-v2\",\"version\":2,", "-v3\",\"version\":3,", 1);
        assert_ne!(text, next);
        return next.into_bytes();
    }
    // Magic, version, and the checksum of both.
    bytes[8..12].copy_from_slice(&3_u32.to_le_bytes());
    let checksum = crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

fn round(server: &Server) -> Value {
    Raw::connect(server, Era::Modern, None).value(&Value::Null, "round")
}

/// Files of a killed server whose newest generation holds another round than the one before it; and the newest round.
fn written(format: &str) -> (Server, i64) {
    let mut server = Server::start(&["--format", format]);
    let mut writer = Raw::connect(&server, Era::Modern, None);
    let newest = |server: &Server| state_files::generations(&server.snapshots()).pop();
    for number in 1.. {
        let before = newest(&server);
        writer.set(&Value::Null, "round", json!(number));
        server.snapshot();
        // A snapshot of its own accord may have come in between; then once more.
        let files = state_files::generations(&server.snapshots());
        if number > 3 && files.iter().rev().nth(1) == before.as_ref() {
            server.kill();
            return (server, number);
        }
    }
    unreachable!("rounds have no end")
}

#[test]
fn one_damaged_file_means_the_generation_before_it_and_a_server_that_says_degraded() {
    for format in ["bincode", "json"] {
        let (source, newest) = written(format);
        for harm in DAMAGE {
            let home = state_files::copy(&source.snapshots());
            let file = state_files::generations(&home.path().join("snapshots")).pop().unwrap();
            harm.on(&file);
            let damaged = fs::read(&file).unwrap();
            let mut server = Server::start_in(home, &["--format", format]).unwrap();
            let context = format!("{format} {harm:?}");
            let ready = server.get("/readyz");
            assert_eq!(ready.status, 200, "{context}");
            assert!(ready.body.contains("degraded"), "{context}: {}", ready.body);
            assert_eq!(server.metrics().value("sessile_restore_degraded"), 1.0, "{context}");
            assert_eq!(round(&server), newest - 1, "{context}");
            // More generations than are kept: the damaged one is put aside, neither removed nor overwritten.
            for number in 100..104 {
                Raw::connect(&server, Era::Modern, None).set(&Value::Null, "round", json!(number));
                server.snapshot();
            }
            server.stop();
            let aside = server.snapshots().join("quarantine").join(file.file_name().unwrap());
            assert_eq!(fs::read(aside).unwrap(), damaged, "{context}");
            assert_eq!(state_files::generations(&server.snapshots()).len(), 3, "{context}");
            server.start_again();
            assert_eq!(round(&server), 103, "{context}");
            assert_eq!(server.get("/readyz").body, "ready\n", "{context}: the newest is whole again");
            assert_eq!(server.metrics().value("sessile_restore_degraded"), 0.0, "{context}");
        }
    }
}

#[test]
fn a_newer_file_or_none_that_is_whole_means_exit_3_and_untouched_files() {
    for format in ["bincode", "json"] {
        let (source, _) = written(format);
        let all = [Harm::Truncated, Harm::Flipped, Harm::Empty, Harm::Newer].map(|harm| (harm, true));
        for (harm, every) in all.into_iter().chain([(Harm::Newer, false)]) {
            let home = state_files::copy(&source.snapshots());
            let folder = home.path().join("snapshots");
            let files = state_files::generations(&folder);
            files.iter().skip(if every { 0 } else { files.len() - 1 }).for_each(|file| harm.on(file));
            let before = state_files::contents(&folder);
            let harmed = files.last().unwrap();
            let context = format!("{format} {harm:?}, every file: {every}");
            let home = refused(home, &context);
            assert_eq!(state_files::contents(&folder), before, "{context}");

            let mut server = Server::start_in(home, &["--start-empty"]).unwrap();
            assert_eq!(round(&server), Value::Null, "{context}");
            Raw::connect(&server, Era::Modern, None).set(&Value::Null, "round", json!("anew"));
            server.stop();
            let after = state_files::contents(&folder);
            // Whole ones that are older go when there are enough of those that came since.
            let kept = |path| every || path == harmed;
            let mut kept = before.iter().filter(|(path, _)| kept(*path));
            assert!(kept.all(|(path, bytes)| after.get(path) == Some(bytes)), "{context}");
            server.start_again_with(&[]);
            assert_eq!(round(&server), "anew", "{context}");
        }
    }
}

/// Starts where nothing can be restored; gives the home back.
fn refused(home: TempDir, context: &str) -> TempDir {
    let refused = Server::start_in(home, &[]).err().unwrap_or_else(|| panic!("{context}: it started"));
    assert_eq!(refused.code, Some(3), "{context}: {}", refused.log);
    assert!(refused.log.contains("start empty"), "{context}: {}", refused.log);
    refused.home
}
