//! One driver process.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::ClientKind;

/// Longer than the 30 s that a driver gives its client for one request, so that the client's own error is seen.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A client in a process of its own, which is killed on drop.
#[derive(Debug)]
pub(crate) struct Driver {
    kind: ClientKind,
    process: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    log: File,
}

impl Driver {
    /// Starts the process.
    pub(super) fn start(kind: ClientKind, mut command: Command) -> Self {
        let log = tempfile::tempfile().unwrap_or_else(|error| panic!("no file for the log of {kind:?}: {error}"));
        // Into a file, not into a pipe: nobody reads it unless something fails.
        let stderr = log.try_clone().unwrap_or_else(|error| panic!("no second handle on the log of {kind:?}: {error}"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?} does not start: {error}"));
        let (Some(commands), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both were piped");
        };
        let (sender, answers) = channel();
        // The thread ends with the process, whose end of the pipe closes then.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { kind, process, commands, answers, log }
    }

    /// Sends one command and waits for its answer.
    ///
    /// Panics, with the log of the process, where the process has ended or does not answer within a minute. What the
    /// client reports as an error is an answer: `{"ok": false, "error": {...}}`.
    pub(crate) fn request(&mut self, command: Value) -> Value {
        let line = command.to_string();
        if let Err(error) = writeln!(self.commands, "{line}") {
            self.fail(&line, &error.to_string());
        }
        match self.answers.recv_timeout(ANSWER_WITHIN) {
            Ok(answer) => {
                serde_json::from_str(&answer).unwrap_or_else(|error| self.fail(&line, &format!("{error} in {answer}")))
            }
            Err(error) => self.fail(&line, &error.to_string()),
        }
    }

    fn fail(&mut self, command: &str, reason: &str) -> ! {
        let mut log = Vec::new();
        let read = self.log.seek(SeekFrom::Start(0)).and_then(|_| self.log.read_to_end(&mut log));
        panic!(
            "{:?} gave no answer to {command}: {reason}\nits log ({read:?}):\n{}",
            self.kind,
            String::from_utf8_lossy(&log)
        );
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended on its own; either way it is reaped here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
