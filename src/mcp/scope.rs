//! What one request of the older era knows while rmcp works on it. rmcp's traits receive no request, but they are
//! awaited in the request's own task.

use std::sync::Arc;

use parking_lot::Mutex;

use super::gate::Gate;
use super::slot::{Slot, Use};
use crate::service::CallerOwner;
use crate::session::Session;

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

/// The scope of one request: who calls, which session was proven to be theirs, and how it went.
pub(super) struct Scope {
    pub(super) owner: CallerOwner,
    pub(super) session: Option<Session>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    gate: Option<Gate>,
    used: Option<Use>,
    outcome: Option<Outcome>,
}

/// What the manager or the store found out; rmcp has no words for it, so the layer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The session is not there after all.
    Unknown,
    /// A cap on sessions.
    Full,
    /// The handshake is more than a session may keep.
    TooLarge,
    /// The handler said no to the handshake; its own words are in the answer.
    HandshakeRefused,
    /// Another call in flight has the request's id.
    IdInUse,
    /// Draining, too many calls in flight, or a worker that went away under the request.
    Unavailable,
    /// A fault on this side.
    Failed,
}

impl Scope {
    pub(super) fn new(owner: CallerOwner, session: Option<Session>) -> Arc<Self> {
        Arc::new(Self { owner, session, held: Mutex::default() })
    }

    /// The scope of the running request; none in the tasks of workers.
    pub(super) fn current() -> Option<Arc<Self>> {
        SCOPE.try_with(Arc::clone).ok()
    }

    /// Runs a future in this scope. What it holds is let go when the future ends or is dropped.
    pub(super) async fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        struct Release(Arc<Scope>);
        impl Drop for Release {
            fn drop(&mut self) {
                let (gate, used) = {
                    let mut held = self.0.held.lock();
                    (held.gate.take(), held.used.take())
                };
                drop(gate);
                drop(used);
            }
        }
        let _release = Release(Arc::clone(self));
        SCOPE.scope(Arc::clone(self), future).await
    }

    /// Keeps the slot in hand.
    pub(super) fn hold(&self, used: Use) {
        self.held.lock().used = Some(used);
    }

    /// The slot in hand.
    pub(super) fn slot(&self) -> Option<Arc<Slot>> {
        self.held.lock().used.as_ref().map(|used| Arc::clone(used.slot()))
    }

    pub(super) fn shut(&self, gate: Gate) {
        self.held.lock().gate = Some(gate);
    }

    pub(super) fn take_gate(&self) -> Option<Gate> {
        self.held.lock().gate.take()
    }

    /// Notes how it went; the first word stands.
    pub(super) fn note(&self, outcome: Outcome) {
        self.held.lock().outcome.get_or_insert(outcome);
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.held.lock().outcome
    }
}
