//! What the work of a task is given.

use std::fmt;
use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::InputRequest;
use rmcp::task_manager::TaskExit;
use serde_json::Value;

use super::live::{Live, NotExpected, Phase};
use super::record::{self, NotAsked};
use super::refusal;
use crate::error::UpdateError;
use crate::session::Session;
use crate::state::Json;

/// Bytes of a status message.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// What the work of a task knows of it: cheap to clone. Its methods are those of rmcp's own.
#[derive(Clone)]
pub struct TaskContext {
    pub(super) session: Session,
    pub(super) live: Arc<Live>,
}

impl TaskContext {
    /// The task's id. Of a task that an anonymous caller began it is a secret.
    #[must_use]
    pub fn task_id(&self) -> &str {
        self.session.id().as_str()
    }

    /// Puts a request to the client and waits for its answer, which comes by `tasks/update`. Until then the task says
    /// `input_required`.
    ///
    /// A key is used once in the life of a task. The request is committed before anybody can answer it; key and request are
    /// under the caps of a session on entries and values.
    ///
    /// # Errors
    /// [`TaskExit::Cancelled`] when the task was told to stop, before or meanwhile; [`TaskExit::Error`] when the key was used
    /// before, or the request cannot be kept.
    ///
    /// # Cancellation
    /// Dropped, it takes the request back; its key stays used.
    pub async fn request_input(&self, key: impl Into<String>, request: InputRequest) -> Result<Value, TaskExit> {
        let key = key.into();
        let expected = self.live.expect(&key).map_err(|error| match error {
            NotExpected::Cancelled => TaskExit::Cancelled,
            NotExpected::Used => used(),
        })?;
        let request = Json::of(&request).map_err(refusal::refused)?;
        let live = Arc::clone(&self.live);
        let asked = self.session.update(move |draft| {
            // Who cancels takes back in a later turn what was put before; nothing is put after that.
            if live.phase() > Phase::Running {
                return Err(NotAsked::Cancelled);
            }
            record::ask(draft, &key, &request)
        });
        match asked.await {
            Ok(_) => expected.answer().await.ok_or(TaskExit::Cancelled),
            Err(UpdateError::Rejected(NotAsked::Cancelled | NotAsked::Over)) => Err(TaskExit::Cancelled),
            Err(UpdateError::Rejected(NotAsked::Used)) => Err(used()),
            Err(UpdateError::Rejected(NotAsked::Draft(error))) => Err(refusal::refused(error).into()),
            Err(UpdateError::Ended(_)) => Err(TaskExit::Cancelled),
            Err(error) => Err(refusal::refused(error.map_rejected(|_| "")).into()),
        }
    }

    /// Tells what the task is at; at most 1,024 bytes, the rest is cut off.
    ///
    /// It costs no commit by itself: the first message is committed at once, and of those that follow within a second
    /// ([`TaskOptions::status_every`](super::TaskOptions::status_every)) the last one. The end of the task commits the last
    /// of all with the result.
    pub fn set_status_message(&self, message: impl Into<String>) {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        self.live.set_message(message);
    }

    /// Tells how much of the task is done, as a status message: `3 of 10`.
    pub fn progress(&self, done: u64, total: u64) {
        self.set_status_message(format!("{done} of {total}"));
    }

    /// Whether the task was told to stop: by `tasks/cancel`, by a drain, or because its session has ended.
    #[must_use]
    pub fn is_cancel_requested(&self) -> bool {
        self.live.phase() > Phase::Running
    }

    /// Returns once the task was told to stop. Nothing else stops it at once: it ends with [`TaskExit::Cancelled`] when it is
    /// ready, or with its result if that comes first.
    pub async fn cancelled(&self) {
        self.live.reached(Phase::Cancelled).await;
    }
}

fn used() -> TaskExit {
    ErrorData::internal_error("a task uses each key of a request for input once; choose another", None).into()
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("session", self.session.id()).finish_non_exhaustive()
    }
}
