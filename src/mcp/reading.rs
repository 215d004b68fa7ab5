//! What one connection is sent: what it missed, then what comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use tokio::sync::mpsc;

use super::event;
use crate::state::Replay;

/// The stream of one connection. It ends where nothing can come any more, or where another connection took over.
pub(super) struct Reading {
    name: Arc<str>,
    first: Option<ServerSseMessage>,
    gap: Option<ServerSseMessage>,
    missed: std::vec::IntoIter<crate::state::Event>,
    /// That something after those is missing.
    unlogged: Option<ServerSseMessage>,
    live: Option<mpsc::Receiver<ServerSseMessage>>,
}

impl Reading {
    pub(super) fn new(name: &Arc<str>) -> Self {
        let name = Arc::clone(name);
        Self { name, first: None, gap: None, missed: Vec::new().into_iter(), unlogged: None, live: None }
    }

    /// Begins with this.
    pub(super) fn first(mut self, first: ServerSseMessage) -> Self {
        self.first = Some(first);
        self
    }

    /// Then what was missed, and that something is missing in it.
    pub(super) fn missed(mut self, missed: Replay) -> Self {
        self.gap = missed.gap.map(event::gap);
        self.missed = missed.events.into_iter();
        self
    }

    /// Then that more is missing.
    pub(super) fn unlogged(mut self, unlogged: bool) -> Self {
        self.unlogged = unlogged.then(event::unknown_gap);
        self
    }

    /// Then what comes, until its senders are gone.
    pub(super) fn live(mut self, live: mpsc::Receiver<ServerSseMessage>) -> Self {
        self.live = Some(live);
        self
    }

    fn at_hand(&mut self) -> Option<ServerSseMessage> {
        let replayed = |event| event::replayed(&self.name, &event);
        let begun = self.first.take().or_else(|| self.gap.take());
        begun.or_else(|| self.missed.next().map(replayed)).or_else(|| self.unlogged.take())
    }
}

impl Stream for Reading {
    type Item = ServerSseMessage;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let reading = self.get_mut();
        if let Some(event) = reading.at_hand() {
            return Poll::Ready(Some(event));
        }
        match &mut reading.live {
            Some(live) => live.poll_recv(cx),
            None => Poll::Ready(None),
        }
    }
}
