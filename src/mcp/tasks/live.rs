//! What a running task, its requests and its owner tell each other, in memory.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, oneshot, watch};

/// How far a task that runs was told to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    #[default]
    Running,
    /// Told to stop; it ends as it likes.
    Cancelled,
    /// It did not end in time.
    Stopped,
}

/// One running task.
#[derive(Default)]
pub(super) struct Live {
    phase: watch::Sender<Phase>,
    news: Mutex<News>,
    /// There is something to be committed.
    pub(super) dirty: Notify,
}

#[derive(Default)]
struct News {
    /// Who waits for the answers to outstanding requests for input.
    waiting: HashMap<String, oneshot::Sender<Value>>,
    /// Requests for input that nobody waits for any more, though they are outstanding.
    withdrawn: Vec<String>,
    message: Option<String>,
}

/// Why no answer can be waited for.
pub(super) enum NotExpected {
    Cancelled,
    /// An answer is waited for under this key.
    Used,
}

/// An answer that is waited for; dropped before it came, its request is withdrawn.
pub(super) struct Expected<'a> {
    live: &'a Live,
    key: String,
    answer: oneshot::Receiver<Value>,
}

impl Live {
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Returns once the task was told to go as far.
    pub(super) async fn reached(&self, phase: Phase) {
        // The sender is our own, so it is there for as long as this waits.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// Tells the task to stop. Who waits for answers gets none.
    pub(super) fn cancel(&self) {
        self.advance(Phase::Cancelled);
    }

    /// Tells that the task is to be cut off.
    pub(super) fn stop(&self) {
        self.advance(Phase::Stopped);
    }

    fn advance(&self, to: Phase) {
        let waiting = {
            let mut news = self.news.lock();
            self.phase.send_if_modified(|phase| std::mem::replace(phase, to.max(*phase)) < to);
            std::mem::take(&mut news.waiting)
        };
        drop(waiting);
    }

    /// Waits for the answer under a key from now on, before the request is put: no answer comes too early.
    pub(super) fn expect(&self, key: &str) -> Result<Expected<'_>, NotExpected> {
        let mut news = self.news.lock();
        if self.phase() > Phase::Running {
            return Err(NotExpected::Cancelled);
        }
        if news.waiting.contains_key(key) {
            return Err(NotExpected::Used);
        }
        let (sender, answer) = oneshot::channel();
        news.waiting.insert(key.to_owned(), sender);
        Ok(Expected { live: self, key: key.to_owned(), answer })
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn deliver(&self, key: &str, answer: Value) {
        let waiting = self.news.lock().waiting.remove(key);
        // Whoever waited may have given up.
        let _ = waiting.map(|waiting| waiting.send(answer));
    }

    pub(super) fn set_message(&self, message: String) {
        self.news.lock().message = Some(message);
        self.dirty.notify_one();
    }

    pub(super) fn message(&self) -> Option<String> {
        self.news.lock().message.clone()
    }

    /// Requests for input that are to be taken back.
    pub(super) fn withdrawn(&self) -> Vec<String> {
        self.news.lock().withdrawn.clone()
    }

    /// They were taken back.
    pub(super) fn forget(&self, withdrawn: &[String]) {
        self.news.lock().withdrawn.retain(|key| !withdrawn.contains(key));
    }
}

impl Expected<'_> {
    /// The answer; none when the task was told to stop.
    pub(super) async fn answer(mut self) -> Option<Value> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        let mut news = self.live.news.lock();
        if news.waiting.remove(&self.key).is_some() {
            news.withdrawn.push(std::mem::take(&mut self.key));
            self.live.dirty.notify_one();
        }
    }
}
