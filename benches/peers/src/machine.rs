//! The machine: what it is, and what a process has resident.

use std::fs;

/// Resident bytes of a process, by its id or `self`.
pub(crate) fn resident(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("resident memory is told");
    kib * 1_024
}

/// What the machine has done since it was started, in ticks: all of its time, what was not idle, and what of that was
/// for this process's children that have ended.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    all: u64,
    busy: u64,
    own: u64,
}

impl Ticks {
    /// Until now.
    pub(crate) fn now() -> Self {
        // Some are below zero where there is nothing to tell.
        let number = |word: &str| word.parse::<i64>().ok().map(|number| number.max(0).unsigned_abs());
        let numbers = |text: &str| text.split_whitespace().filter_map(number).collect::<Vec<u64>>();
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        // user, nice, system, idle, waiting, interrupts (two), stolen; guests are in user already.
        let cpu = numbers(stat.lines().next().unwrap_or_default());
        let all = cpu.iter().take(8).sum();
        let idle: u64 = cpu.iter().skip(3).take(2).sum();
        let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // After the name, which may hold anything: the state, and the times of children as the 14th and 15th field.
        let own = own.rsplit_once(") ").map(|(_, rest)| numbers(rest)).unwrap_or_default();
        Self { all, busy: all - idle, own: own.iter().skip(12).take(2).sum() }
    }

    /// How much of the machine went to other work since then, from 0 to 1.
    pub(crate) fn others_since(self, then: Self) -> f64 {
        let (all, busy, own) = (self.all - then.all, self.busy - then.busy, self.own - then.own);
        busy.saturating_sub(own) as f64 / all.max(1) as f64
    }
}

/// One line for the table and the picture.
pub(crate) fn line() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("model name").filter(|model| model != "unknown");
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    format!("{model}, {cores} cores, {} GiB, Linux", kib.div_ceil(1 << 20))
}
