//! The transport that rmcp serves a protocol session over, watched: which calls run, and when the worker ends.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::local::SessionTransport;

use super::slot::Slot;

/// The transport of one worker; its end is the worker's, told apart by generation.
pub(super) struct Watched {
    inner: SessionTransport,
    slot: Arc<Slot>,
    generation: u64,
}

impl Watched {
    pub(super) fn new(inner: SessionTransport, slot: Arc<Slot>, generation: u64) -> Self {
        Self { inner, slot, generation }
    }

    fn received(&self, message: &ClientJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => self.slot.called(self.generation, request.id.clone()),
            // A cancelled call has no answer to wait for.
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.slot.answered(self.generation, id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
    }
}

impl Transport<RoleServer> for Watched {
    type Error = <SessionTransport as Transport<RoleServer>>::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answered = match &item {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
        };
        let answered = answered.map(|id| Answering::new(&self.slot, self.generation, id));
        let sent = self.inner.send(item);
        async move {
            let result = sent.await;
            drop(answered);
            result
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = self.inner.receive().await;
        match &message {
            Some(message) => self.received(message),
            None => self.slot.retire(self.generation),
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

/// An answer on its way out; it is out, or given up, when this is dropped.
struct Answering {
    slot: Arc<Slot>,
    generation: u64,
    id: RequestId,
}

impl Answering {
    fn new(slot: &Arc<Slot>, generation: u64, id: RequestId) -> Self {
        slot.answering(generation, &id);
        Self { slot: Arc::clone(slot), generation, id }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.slot.answered(self.generation, &self.id);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.slot.retire(self.generation);
    }
}
