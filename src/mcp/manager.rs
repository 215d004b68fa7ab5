//! rmcp's session manager on our sessions: our ids, a gate while a handshake is replayed, workers that come and go.
//!
//! rmcp's own manager does the streaming, one instance for each session, so that a session's worker ends with its
//! instance and ids never meet in one map.

use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use rmcp::model::{ClientJsonRpcMessage, GetExtensions as _, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{
    EventStore, RestoreOutcome, ServerSseMessage, SessionId, SessionManager, SessionRestoreMarker,
};

use super::PROTOCOL_KIND;
use super::calls::{Call, Refused};
use super::event;
use super::feed::Feed;
use super::gate::Gate;
use super::scope::{Outcome, Scope};
use super::slot::Slot;
use super::stream::Held;
use super::table::{self, Table};
use super::transport::Watched;
use crate::actor::new_session::NewSession;
use crate::error::{CreateError, EventError};
use crate::service::CallerOwner;
use crate::session::Session;
use crate::state::EventId;

/// How long a request waits for another to bring the session's worker up.
const GATE_WAIT: Duration = Duration::from_secs(30);

/// Why rmcp gets no answer from the manager. Names no id: rmcp writes it into bodies and logs.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManagerError {
    /// The worker went away under the request.
    #[error("the session is not in memory")]
    Gone,
    /// A request that did not come through the layer proves no owner.
    #[error("the request did not pass the session layer")]
    NoScope,
    /// Another request did not finish bringing the worker up in time.
    #[error("the session is still being restored")]
    Busy,
    /// No session was created; the scope knows why.
    #[error("no session was created")]
    NotCreated,
    /// The call did not begin; the scope knows why.
    #[error("the call was not taken")]
    NotTaken,
    /// The worker failed.
    #[error("the session's worker failed")]
    Worker(#[source] Box<LocalSessionManagerError>),
    /// No event of the session's has the id.
    #[error("unknown event")]
    UnknownEvent,
    /// The session's event log failed.
    #[error("the session's event log failed")]
    Log(#[source] EventError),
    /// The operating system gave no random numbers.
    #[error("no random numbers for the name of a stream")]
    NoName,
}

/// The session manager.
pub(super) struct Manager {
    pub(super) table: Arc<Table>,
    /// Whether streams go through the sessions' event logs.
    pub(super) resumable: bool,
}

impl Manager {
    async fn start(&self, id: SessionId, slot: &Arc<Slot>) -> Result<Watched, ManagerError> {
        let mut inner = LocalSessionManager::default();
        // rmcp's own timer would end a worker under a call that says nothing for long.
        inner.session_config.keep_alive = None;
        if self.resumable {
            inner.session_config.sse_retry = None;
        }
        let inner = Arc::new(inner);
        let RestoreOutcome::Restored(transport) = inner.restore_session(id).await.map_err(failed)? else {
            return Err(ManagerError::Busy);
        };
        let generation = slot.start(inner);
        Ok(Watched::new(transport, Arc::clone(slot), generation))
    }

    /// Opens the standalone stream, after an event of it where the client knows one.
    async fn standalone(&self, id: &SessionId, after: Option<EventId>) -> Result<Held, ManagerError> {
        let (slot, worker, generation) = worker()?;
        let said = async || worker.create_standalone_stream(id).await.map_err(failed);
        if !self.resumable {
            return Ok(Held::new(said().await?, &slot));
        }
        let feed = slot.feeds.standalone(&slot.session, generation, said).await?;
        let reading = match after {
            Some(after) => feed.resume(generation, &after).await?,
            None => feed.open(generation).await?,
        };
        Ok(Held::new(reading, &slot))
    }
}

impl SessionManager for Manager {
    type Error = ManagerError;
    type Transport = Watched;

    async fn create_session(&self) -> Result<(SessionId, Watched), ManagerError> {
        let scope = Scope::current().ok_or(ManagerError::NoScope)?;
        let session = match create(&scope.owner).await {
            Ok(session) => session,
            Err(error) => {
                scope.note(match error {
                    CreateError::LimitExceeded(_) => Outcome::Full,
                    CreateError::Stopping | CreateError::Overloaded(_) => Outcome::Unavailable,
                    _ => Outcome::Failed,
                });
                tracing::warn!(%error, "no protocol session was created");
                return Err(ManagerError::NotCreated);
            }
        };
        let id: SessionId = session.id().as_str().into();
        let used = self.table.enter(&id, &session);
        let slot = Arc::clone(used.slot());
        scope.hold(used);
        // From here on the session ends with this request unless `SessionStore::store` opens the gate.
        scope.shut(Gate::of_fresh(&slot).ok_or(ManagerError::Busy)?);
        let transport = self.start(Arc::clone(&id), &slot).await?;
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, ManagerError> {
        let replay = is_replay(&message);
        let response = worker()?.1.initialize_session(id, message).await.map_err(failed)?;
        // rmcp would store a refused handshake and give its id out.
        if !matches!(response, JsonRpcMessage::Response(_))
            && let Some(scope) = Scope::current()
        {
            scope.note(if replay { Outcome::Unknown } else { Outcome::HandshakeRefused });
        }
        Ok(response)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, ManagerError> {
        let scope = Scope::current().ok_or(ManagerError::NoScope)?;
        let session = scope.session.as_ref().filter(|session| session.id().as_str() == &**id);
        let used = self.table.enter(id, session.ok_or(ManagerError::NoScope)?);
        let slot = Arc::clone(used.slot());
        scope.hold(used);
        if slot.is_open() {
            return Ok(true);
        }
        // The one that gets the gate answers "no" and so makes rmcp restore the session; all others wait here.
        let Ok(gate) = tokio::time::timeout(GATE_WAIT, Gate::of(&slot)).await else {
            scope.note(Outcome::Unavailable);
            return Err(ManagerError::Busy);
        };
        if slot.is_open() {
            gate.open();
            return Ok(true);
        }
        scope.shut(gate);
        // rmcp clears the note of a restore that failed in a task of its own, and would take it for this one's. Where it
        // does all the same, the layer answers 503.
        tokio::task::yield_now().await;
        Ok(false)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), ManagerError> {
        // Without a scope this is the task of a worker that has ended. It comes late and without a generation, so it
        // must not touch what may be a newer worker; `Watched` has done what there was to do.
        let Some(scope) = Scope::current() else { return Ok(()) };
        let session = scope.session.as_ref().ok_or(ManagerError::NoScope)?;
        let used = self.table.enter(id, session);
        let slot = Arc::clone(used.slot());
        scope.hold(used);
        // Kept until the request ends: nobody restores the session before `SessionStore::delete` has ended it.
        scope.shut(Gate::of(&slot).await);
        table::end(Arc::clone(id), slot.take());
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, ManagerError> {
        let (slot, worker, generation) = worker()?;
        let call = begin(&slot, &message).await?;
        let feed = match self.resumable.then(event::stream_of_a_call) {
            Some(name) => Some(Feed::new(&slot.session, &name.ok_or(ManagerError::NoName)?).await?),
            None => None,
        };
        let said = worker.create_stream(id, message).await.map_err(failed)?;
        if let Some(call) = call {
            call.sent();
        }
        Ok(match feed {
            Some(feed) => Held::new(slot.feeds.call(feed, generation, said).await?, &slot),
            None => Held::new(said, &slot),
        })
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), ManagerError> {
        let replay = is_replay(&message);
        worker()?.1.accept_message(id, message).await.map_err(failed)?;
        // The replayed `initialized` is queued behind the handshake and ahead of all that follows: the replay is done,
        // unless the handler has refused it and its worker is about to end.
        if replay
            && let Some(scope) = Scope::current()
            && scope.outcome().is_none()
            && let Some(gate) = scope.take_gate()
        {
            gate.open();
        }
        Ok(())
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, ManagerError> {
        self.standalone(id, None).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, ManagerError> {
        // "0" is what rmcp itself puts on every handshake; it names no event.
        if last_event_id == "0" {
            return self.standalone(id, None).await;
        }
        let (slot, worker, generation) = worker()?;
        if !self.resumable {
            return Ok(Held::new(worker.resume(id, last_event_id).await.map_err(failed)?, &slot));
        }
        let (stream, after) = event::named(&last_event_id).ok_or(ManagerError::UnknownEvent)?;
        if stream == event::STANDALONE {
            return self.standalone(id, Some(after)).await;
        }
        let reading = slot.feeds.resume_call(&slot.session, generation, stream, &after).await?;
        Ok(Held::new(reading, &slot))
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Watched>, ManagerError> {
        let slot = Scope::current().and_then(|scope| scope.slot()).ok_or(ManagerError::NoScope)?;
        Ok(RestoreOutcome::Restored(self.start(id, &slot).await?))
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        // With one, rmcp would also replay events to modern requests, without a look at their owner.
        None
    }
}

impl From<EventError> for ManagerError {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Unknown => Self::UnknownEvent,
            error => Self::Log(error),
        }
    }
}

async fn create(owner: &CallerOwner) -> Result<Session, CreateError> {
    let new = NewSession::of_kind(PROTOCOL_KIND)?;
    match owner {
        CallerOwner::Owner(owner) => owner.create(new).await,
        CallerOwner::Anonymous(anonymous) => anonymous.create(new).await,
    }
}

/// The worker, and its generation, of the session that this request was proven to own.
fn worker() -> Result<(Arc<Slot>, Arc<LocalSessionManager>, u64), ManagerError> {
    let slot = Scope::current().and_then(|scope| scope.slot()).ok_or(ManagerError::NoScope)?;
    let (worker, generation) = slot.worker().ok_or(ManagerError::Gone)?;
    Ok((slot, worker, generation))
}

/// Takes the id of a request for it alone.
async fn begin(slot: &Arc<Slot>, message: &ClientJsonRpcMessage) -> Result<Option<Call>, ManagerError> {
    let JsonRpcMessage::Request(request) = message else { return Ok(None) };
    let refused = match Call::begin(slot, &request.id).await {
        Ok(call) => return Ok(Some(call)),
        Err(Refused::Gone) => return Err(ManagerError::Gone),
        Err(Refused::Crowded) => Outcome::Unavailable,
        Err(Refused::InUse | Refused::Answering) => Outcome::IdInUse,
    };
    if let Some(scope) = Scope::current() {
        scope.note(refused);
    }
    Err(ManagerError::NotTaken)
}

fn failed(error: LocalSessionManagerError) -> ManagerError {
    ManagerError::Worker(Box::new(error))
}

/// Whether this message is part of a replayed handshake.
fn is_replay(message: &ClientJsonRpcMessage) -> bool {
    let marker = match message {
        JsonRpcMessage::Request(request) => request.request.extensions().get::<SessionRestoreMarker>(),
        JsonRpcMessage::Notification(notification) => notification.notification.extensions().get(),
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => None,
    };
    marker.is_some()
}
