//! What the process took of the machine, and the table it is told in.

use std::fs;
use std::time::{Duration, Instant};

/// Ticks of a second in which the system counts processor time.
const TICKS: f64 = 100.0;

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time of all threads so far.
pub(crate) fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").expect("the state of the process");
    let (_, fields) = text.rsplit_once(')').expect("its name in brackets");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|&field| fields[field].parse::<f64>().expect("ticks")).sum();
    Duration::from_secs_f64(ticks / TICKS)
}

/// Resident bytes now.
pub(crate) fn resident() -> u64 {
    status("VmRSS:")
}

/// The most resident bytes since [`forget_peak`].
pub(crate) fn peak() -> u64 {
    status("VmHWM:")
}

pub(crate) fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("the mark is reset");
}

fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("the state of the process");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the figure");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Wall and processor time of a stretch.
pub(crate) struct Watch {
    started: Instant,
    cpu: Duration,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu(), started: Instant::now() }
    }

    pub(crate) fn wall(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn cpu(&self) -> Duration {
        cpu().saturating_sub(self.cpu)
    }
}

pub(crate) fn heading() {
    println!("{:<52} {:>14} {:>14} {:>7}  baseline", "what", "figure", "baseline", "ratio");
}

/// One row: a figure beside the raw one.
pub(crate) fn row(what: &str, figure: f64, baseline: f64, unit: &str, of: &str) {
    let told = |figure: f64| format!("{figure:.3} {unit}");
    println!("{what:<52} {:>14} {:>14} {:>7.2}  {of}", told(figure), told(baseline), figure / baseline);
}

/// A figure that has no raw counterpart.
pub(crate) fn plain(what: &str, figure: f64, unit: &str) {
    println!("{what:<52} {:>14}", format!("{figure:.3} {unit}"));
}
