//! A stream of events that keeps its session's worker at work.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;

use super::slot::{Slot, Use};

/// Keeps the slot in hand for as long as the client listens.
pub(super) struct Held {
    stream: Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>,
    _used: Use,
}

impl Held {
    pub(super) fn new(stream: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, slot: &Arc<Slot>) -> Self {
        Self { stream: Box::pin(stream), _used: slot.enter() }
    }
}

impl Stream for Held {
    type Item = ServerSseMessage;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        self.get_mut().stream.as_mut().poll_next(cx)
    }
}
