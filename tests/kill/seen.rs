//! What the system says of the thread that writes the journal: right before the kill, and every now and then before that.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The first letters of the thread's name: the system keeps no more of it.
const NAME: &str = "sessile-journal";

/// What it was doing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Whether it waited for the disk, or for a processor: a write was under way, which nobody is told the time of any more.
    pub(crate) writing: bool,
    /// How long it could have run so far and was not let.
    pub(crate) waited: Duration,
}

impl Seen {
    /// Nothing, where the system does not tell.
    pub(crate) fn of(process: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        threads.filter_map(|thread| Self::of_thread(&thread.path())).next().unwrap_or_default()
    }

    fn of_thread(thread: &Path) -> Option<Self> {
        let text = |name: &str| fs::read_to_string(thread.join(name)).ok();
        if text("comm")?.trim_end() != NAME {
            return None;
        }
        // After the name, which may hold anything, the state; D is a wait that no signal ends, R runs or would.
        let state = text("stat")?;
        let writing = state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['D', 'R']));
        let waited = text("schedstat")?.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self { writing, waited: Duration::from_nanos(waited) })
    }
}
