//! From the beginning of a task's work to its committed end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::CallToolResult;
use rmcp::task_manager::TaskExit;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

use super::live::{Live, Phase};
use super::record::{self, Outcome};
use super::refusal;
use super::running::Place;
use crate::error::UpdateError;
use crate::session::Session;
use crate::state::Json;

/// How often a task looks whether there still is a session to keep its result.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least time between two commits of what is new, whatever was asked for.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// How long a task whose session is gone has to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// Time between two attempts to commit an end for which there was no room in line.
const TRY_EVERY: Duration = Duration::from_secs(1);

type Finished = Result<Result<CallToolResult, TaskExit>, JoinError>;

/// Stops the work with its driver.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sees a task to its end, then gives its place back.
pub(super) async fn drive(
    session: Session,
    live: Arc<Live>,
    place: Place,
    mut work: JoinHandle<Result<CallToolResult, TaskExit>>,
    status_every: Duration,
) {
    let _abort = AbortOnDrop(work.abort_handle());
    let outcome = tokio::select! {
        biased;
        finished = &mut work => Some(outcome(&session, finished)),
        () = live.reached(Phase::Stopped) => Some(Outcome::Failed(refusal::stopped())),
        () = gone(&session, &live) => None,
        never = keep_up(&session, &live, status_every) => match never {},
    };
    match outcome {
        Some(outcome) => settle(&session, &live, outcome).await,
        None => tracing::debug!(session = %session.id().tag(), "a task was stopped, as its session is gone"),
    }
    drop(place);
}

/// Commits status messages as they come, at most one in so long, and takes back requests that nobody waits for.
async fn keep_up(session: &Session, live: &Live, every: Duration) -> Infallible {
    loop {
        live.dirty.notified().await;
        let (message, withdrawn) = (live.message(), live.withdrawn());
        let taken_back = withdrawn.clone();
        match session.update(move |draft| record::progress(draft, message.as_ref(), &withdrawn)).await {
            Ok(_) => live.forget(&taken_back),
            Err(error) => {
                tracing::debug!(%error, session = %session.id().tag(), "what is new of a task could not be kept yet");
                live.dirty.notify_one();
            }
        }
        tokio::time::sleep(every.max(LEAST_PAUSE)).await;
    }
}

/// Returns once nothing of the task can be kept any more and it has had time to notice.
async fn gone(session: &Session, live: &Live) {
    while session.is_served() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    live.cancel();
    tokio::time::sleep(GRACE).await;
}

fn outcome(session: &Session, finished: Finished) -> Outcome {
    match finished {
        Ok(Ok(result)) => match Json::of(&result) {
            Ok(result) => Outcome::Completed(result),
            Err(error) => Outcome::Failed(refusal::does_not_fit(error)),
        },
        Ok(Err(TaskExit::Cancelled)) => Outcome::Cancelled,
        Ok(Err(TaskExit::Error(error))) => Outcome::Failed(error),
        Err(error) if error.is_panic() => {
            tracing::error!(session = %session.id().tag(), "the work of a task panicked");
            Outcome::Failed(refusal::panicked())
        }
        // The runtime ends.
        Err(_) => Outcome::Failed(refusal::stopped()),
    }
}

/// Commits the end. One that does not fit is a failure that says so; one that finds no room in line tries again for as long
/// as the task lives.
async fn settle(session: &Session, live: &Live, mut outcome: Outcome) {
    let mut message = live.message();
    let mut fits = true;
    loop {
        let (end, last) = (outcome.clone(), message.clone());
        match session.update(move |draft| record::finish(draft, &end, last.as_ref())).await {
            Ok(_) => return,
            Err(UpdateError::Rejected(error)) if fits => {
                (outcome, message, fits) = (Outcome::Failed(refusal::does_not_fit(error)), None, false);
            }
            Err(UpdateError::LimitExceeded(error)) if fits => {
                (outcome, message, fits) = (Outcome::Failed(refusal::does_not_fit(error)), None, false);
            }
            Err(UpdateError::Overloaded { .. } | UpdateError::Unavailable | UpdateError::NotDurable(_)) => {
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(error) => {
                tracing::warn!(%error, session = %session.id().tag(), "the end of a task could not be kept");
                return;
            }
        }
    }
}
