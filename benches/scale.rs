//! What a million sessions cost: to hold, to create, to write, to restore and to sweep, each beside a raw baseline of the
//! same run.
//!
//! ```text
//! cargo bench -p sessile --bench scale -- [--sessions 100000] [--part all | --part sweep,snapshot] [--folder PATH]
//! parts: memory create updates snapshot restore sweep reads all
//! ```
//!
//! A session is ten keys, 919 bytes of keys and JSON; an owner has a hundred of them. The figures of the papers are of
//! `--sessions 1000000` on a quiet machine; 8,000,000 take about 14 GB of memory and 10 GB of disk. The ratio to the
//! baseline is what carries over to another machine. Other tasks are one thread of updates at a fixed rate of 64,000 a
//! second, each timed from when it was due; it spins while it waits, so with it there is one core less. Rows "on a
//! processor" leave out what that thread waited for one: with two cores and three threads the rest is the machine's.
//!
//! State is checked after each part: a bench that lost a session has no figure to give.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that cannot be set up has no figure to give"
)]

#[path = "scale/load.rs"]
mod load;
#[path = "scale/machine.rs"]
mod machine;
#[path = "scale/parts.rs"]
mod parts;
#[path = "scale/probe.rs"]
mod probe;
#[path = "common/processor.rs"]
mod processor;
#[path = "scale/raw.rs"]
mod raw;

use std::path::PathBuf;

/// As in the server, whose figures these are to be.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTS: [&str; 10] =
    ["memory", "create", "updates", "snapshot", "restore", "sweep", "reads", "all", "restored", "refilled"];

/// What was asked for.
struct Options {
    sessions: u64,
    part: String,
    folder: Option<PathBuf>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { sessions: 100_000, part: "all".to_owned(), folder: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--sessions" => options.sessions = value().replace('_', "").parse().expect("a number of sessions"),
                "--part" => options.part = value(),
                "--folder" => options.folder = Some(value().into()),
                // What cargo itself passes on.
                "--bench" => {}
                other => panic!("unknown option {other}; there are --sessions, --part and --folder"),
            }
        }
        assert!(
            options.part.split(',').all(|part| PARTS.contains(&part)),
            "parts are of {PARTS:?}, with commas between"
        );
        options
    }

    fn wants(&self, part: &str) -> bool {
        self.part.split(',').any(|wanted| wanted == part || wanted == "all")
    }
}

fn main() {
    let options = Options::read();
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = options.folder.clone().unwrap_or_else(|| temporary.path().join("snapshots"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // A process of its own, so that nothing is warm and nothing of the writer's memory is used again.
    if options.part == "refilled" {
        return parts::refilled(options.sessions, &folder);
    }
    if options.part == "restored" {
        return runtime.block_on(parts::restored(options.sessions, &folder));
    }
    println!("{} sessions of {} bytes, {} cores", options.sessions, load::BYTES, machine::cores());
    machine::heading();
    runtime.block_on(async {
        let service = load::builder(options.sessions, &folder).start().await.expect("starts");
        assert!(service.restored().file.is_none(), "the folder holds files already; give another one");
        let held = parts::fill(&service, options.sessions, options.wants("updates")).await;
        if options.wants("sweep") {
            parts::sweep(&service, &held).await;
        }
        if options.wants("reads") {
            parts::reads(&service, &held).await;
        }
        if options.wants("snapshot") {
            parts::snapshot(&service, &held, &folder).await;
        }
        if options.wants("restore") {
            service.drain().await.expect("drains");
        }
    });
    drop(runtime);
    if options.wants("restore") {
        parts::restore(options.sessions, &folder);
    }
}
