//! Handshakes, kept with the session they opened: protocol session and state live, survive and end together.

use std::pin::Pin;

use rmcp::model::InitializeRequestParams;
use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};

use super::scope::{Outcome, Scope};
use crate::config::MAX_TEXT_BYTES;
use crate::error::{DraftError, UpdateError};
use crate::session::Session;
use crate::state::Json;

/// The store that rmcp asks. It answers for the request's own session alone, and never with an error: rmcp would log
/// the whole id. What went wrong is in the scope, and the layer answers.
#[derive(Debug)]
pub(super) struct Store;

type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

// Spelled out as the macro `async_trait`, which rmcp uses, would write it.
impl SessionStore for Store {
    fn load<'a, 'b, 'c>(&'a self, id: &'b str) -> Reply<'c, Option<SessionState>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move { Ok(load(id)) })
    }

    fn store<'a, 'b, 's, 'c>(&'a self, id: &'b str, state: &'s SessionState) -> Reply<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        's: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            store(id, &state.initialize_params).await;
            Ok(())
        })
    }

    fn delete<'a, 'b, 'c>(&'a self, id: &'b str) -> Reply<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            delete(id).await;
            Ok(())
        })
    }
}

fn load(id: &str) -> Option<SessionState> {
    let scope = Scope::current()?;
    let session = scope.session.as_ref().filter(|session| session.id().as_str() == id)?;
    let Ok(view) = session.read() else {
        scope.note(Outcome::Unknown);
        return None;
    };
    // A session of this kind that a tool made has no handshake, and is no protocol session.
    let params = view.metadata().attachment.as_ref().map(Json::to::<InitializeRequestParams>);
    match params {
        Some(Ok(params)) => Some(SessionState::new(params)),
        Some(Err(error)) => {
            tracing::error!(%error, session = %session.id().tag(), "the handshake of a session cannot be read");
            scope.note(Outcome::Unknown);
            None
        }
        None => {
            scope.note(Outcome::Unknown);
            None
        }
    }
}

async fn store(id: &str, params: &InitializeRequestParams) {
    let Some(scope) = Scope::current() else { return };
    let Some(slot) = scope.slot().filter(|slot| slot.session.id().as_str() == id) else { return };
    if scope.outcome().is_some() {
        // A refused handshake: the gate, still shut, takes the session away again.
        return;
    }
    match keep(&slot.session, params).await {
        Ok(()) => {
            if let Some(gate) = scope.take_gate() {
                gate.open();
            }
            tracing::debug!(session = %slot.session.id().tag(), "protocol session opened");
        }
        Err(error) => {
            scope.note(match &error {
                UpdateError::LimitExceeded(_) | UpdateError::Rejected(_) => Outcome::TooLarge,
                _ => Outcome::Unavailable,
            });
            tracing::warn!(%error, session = %slot.session.id().tag(), "a handshake could not be kept");
        }
    }
}

/// Commits the handshake, and who the client says it is, to the session.
async fn keep(session: &Session, params: &InitializeRequestParams) -> Result<(), UpdateError> {
    let handshake = Json::of(params).map_err(UpdateError::Rejected)?;
    let mut client = format!("{}/{}", params.client_info.name, params.client_info.version);
    client.truncate(client.floor_char_boundary(MAX_TEXT_BYTES as usize));
    session
        .update(move |draft| {
            let metadata = draft.metadata_mut();
            metadata.attachment = Some(handshake.clone());
            metadata.user_agent = Some(client.clone());
            Ok::<_, DraftError>(())
        })
        .await
        .map(drop)
}

async fn delete(id: &str) {
    let Some(scope) = Scope::current() else { return };
    let Some(session) = scope.session.as_ref().filter(|session| session.id().as_str() == id) else { return };
    match session.close().await {
        Ok(true) => tracing::debug!(session = %session.id().tag(), "protocol session closed by its client"),
        // Somebody else ended it meanwhile.
        Ok(false) => scope.note(Outcome::Unknown),
        Err(_) => scope.note(Outcome::Unavailable),
    }
}
