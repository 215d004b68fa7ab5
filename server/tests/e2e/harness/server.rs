//! The program as a process: started, told to stop, killed, started again on the same port and folder.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::SystemTime;

use tempfile::TempDir;

use super::{Answer, Log, Scrape, Wire};

/// Below the ports that systems give out themselves: nobody takes one while its server is down for a moment.
const PORTS: std::ops::Range<u16> = 18_000..32_000;
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A running server with a folder of its own, killed on drop.
pub(crate) struct Server {
    home: TempDir,
    args: Vec<String>,
    port: u16,
    process: Child,
    log: Log,
    announced: Announced,
}

/// The start-up lines, and the pipe that they came through, kept open for what may follow.
struct Announced {
    lines: Vec<String>,
    pipe: Lines<BufReader<ChildStdout>>,
}

/// A server that did not start.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) home: TempDir,
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
}

impl Server {
    /// Starts `sessile serve` with these flags, in an empty folder.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags).unwrap_or_else(|refused| panic!("{refused:?}"))
    }

    /// Starts `sessile serve` with these flags; the snapshots are in `snapshots` of `home`.
    pub(crate) fn start_in(home: TempDir, flags: &[&str]) -> Result<Self, Refused> {
        let args: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        loop {
            let place = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() as u16);
            let port = PORTS.start + place % PORTS.len() as u16;
            match launch(home.path(), port, &args) {
                Err((_, log)) if log.contains("cannot listen on") => {}
                Err((code, log)) => return Err(Refused { home, code, log }),
                Ok((process, log, announced)) => return Ok(Self { home, args, port, process, log, announced }),
            }
        }
    }

    /// Starts it again, after a kill or a stop.
    pub(crate) fn start_again(&mut self) {
        let (process, log, announced) = launch(self.home.path(), self.port, &self.args)
            .unwrap_or_else(|(code, log)| panic!("exit {code:?}: {log}"));
        (self.process, self.log, self.announced) = (process, log, announced);
    }

    /// Starts it again with other flags.
    pub(crate) fn start_again_with(&mut self, flags: &[&str]) {
        self.args = flags.iter().map(|&flag| flag.to_owned()).collect();
        self.start_again();
    }

    /// SIGKILL: no last word, no last snapshot.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        assert_eq!(self.process.wait().unwrap().signal(), Some(9));
    }

    /// SIGTERM; waits for the end, which has to be a good one.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let log = self.log.to_end();
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{log}");
    }

    /// Takes a snapshot that holds all that was acknowledged before this call.
    pub(crate) fn snapshot(&self) {
        let (mark, now) = (self.log.mark(), unix_now());
        self.signal("-USR1");
        self.wait_for_snapshot(mark, now);
    }

    /// Blocks until a snapshot that was begun after `since` is on disk; looks at log lines from `mark` on.
    pub(crate) fn wait_for_snapshot(&self, mut mark: usize, since: f64) {
        loop {
            mark = self.log.wait(mark, |line| line.contains("snapshot written")).1;
            let metrics = self.metrics();
            if metrics.value("sessile_snapshot_last_success_timestamp_seconds") > since {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The most memory that the process had so far and what it has now, in bytes; none where the system does not tell.
    pub(crate) fn memory(&self) -> Option<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        Some((kib("VmHWM:")? << 10, kib("VmRSS:")? << 10))
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The start-up line that begins with `word`, without it.
    pub(crate) fn announced(&self, word: &str) -> &str {
        let line = self.announced.lines.iter().find_map(|line| line.trim_start().strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word} in {:?}", self.announced.lines)).trim()
    }

    /// All that a server which was stopped wrote to stdout.
    pub(crate) fn stdout(&mut self) -> String {
        self.announced.lines.extend(self.announced.pipe.by_ref().map_while(Result::ok));
        self.announced.lines.join("\n")
    }

    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.addr())
    }

    /// The folder that the program runs in.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The folder of the snapshots.
    pub(crate) fn snapshots(&self) -> PathBuf {
        self.home.path().join("snapshots")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        Wire::new(self.addr()).send("GET", path, &[], None).unwrap()
    }

    pub(crate) fn metrics(&self) -> Scrape {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200);
        Scrape::of(answer.body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; either way it is reaped here.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let log = self.log.to_end();
        if std::thread::panicking() {
            eprintln!("log of the server on port {}:\n{log}", self.port);
        } else if !self.args.iter().any(|arg| arg.contains("rmcp=")) {
            // What rmcp writes is left out unless a test asks for it by name.
            super::state_files::no_ids("the log", &log);
        }
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The program, in a folder of its own and without our variables.
pub(crate) fn sessile(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.current_dir(home).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSILE_")) {
        command.env_remove(name);
    }
    command
}

/// The log says when a snapshot was written and what was swept, which is what tests wait on.
fn launch(home: &Path, port: u16, args: &[String]) -> Result<(Child, Log, Announced), (Option<i32>, String)> {
    let mut command = sessile(home);
    command.args(["serve", "--addr", &format!("127.0.0.1:{port}")]).args(args);
    if !args.iter().any(|arg| arg == "--log") {
        command.args(["--log", "info,sessile::actor=debug"]);
    }
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let log = Log::of(process.stderr.take().unwrap());
    let (mut pipe, mut lines) = (BufReader::new(process.stdout.take().unwrap()).lines(), Vec::new());
    while let Some(Ok(line)) = pipe.next() {
        let last = line.trim_start().starts_with("restored");
        lines.push(line);
        if last {
            return Ok((process, log, Announced { lines, pipe }));
        }
    }
    let code = process.wait().unwrap().code();
    Err((code, log.to_end()))
}
