//! The same work on Sessile and on what a server would use in its place, in one process each.
//!
//! Each store runs in a process of its own, so that none inherits the memory of the one before. Prints one table, and
//! writes `results.md` and `results.svg` beside this crate's manifest.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- [--seconds S] [--rounds N] [--only NAME]... [--dry]
//! ```

mod chart;
mod load;
mod machine;
#[path = "../../common/random.rs"]
mod random;
mod report;
#[path = "../../common/session.rs"]
mod session;
mod store;
mod stores;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use load::Plan;
use report::Row;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where the table is shown to everybody, and what it stands between there.
const README: &str = "../../README.md";
const BEGIN: &str = "<!-- benches/peers/results.md -->";
const END: &str = "<!-- end of it -->";

/// What was asked for on the command line.
struct Options {
    seconds: f64,
    rounds: usize,
    only: Vec<String>,
    /// Whether to print alone, and leave the files as they are.
    dry: bool,
    /// In a process that measures one store: which.
    store: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { seconds: 2.0, rounds: 3, only: Vec::new(), dry: false, store: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seconds" => options.seconds = value()?.parse().map_err(|error| format!("--seconds: {error}"))?,
            "--rounds" => options.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?,
            "--only" => options.only.push(value()?),
            "--store" => options.store = Some(value()?),
            "--dry" => options.dry = true,
            other => return Err(format!("{other} is no option; there are --seconds, --rounds, --only and --dry")),
        }
    }
    if options.rounds == 0 || !(options.seconds > 0.0 && options.seconds < 3_600.0) {
        return Err("at least one round of more than no time".to_owned());
    }
    Ok(options)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = options()?;
    let plan = Plan { time: Duration::from_secs_f64(options.seconds), rounds: options.rounds };
    if let Some(name) = &options.store {
        let row = stores::measure(name, plan)?;
        println!("{}", serde_json::to_string(&row.to_json()).map_err(|error| error.to_string())?);
        return Ok(());
    }
    let (mut rows, mut skipped, then) = (Vec::new(), Vec::new(), machine::Ticks::now());
    for name in
        stores::NAMES.into_iter().filter(|name| options.only.is_empty() || options.only.iter().any(|only| only == name))
    {
        if let Some(missing) = stores::missing(name) {
            eprintln!("!! SKIPPED: {name}: {missing}");
            skipped.push(format!("{name}: {missing}"));
            continue;
        }
        eprintln!("{name} ...");
        rows.push(child(name, &options)?);
    }
    let report = report::Report {
        rows,
        skipped,
        plan,
        machine: machine::line(),
        others: machine::Ticks::now().others_since(then),
    };
    println!("{}", report.markdown());
    if !options.dry {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"))
        };
        write("results.md", report.markdown())?;
        write("results.svg", chart::svg(&report))?;
        let readme = std::fs::read_to_string(folder.join(README)).map_err(|error| format!("{README}: {error}"))?;
        write(README, in_place(&readme, &report.table()).ok_or(format!("{README} has no {BEGIN} before {END}"))?)?;
    }
    Ok(())
}

/// A text with what stands between the two marks replaced.
fn in_place(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

/// Measures one store in a process of its own.
fn child(name: &str, options: &Options) -> Result<Row, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["--store", name, "--seconds", &options.seconds.to_string(), "--rounds", &options.rounds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", output.status));
    }
    Row::from_json(&String::from_utf8_lossy(&output.stdout)).ok_or(format!("{name}: no figures came back"))
}
