//! One stream of a session: whatever it says is in the session's log before any client gets it.
//!
//! A task of its own takes messages from rmcp for as long as there are any, whether or not somebody listens. Appending and
//! the change from replay to live share one lock, so a reader misses nothing in between and gets nothing twice.

use std::pin::pin;
use std::sync::Arc;

use futures_core::Stream;
use rmcp::model::ServerJsonRpcMessage;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc};

use super::event;
use super::reading::Reading;
use crate::error::EventError;
use crate::session::Session;
use crate::state::{EventId, Json};

/// Messages that a connection may be behind before rmcp waits for it, as in rmcp's own channels.
const BEHIND: usize = 16;
/// Further connections to one stream; the oldest goes when there are more.
const MAX_SPARE: usize = 32;

/// A stream and who listens to it.
pub(super) struct Feed {
    name: Arc<str>,
    session: Session,
    /// Held by the one task that produces: one worker's last words come before the next one's first.
    producing: Mutex<()>,
    /// Held over each append.
    state: Mutex<State>,
}

struct State {
    live: Option<Live>,
    /// Connections that are kept open and told nothing: what is said is said on one of them.
    spare: Vec<mpsc::Sender<ServerSseMessage>>,
    /// The last event, or where the stream began.
    last: EventId,
    /// The last event that a connection was given, or where the stream began.
    given: EventId,
    /// Something was said that the log does not hold, nor does it tell so yet.
    owing: bool,
    /// Nothing more is said.
    ended: bool,
}

/// The connection that is told what is said.
struct Live {
    to: mpsc::Sender<ServerSseMessage>,
    /// Told when another took over: who waits for this one to read need wait no longer.
    over: Arc<Notify>,
    /// The worker it listens to.
    worker: u64,
}

impl Feed {
    /// A stream at its beginning.
    pub(super) async fn new(session: &Session, name: &str) -> Result<Arc<Self>, EventError> {
        let begin = session.events().position(name).await?;
        let state = State { live: None, spare: Vec::new(), last: begin, given: begin, owing: false, ended: false };
        let (producing, state) = (Mutex::new(()), Mutex::new(state));
        Ok(Arc::new(Self { name: name.into(), session: session.clone(), producing, state }))
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Takes all that a worker says on the stream. Returns when there is nothing more.
    pub(super) async fn produce(&self, worker: u64, said: impl Stream<Item = ServerSseMessage>) {
        let _alone = self.producing.lock().await;
        let mut said = pin!(said);
        while let Some(event) = std::future::poll_fn(|cx| said.as_mut().poll_next(cx)).await {
            if let Some(message) = event.message {
                self.say(message).await;
            }
        }
        let mut state = self.state.lock().await;
        // Connections that came for another worker are not this one's to end.
        if state.live.as_ref().is_some_and(|live| live.worker == worker) {
            state.live = None;
            state.spare.clear();
        }
    }

    /// Nothing more is said: whoever listens has got all of it.
    pub(super) async fn end(&self) {
        let mut state = self.state.lock().await;
        state.ended = true;
        state.live = None;
    }

    /// Logs a message, then gives it to whoever listens.
    async fn say(&self, message: Arc<ServerJsonRpcMessage>) {
        let mut state = self.state.lock().await;
        let id = self.log(&mut state, &message).await;
        let Some(live) = &state.live else { return };
        let full = match live.to.try_send(event::sent(&self.name, id.as_ref(), message)) {
            Err(TrySendError::Closed(_)) => {
                state.live = None;
                return;
            }
            Err(TrySendError::Full(event)) => Some((live.to.clone(), Arc::clone(&live.over), event)),
            Ok(()) => None,
        };
        state.given = id.unwrap_or(state.given);
        drop(state);
        if let Some((to, over, event)) = full {
            // One that took over has found this event in the log.
            tokio::select! {
                _ = to.send(event) => {}
                () = over.notified() => {}
            }
        }
    }

    /// The id under which the message stands in the log; `None` where it does not. Then what comes next in the log is that
    /// something is missing.
    async fn log(&self, state: &mut State, message: &ServerJsonRpcMessage) -> Option<EventId> {
        if state.owing {
            self.append(state, event::unlogged().as_ref()).await?;
        }
        // What cannot be kept as it is has its place in the log all the same, and an id.
        match Json::of(message) {
            Ok(message) if let Some(id) = self.append(state, Some(&message)).await => Some(id),
            _ => self.append(state, event::unlogged().as_ref()).await,
        }
    }

    async fn append(&self, state: &mut State, payload: Option<&Json>) -> Option<EventId> {
        let appended = self.session.events().append(&self.name, payload?).await;
        let owed = std::mem::replace(&mut state.owing, appended.is_err());
        match appended {
            Ok(id) => {
                state.last = id;
                return Some(id);
            }
            Err(EventError::Ended(_)) => {}
            Err(error) if !owed => {
                tracing::warn!(%error, session = %self.session.id().tag(), "a message of a stream is not in its log");
            }
            Err(_) => {}
        }
        None
    }

    /// Goes on strictly after an event of the stream; a connection that was live is so no longer.
    pub(super) async fn resume(&self, worker: u64, after: &EventId) -> Result<Reading, EventError> {
        let mut state = self.state.lock().await;
        self.attach(&mut state, worker, after).await
    }

    /// Opens the stream for a client that names no event: from what nobody was given on.
    pub(super) async fn open(&self, worker: u64) -> Result<Reading, EventError> {
        let mut state = self.state.lock().await;
        if state.live.as_ref().is_some_and(|live| !live.to.is_closed()) {
            let (to, silent) = mpsc::channel(1);
            state.spare(to);
            return Ok(Reading::new(&self.name).first(event::priming_without_id()).live(silent));
        }
        let given = state.given;
        let reading = self.attach(&mut state, worker, &given).await?;
        Ok(reading.first(event::priming(&self.name, &given)))
    }

    async fn attach(&self, state: &mut State, worker: u64, after: &EventId) -> Result<Reading, EventError> {
        let mut reading = Reading::new(&self.name).unlogged(state.owing);
        // A log that has trimmed its last event does not know that it was that.
        if *after != state.last {
            reading = reading.missed(self.session.events().replay_after(&self.name, after).await?);
        }
        state.given = state.last;
        if state.ended {
            return Ok(reading);
        }
        let (live, listening) = Live::new(worker);
        if let Some(old) = state.live.replace(live) {
            old.over.notify_one();
            // Ended, its client might come back and take over in turn, and so for ever.
            if &*self.name == event::STANDALONE {
                state.spare(old.to);
            }
        }
        Ok(reading.live(listening))
    }
}

impl State {
    fn spare(&mut self, to: mpsc::Sender<ServerSseMessage>) {
        self.spare.retain(|spare| !spare.is_closed());
        if self.spare.len() >= MAX_SPARE {
            self.spare.remove(0);
        }
        self.spare.push(to);
    }
}

impl Live {
    fn new(worker: u64) -> (Self, mpsc::Receiver<ServerSseMessage>) {
        let (to, listening) = mpsc::channel(BEHIND);
        (Self { to, over: Arc::default(), worker }, listening)
    }
}
