//! What is in memory for one protocol session beside the session itself: at most one worker of rmcp.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::calls::{Calls, Refused};
use super::feeds::Feeds;
use crate::session::Session;

/// A place for the worker of one protocol session. Workers come and go; the session stays.
pub(super) struct Slot {
    pub(super) session: Session,
    /// Held by the one request that brings a worker up; fair, so the others queue.
    pub(super) gate: Arc<tokio::sync::Mutex<()>>,
    /// Told whenever an answer is out.
    pub(super) answers: Notify,
    /// What workers say, in the session's log. The tasks that put it there hold no slot, which would hold its worker.
    pub(super) feeds: Arc<Feeds>,
    state: Mutex<State>,
}

struct State {
    worker: Option<Worker>,
    /// Workers started so far: a late word from an old one must not touch a newer one.
    generation: u64,
    /// Requests and streams that have this slot in hand.
    uses: usize,
    last_used: Instant,
}

struct Worker {
    inner: Arc<LocalSessionManager>,
    /// True from the end of the handshake on.
    open: bool,
    /// Calls that have no answer yet, whether or not anybody still listens for it.
    calls: Calls,
}

/// A slot in hand: while one exists the slot keeps its worker and its place in the table.
pub(super) struct Use(Arc<Slot>);

impl Slot {
    pub(super) fn new(session: Session) -> Self {
        let state = State { worker: None, generation: 0, uses: 0, last_used: Instant::now() };
        Self { session, gate: Arc::default(), answers: Notify::new(), feeds: Arc::default(), state: Mutex::new(state) }
    }

    pub(super) fn enter(self: &Arc<Self>) -> Use {
        self.state.lock().uses += 1;
        Use(Arc::clone(self))
    }

    pub(super) fn is_open(&self) -> bool {
        self.state.lock().worker.as_ref().is_some_and(|worker| worker.open)
    }

    /// The worker, up or coming up, and its generation.
    pub(super) fn worker(&self) -> Option<(Arc<LocalSessionManager>, u64)> {
        let state = self.state.lock();
        state.worker.as_ref().map(|worker| (Arc::clone(&worker.inner), state.generation))
    }

    /// Takes a new worker in; gives its generation.
    pub(super) fn start(&self, inner: Arc<LocalSessionManager>) -> u64 {
        let worker = Worker { inner, open: false, calls: Calls::default() };
        let mut state = self.state.lock();
        state.generation += 1;
        let old = state.worker.replace(worker);
        let generation = state.generation;
        drop(state);
        drop(old);
        generation
    }

    /// Lets requests through to the worker: its handshake is done.
    pub(super) fn open(&self) {
        if let Some(worker) = &mut self.state.lock().worker {
            worker.open = true;
        }
    }

    /// Takes the worker out, whichever it is. Dropping it ends it.
    pub(super) fn take(&self) -> Option<Arc<LocalSessionManager>> {
        let worker = self.state.lock().worker.take();
        worker.map(|worker| worker.inner)
    }

    /// Lets go of the worker of this generation; a later one is left alone.
    pub(super) fn retire(&self, generation: u64) {
        let mut state = self.state.lock();
        let worker = (state.generation == generation).then(|| state.worker.take()).flatten();
        drop(state);
        drop(worker);
    }

    /// Takes the worker out if nobody has used it for `idle` and nothing runs in it.
    pub(super) fn take_if_idle(&self, idle: Duration) -> Option<Arc<LocalSessionManager>> {
        let mut state = self.state.lock();
        if state.idle_for()? < idle {
            return None;
        }
        state.worker.take().map(|worker| worker.inner)
    }

    /// How long the worker has had nothing to do; none while it is at work, or when there is none.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        self.state.lock().idle_for()
    }

    /// Whether a call is running.
    pub(super) fn is_calling(&self) -> bool {
        self.state.lock().worker.as_ref().is_some_and(|worker| !worker.calls.is_empty())
    }

    /// Whether there is nothing here to keep.
    pub(super) fn is_vacant(&self) -> bool {
        let state = self.state.lock();
        state.worker.is_none() && state.uses == 0
    }

    /// Takes this id for a call that is to be sent to the worker; gives the worker's generation.
    pub(super) fn begin(&self, id: &RequestId) -> Result<u64, Refused> {
        let mut state = self.state.lock();
        state.worker.as_mut().ok_or(Refused::Gone)?.calls.begin(id)?;
        Ok(state.generation)
    }

    /// Notes that a call reached the worker's handler.
    pub(super) fn called(&self, generation: u64, id: RequestId) {
        self.with_calls(generation, |calls| calls.called(id));
    }

    /// Notes that the answer to a call is on its way out.
    pub(super) fn answering(&self, generation: u64, id: &RequestId) {
        self.with_calls(generation, |calls| calls.answering(id));
    }

    /// Notes that a call was answered, or cancelled and will have no answer.
    pub(super) fn answered(&self, generation: u64, id: &RequestId) {
        self.with_calls(generation, |calls| calls.answered(id));
        self.answers.notify_waiters();
    }

    fn with_calls(&self, generation: u64, change: impl FnOnce(&mut Calls)) {
        let mut state = self.state.lock();
        if state.generation == generation
            && let Some(worker) = &mut state.worker
        {
            change(&mut worker.calls);
            state.last_used = Instant::now();
        }
    }
}

impl State {
    fn idle_for(&self) -> Option<Duration> {
        let worker = self.worker.as_ref()?;
        let idle = worker.open && worker.calls.is_empty() && self.uses == 0;
        idle.then(|| self.last_used.elapsed())
    }
}

impl Use {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.0
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.uses = state.uses.saturating_sub(1);
        state.last_used = Instant::now();
    }
}
