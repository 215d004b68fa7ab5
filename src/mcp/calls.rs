//! Calls that a worker has no answer for yet: an id belongs to one of them at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::RequestId;

use super::slot::Slot;

/// Calls at a time in one worker, those whose client has gone among them.
const MAX_CALLS: usize = 1_024;
/// How long a request waits for the last answer under its id to be out.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The calls of one worker.
#[derive(Default)]
pub(super) struct Calls(HashMap<RequestId, Phase>);

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// On its way to the handler, or with it.
    Running,
    /// Its answer is on the way out. The client may have it already, and may use the id again.
    Answering,
}

/// Why a call does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Another call in flight has this id. rmcp would give the answer of one to the other, and the other none.
    InUse,
    /// The last answer under this id is not quite out.
    Answering,
    /// Too many calls are in flight.
    Crowded,
    /// There is no worker any more.
    Gone,
}

/// A call that is on its way to the worker; forgotten when dropped before it got there.
pub(super) struct Call {
    slot: Arc<Slot>,
    generation: u64,
    id: Option<RequestId>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn begin(&mut self, id: &RequestId) -> Result<(), Refused> {
        match self.0.get(id) {
            Some(Phase::Running) => Err(Refused::InUse),
            Some(Phase::Answering) => Err(Refused::Answering),
            None if self.0.len() >= MAX_CALLS => Err(Refused::Crowded),
            None => {
                self.0.insert(id.clone(), Phase::Running);
                Ok(())
            }
        }
    }

    /// Notes that a call reached the handler; a handshake is replayed without a beginning.
    pub(super) fn called(&mut self, id: RequestId) {
        self.0.entry(id).or_insert(Phase::Running);
    }

    pub(super) fn answering(&mut self, id: &RequestId) {
        if let Some(phase) = self.0.get_mut(id) {
            *phase = Phase::Answering;
        }
    }

    pub(super) fn answered(&mut self, id: &RequestId) {
        self.0.remove(id);
    }
}

impl Call {
    /// Begins a call in the slot's worker, unless its id is in use.
    pub(super) async fn begin(slot: &Arc<Slot>, id: &RequestId) -> Result<Self, Refused> {
        let begin =
            || slot.begin(id).map(|generation| Self { slot: Arc::clone(slot), generation, id: Some(id.clone()) });
        match begin() {
            Err(Refused::Answering) => {}
            other => return other,
        }
        let free = async {
            loop {
                let mut answered = std::pin::pin!(slot.answers.notified());
                answered.as_mut().enable();
                match begin() {
                    Err(Refused::Answering) => answered.await,
                    other => return other,
                }
            }
        };
        tokio::time::timeout(ANSWER_WAIT, free).await.unwrap_or(Err(Refused::InUse))
    }

    /// The call has reached the worker, which answers it.
    pub(super) fn sent(mut self) {
        self.id = None;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.slot.answered(self.generation, &id);
        }
    }
}
