//! A task as its session holds it: what each turn writes, and what a client is shown of it.
//!
//! | entry | what it holds |
//! | --- | --- |
//! | `task` | status, status message, time of the last change |
//! | `input:KEY` | a request for input that is outstanding |
//! | `answered:KEY` | that there was such a request: no key is used twice |
//! | `result`, `error` | how it ended |
//! | `room` | as many bytes as an error takes: at any cap a task can still say why it has no result |

use rmcp::ErrorData;
use rmcp::model::{DetailedTask, InputRequests, JsonObject, Task, TaskPayload, TaskStatus};
use serde::{Deserialize, Serialize};

use super::refusal;
use crate::error::{DraftError, Ended};
use crate::session::Session;
use crate::snapshot::spell_time;
use crate::state::{Draft, Json, View};
use crate::time::{Timestamp, micros};

const TASK: &str = "task";
const RESULT: &str = "result";
const ERROR: &str = "error";
const ROOM: &str = "room";
const INPUT: &str = "input:";
const ANSWERED: &str = "answered:";
/// More than [`refusal::does_not_fit`] and its record can be longer than what stood there before.
const ROOM_BYTES: usize = 640;

/// The entry `task`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Microseconds since the Unix epoch.
    updated_at: u64,
    poll_interval_ms: u64,
}

/// That requests for input are outstanding shows by their entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Working,
    Completed,
    Failed,
    Cancelled,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Completed(Json),
    Failed(ErrorData),
    Cancelled,
}

/// Why a request for input was not put.
#[derive(Debug)]
pub(super) enum NotAsked {
    /// The task has ended.
    Over,
    /// The task was told to stop meanwhile.
    Cancelled,
    /// The task has used this key before.
    Used,
    Draft(DraftError),
}

impl From<DraftError> for NotAsked {
    fn from(error: DraftError) -> Self {
        Self::Draft(error)
    }
}

/// The whole of a task at one revision.
pub(super) struct Kept {
    record: Record,
    view: View,
    created_at: Timestamp,
    /// Microseconds from the creation.
    ttl: Option<u64>,
    /// It was interrupted, though it cannot be written down.
    cut: bool,
}

impl Kept {
    /// The task of this session; `None` when the session is no task's, or one whose creation is not done.
    pub(super) fn of(session: &Session) -> Result<Option<Self>, Ended> {
        let (view, info) = (session.read()?, session.info()?);
        let Ok(Some(record)) = view.get(TASK) else { return Ok(None) };
        let ttl = info.expires_at.map(|at| micros(at.since(info.created_at)));
        Ok(Some(Self { record, view, created_at: info.created_at, ttl, cut: false }))
    }

    pub(super) fn is_working(&self) -> bool {
        self.record.status == Status::Working
    }

    /// Shows it as interrupted, unless it has ended.
    pub(super) fn cut_off(&mut self) {
        self.cut = self.is_working();
    }

    /// Whether any of these requests for input is outstanding.
    pub(super) fn asks_any<'a>(&self, mut keys: impl Iterator<Item = &'a String>) -> bool {
        keys.any(|key| self.view.json(&input(key)).is_some())
    }

    /// As a client is shown it.
    pub(super) fn detailed(&self, id: &str) -> DetailedTask {
        let object = |key: &str| self.view.get::<JsonObject>(key).ok().flatten().unwrap_or_default();
        let payload = match self.record.status {
            Status::Completed => TaskPayload::Completed { result: object(RESULT) },
            Status::Failed => TaskPayload::Failed { error: object(ERROR) },
            Status::Cancelled => TaskPayload::Cancelled,
            Status::Working if self.cut => {
                let error = serde_json::to_value(refusal::interrupted()).ok();
                let error = error.and_then(|error| error.as_object().cloned()).unwrap_or_default();
                TaskPayload::Failed { error }
            }
            Status::Working => {
                let asked = self.view.entries_from(INPUT, None).filter_map(|entry| {
                    let key = entry.key.strip_prefix(INPUT)?;
                    Some((key.to_owned(), serde_json::from_str(entry.value).ok()?))
                });
                let input_requests: InputRequests = asked.collect();
                if input_requests.is_empty() {
                    TaskPayload::Working
                } else {
                    TaskPayload::InputRequired { input_requests }
                }
            }
        };
        DetailedTask::new(self.task(id), payload)
    }

    /// Its fields without what it asks for or came to; of a task that has just begun, all there is.
    pub(super) fn task(&self, id: &str) -> Task {
        let stamp = |at: u64| spell_time(at).unwrap_or_default();
        let (created, updated) = (stamp(self.created_at.as_micros()), stamp(self.record.updated_at));
        let mut task = Task::new(id, TaskStatus::Working, created, updated);
        task.status_message.clone_from(&self.record.message);
        task.ttl_ms = self.ttl.map(|ttl| ttl / 1_000);
        task.poll_interval_ms = Some(self.record.poll_interval_ms);
        task
    }
}

