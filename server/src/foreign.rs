//! Tokens files, configuration files and arguments of tools from strangers: what is wrong is said, and nothing panics.

#![allow(clippy::print_stdout, reason = "seeds and figures are what these tests print")]

use std::fs;

use serde_json::{Map, Value, json};
use sessile::fuzzing::{Random, mutate};

use crate::cli::Flags;
use crate::options::ServeOptions;
use crate::tokens;

const TOKENS: &str = "# people\nalice = \"2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90\"\n\"bob smith\" = \"81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9\"\n";
const CONFIG: &str = "addr = '127.0.0.1:8808'\nmax-sessions = 500\nidle-timeout = '5m'\nallowed-host = ['a.example', 'b.example:8080']\nformat = \"json\"\nstart-empty = true\nkeep-for = '7d'\nlog = 'info,sessile=debug'\n";

fn seed() -> u64 {
    let given = std::env::var("SESSILE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
    println!("SESSILE_SEED={seed}");
    seed
}

/// Feeds a reader of files with texts that are almost right.
fn fed(right: &str, inputs: u64, mut read: impl FnMut(&std::path::Path) -> bool) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (file, mut random, mut taken) = (folder.path().join("file"), Random(seed()), 0);
    for _ in 0..inputs {
        fs::write(&file, mutate(right.as_bytes(), &mut random)).unwrap();
        taken += u64::from(read(&file));
    }
    println!("{inputs} inputs, {taken} taken");
    assert!(taken > 0 && taken < inputs);
}

#[test]
fn tokens_files() {
    fed(TOKENS, 50_000, |file| tokens::load(file).is_ok());
}

#[test]
fn configuration_files() {
    fed(CONFIG, 20_000, |file| {
        let flags = Flags::from([("config", vec![file.display().to_string()])]);
        ServeOptions::read(flags, []).is_ok()
    });
}

/// Arguments that mostly have the right names, and values of any kind.
pub(crate) fn arguments(names: &[String], handles: &[String], random: &mut Random) -> Map<String, Value> {
    let mut arguments = Map::new();
    for name in names {
        if random.below(3) > 0 {
            arguments.insert(name.clone(), value(handles, random, 0));
        }
    }
    if random.below(30) == 0 {
        arguments.insert("surprise".to_owned(), value(handles, random, 0));
    }
    arguments
}

fn value(handles: &[String], random: &mut Random, depth: u32) -> Value {
    let text = |random: &mut Random| {
        let right = ["a", "cart", "größe", "2027-01-01T00:00:00Z", "/a/0/-"][random.below(5) as usize];
        String::from_utf8_lossy(&mutate(right.as_bytes(), random)).into_owned()
    };
    match random.below(if depth > 3 { 7 } else { 10 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.below(20)),
        3 => json!([i64::MIN as f64, 1e308, -0.5][random.below(3) as usize]),
        4 => json!([u64::MAX, i64::MAX as u64, 1 << 53][random.below(3) as usize]),
        5 if !handles.is_empty() => json!(handles[random.below(handles.len() as u64) as usize]),
        5 | 6 => json!(text(random)),
        7 => (0..random.below(4)).map(|_| value(handles, random, depth + 1)).collect(),
        _ => {
            let known = ["key", "value", "op", "path", "from", "ttl_seconds", "a", "k"];
            let members = (0..random.below(4)).map(|_| {
                let name = known[random.below(known.len() as u64) as usize];
                (name.to_owned(), value(handles, random, depth + 1))
            });
            Value::Object(members.collect())
        }
    }
}

/// The seed of a run of arguments.
pub(crate) fn numbers() -> Random {
    Random(seed())
}
