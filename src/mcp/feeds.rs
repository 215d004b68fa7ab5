//! The streams of one protocol session.

use std::collections::HashMap;
use std::sync::Arc;

use futures_core::Stream;
use parking_lot::Mutex;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;

use super::event;
use super::feed::Feed;
use super::reading::Reading;
use crate::error::EventError;
use crate::session::Session;
use crate::state::EventId;

/// Streams to which something may still be said.
#[derive(Default)]
pub(super) struct Feeds {
    calls: Mutex<HashMap<Arc<str>, Arc<Feed>>>,
    standalone: tokio::sync::Mutex<Standalone>,
}

/// The stream that a GET opens, over all workers.
#[derive(Default)]
struct Standalone {
    feed: Option<Arc<Feed>>,
    /// The worker that was last made to say on it what it has to say.
    worker: u64,
}

impl Feeds {
    /// Logs what a call says from here on, and opens that to its client.
    pub(super) async fn call(
        self: &Arc<Self>,
        feed: Arc<Feed>,
        worker: u64,
        said: impl Stream<Item = ServerSseMessage> + Send + 'static,
    ) -> Result<Reading, EventError> {
        let (feeds, produced) = (Arc::clone(self), Arc::clone(&feed));
        self.calls.lock().insert(Arc::clone(feed.name()), Arc::clone(&feed));
        // First of all: the client may leave while it waits for what is below.
        tokio::spawn(async move {
            produced.produce(worker, said).await;
            produced.end().await;
            // Whoever does not find it here finds all of it in the log.
            feeds.calls.lock().remove(produced.name());
        });
        feed.open(worker).await
    }

    /// The standalone stream, with this worker on it.
    pub(super) async fn standalone<S, E>(
        &self,
        session: &Session,
        worker: u64,
        said: impl AsyncFnOnce() -> Result<S, E>,
    ) -> Result<Arc<Feed>, E>
    where
        S: Stream<Item = ServerSseMessage> + Send + 'static,
        E: From<EventError>,
    {
        let mut standalone = self.standalone.lock().await;
        let feed = match &standalone.feed {
            Some(feed) => Arc::clone(feed),
            None => Arc::clone(standalone.feed.insert(Feed::new(session, event::STANDALONE).await?)),
        };
        if standalone.worker != worker {
            let said = said().await?;
            standalone.worker = worker;
            let produced = Arc::clone(&feed);
            tokio::spawn(async move { produced.produce(worker, said).await });
        }
        Ok(feed)
    }

    /// Goes on strictly after an event of the stream of a call.
    pub(super) async fn resume_call(
        &self,
        session: &Session,
        worker: u64,
        stream: &str,
        after: &EventId,
    ) -> Result<Reading, EventError> {
        let feed = self.calls.lock().get(stream).cloned();
        match feed {
            Some(feed) => feed.resume(worker, after).await,
            // Answered, or cut by the end of its worker: there is what there is.
            None => Ok(Reading::new(&stream.into()).missed(session.events().replay_after(stream, after).await?)),
        }
    }
}
