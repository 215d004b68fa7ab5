//! What a process writes to stderr: kept, and waited on.

use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything that is waited for takes, even on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lines so far, and those to come.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads from now on, until the process has ended.
    pub(crate) fn of(stderr: ChildStderr) -> Self {
        let log = Self::default();
        let (shared, mut lines) = (log.clone(), BufReader::new(stderr).lines());
        thread::spawn(move || {
            loop {
                let line = lines.next().and_then(Result::ok);
                let mut inner = shared.0.0.lock().unwrap();
                inner.ended = line.is_none();
                inner.lines.extend(line);
                shared.0.1.notify_all();
                if inner.ended {
                    return;
                }
            }
        });
        log
    }

    /// How many lines there are: a mark to wait from.
    pub(crate) fn mark(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }

    /// Blocks until a line at or after `mark` passes; gives it, and the mark after it.
    pub(crate) fn wait(&self, mark: usize, passes: impl Fn(&str) -> bool) -> (String, usize) {
        let found = |inner: &Lines| inner.lines.iter().skip(mark).position(|line| passes(line)).map(|at| mark + at);
        let inner = self.until(|inner| found(inner).is_some() || inner.ended);
        let at = found(&inner).unwrap_or_else(|| panic!("no such line, in:\n{}", inner.lines.join("\n")));
        (inner.lines[at].clone(), at + 1)
    }

    /// Blocks until the process has closed its end; gives all of it.
    pub(crate) fn to_end(&self) -> String {
        self.until(|inner| inner.ended).lines.join("\n")
    }

    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }

    fn until(&self, done: impl Fn(&Lines) -> bool) -> std::sync::MutexGuard<'_, Lines> {
        let deadline = Instant::now() + PATIENCE;
        let mut inner = self.0.0.lock().unwrap();
        while !done(&inner) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let lines = inner.lines.join("\n");
                drop(inner);
                panic!("waited {PATIENCE:?} in vain, in:\n{lines}");
            }
            inner = self.0.1.wait_timeout(inner, left).unwrap().0;
        }
        inner
    }
}