fn input(key: &str) -> String {
    [INPUT, key].concat()
}

fn answered(key: &str) -> String {
    [ANSWERED, key].concat()
}

/// The record, if the task works still.
fn working(draft: &Draft) -> Result<Option<Record>, DraftError> {
    Ok(draft.get::<Record>(TASK)?.filter(|record| record.status == Status::Working))
}

fn put(draft: &mut Draft, mut record: Record) -> Result<(), DraftError> {
    record.updated_at = draft.now().as_micros();
    draft.set(TASK, &record)
}

/// Writes a task that begins.
pub(super) fn begin(draft: &mut Draft, message: Option<String>, poll_interval_ms: u64) -> Result<(), DraftError> {
    draft.set(ROOM, &" ".repeat(ROOM_BYTES))?;
    put(draft, Record { status: Status::Working, message, updated_at: 0, poll_interval_ms })
}

/// Puts a request for input.
pub(super) fn ask(draft: &mut Draft, key: &str, request: &Json) -> Result<(), NotAsked> {
    let record = working(draft)?.ok_or(NotAsked::Over)?;
    if draft.contains(&input(key)) || draft.contains(&answered(key)) {
        return Err(NotAsked::Used);
    }
    draft.set_json(&input(key), request.clone())?;
    Ok(put(draft, record)?)
}

/// Takes back those of these requests for input that are outstanding, and tells which: they are answered, or nobody waits
/// for an answer any more.
pub(super) fn settle_inputs<'a>(
    draft: &mut Draft,
    keys: impl Iterator<Item = &'a String>,
) -> Result<Vec<String>, DraftError> {
    let Some(record) = working(draft)? else { return Ok(Vec::new()) };
    let mut settled = Vec::new();
    for key in keys {
        if draft.remove(&input(key)) {
            draft.set(&answered(key), &true)?;
            settled.push(key.clone());
        }
    }
    if !settled.is_empty() {
        put(draft, record)?;
    }
    Ok(settled)
}

/// Takes back every request for input.
pub(super) fn settle_all_inputs(draft: &mut Draft) -> Result<(), DraftError> {
    let all: Vec<_> = draft.entries().filter_map(|(key, _)| key.strip_prefix(INPUT)).map(str::to_owned).collect();
    settle_inputs(draft, all.iter()).map(drop)
}

/// Writes what is new of a task that goes on.
pub(super) fn progress(draft: &mut Draft, message: Option<&String>, withdrawn: &[String]) -> Result<(), DraftError> {
    settle_inputs(draft, withdrawn.iter())?;
    match working(draft)? {
        Some(record) if message.is_some() && record.message.as_ref() != message => {
            put(draft, Record { message: message.cloned(), ..record })
        }
        _ => Ok(()),
    }
}

/// Writes how a task ended; nothing if it has ended before.
pub(super) fn finish(draft: &mut Draft, outcome: &Outcome, message: Option<&String>) -> Result<(), DraftError> {
    let Some(record) = working(draft)? else { return Ok(()) };
    let spent: Vec<_> = draft.entries().map(|(key, _)| key.to_owned()).filter(|key| key != TASK).collect();
    for key in &spent {
        draft.remove(key);
    }
    let status = match outcome {
        Outcome::Completed(result) => {
            draft.set_json(RESULT, result.clone())?;
            Status::Completed
        }
        Outcome::Failed(error) => {
            draft.set(ERROR, error)?;
            Status::Failed
        }
        Outcome::Cancelled => Status::Cancelled,
    };
    put(draft, Record { status, message: message.cloned().or(record.message), ..record })
}

/// Writes that a task was cut off; nothing if it has ended.
pub(super) fn interrupt(draft: &mut Draft) -> Result<(), DraftError> {
    finish(draft, &Outcome::Failed(refusal::interrupted()), None)
}
