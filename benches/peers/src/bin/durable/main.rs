//! Updates that are on disk before they are acknowledged: a bare file, Sessile, Redis and SQLite, on one disk in one run.
//!
//! Each measurement has a process and a folder of its own, and stores take turns, so that a disk that is slow for a
//! while is slow for all of them. What was acknowledged is counted afterwards; a store that lost any has no figures.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml --bin durable -- [--seconds S] [--rounds N]
//!     [--only NAME]... [--callers N]... [--folder PATH]
//! ```

#[path = "../../machine.rs"]
#[allow(dead_code, reason = "nobody asks here what is resident")]
mod machine;
mod queue;
#[path = "../../../../common/random.rs"]
mod random;
mod raw;
mod redis;
mod run;
mod sessile;
#[path = "../../../../common/session.rs"]
#[allow(dead_code, reason = "nothing is read here")]
mod session;
mod sqlite;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use run::{Figures, Plan, measure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// In the order of the table. The first is what the others are compared with.
const NAMES: [&str; 6] = [
    "a file: write, fdatasync",
    "Sessile, `Commit`",
    "Redis, `appendfsync always`",
    "SQLite, an update a transaction",
    "SQLite, up to 100 that wait in a transaction",
    "SQLite, 100 of one caller in a transaction",
];
const CALLERS: [usize; 4] = [1, 8, 64, 1_000];
/// The last of them is measured at so many callers alone: a call of a hundred updates is nobody else's call.
const HUNDRED: usize = 64;

/// What was asked for on the command line.
struct Options {
    seconds: f64,
    rounds: usize,
    only: Vec<String>,
    callers: Vec<usize>,
    /// Where the folders of the stores are made: beside the program, on a disk and not in memory, unless told.
    folder: PathBuf,
    /// In a process that measures one store: which.
    store: Option<String>,
}

fn options() -> Result<Options, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = program.parent().ok_or("the program is in no folder")?.to_owned();
    let mut options = Options { seconds: 3.0, rounds: 3, only: Vec::new(), callers: Vec::new(), folder, store: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let wrong = |error: &dyn std::fmt::Display| format!("{argument}: {error}");
        match argument.as_str() {
            "--seconds" => options.seconds = value()?.parse().map_err(|error| wrong(&error))?,
            "--rounds" => options.rounds = value()?.parse().map_err(|error| wrong(&error))?,
            "--callers" => options.callers.push(value()?.parse().map_err(|error| wrong(&error))?),
            "--only" => options.only.push(value()?),
            "--folder" => options.folder = value()?.into(),
            "--store" => options.store = Some(value()?),
            other => {
                return Err(format!(
                    "{other} is no option; there are --seconds, --rounds, --only, --callers and --folder"
                ));
            }
        }
    }
    if options.callers.is_empty() {
        options.callers = CALLERS.to_vec();
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
    if let Some(name) = &options.store {
        let (time, callers) = (Duration::from_secs_f64(options.seconds), options.callers[0]);
        let folder = tempfile::Builder::new().prefix("durable-").tempdir_in(&options.folder);
        let folder = folder.map_err(|error| error.to_string())?;
        let figures = one(name, &Plan { time, callers, folder: folder.path().to_owned() })?;
        println!("{}", figures.to_json());
        return Ok(());
    }
    let asked = |name: &&str| options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()));
    let mut names: Vec<&str> = NAMES.into_iter().filter(asked).collect();
    if !redis::is_installed() && names.contains(&NAMES[2]) {
        eprintln!("!! SKIPPED: {}: redis-server is not installed", NAMES[2]);
        names.retain(|name| *name != NAMES[2]);
    }
    let then = machine::Ticks::now();
    println!("| callers | store | updates, /s | p50, µs | p99, µs | of the file's | lowest to highest, /s |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for callers in &options.callers {
        let mut rounds: Vec<Vec<Figures>> = names.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.rounds {
            let fits = |name: &str| name != NAMES[5] || *callers == HUNDRED;
            for (name, figures) in names.iter().zip(&mut rounds).filter(|(name, _)| fits(name)) {
                figures.push(child(name, *callers, &options)?);
            }
        }
        let mut file = None;
        for (name, mut figures) in names.iter().zip(rounds) {
            figures.sort_by(|one, other| one.rate.total_cmp(&other.rate));
            let Some(median) = figures.get(figures.len() / 2) else { continue };
            let file = *file.get_or_insert(median.rate);
            let (low, high) = (figures[0].rate, figures[figures.len() - 1].rate);
            let Figures { rate, p50, p99, .. } = median;
            println!(
                "| {callers} | {name} | {rate:.0} | {p50:.0} | {p99:.0} | {:.2} | {low:.0} to {high:.0} |",
                rate / file
            );
        }
    }
    let others = 100.0 * machine::Ticks::now().others_since(then);
    println!("\nMedian of {} rounds of {} s; {}.", options.rounds, options.seconds, machine::line());
    println!("Other work took {others:.0} % of the machine meanwhile.");
    Ok(())
}

/// Measures one store, on a runtime of two workers.
fn one(name: &str, plan: &Plan) -> Result<Figures, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let plan = plan.clone();
    let task = match NAMES.iter().position(|known| *known == name) {
        Some(0) => runtime.spawn(measure::<raw::Raw>(plan)),
        Some(1) => runtime.spawn(measure::<sessile::Sessile>(plan)),
        Some(2) => runtime.spawn(measure::<redis::Redis>(plan)),
        Some(3) => runtime.spawn(measure::<sqlite::Each>(plan)),
        Some(4) => runtime.spawn(measure::<sqlite::Waiting>(plan)),
        Some(5) => runtime.spawn(measure::<sqlite::Hundred>(plan)),
        _ => return Err(format!("{name} is none of {NAMES:?}")),
    };
    runtime.block_on(task).map_err(|error| format!("{name}: {error}"))?
}

/// The same in a process of its own.
fn child(name: &str, callers: usize, options: &Options) -> Result<Figures, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["--store", name, "--seconds", &options.seconds.to_string(), "--callers", &callers.to_string()])
        .arg("--folder")
        .arg(&options.folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", output.status));
    }
    Figures::from_json(&String::from_utf8_lossy(&output.stdout)).ok_or(format!("{name}: no figures came back"))
}
