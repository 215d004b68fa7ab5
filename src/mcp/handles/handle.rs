//! A handle as a tool's argument, and the state behind it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use garde::Report;
use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kind::{Names, StateKind, lifetime, noun};
use super::refusal::ToolRefusal;
use crate::actor::turn::Updated;
use crate::error::{DraftError, OpenError, ReadError};
use crate::mcp::context::CallContext;
use crate::session::Session;
use crate::state::Json;

/// The handle of some state of the kind `K`: a field of a tool's arguments or of its answer.
///
/// Its schema tells the model what it is, which tool gives it out and how long it lives. Any text reads as a handle;
/// whether it is one, and the caller's own, [`StateHandle::open`] finds out.
pub struct StateHandle<K> {
    text: String,
    of: PhantomData<fn() -> K>,
}

/// State of the kind `K`, opened for the call that named it.
pub struct State<K> {
    session: Session,
    of: PhantomData<fn() -> K>,
}

/// Why a turn changed nothing.
enum Refused {
    Draft(DraftError),
    Rules(Report),
}

impl From<DraftError> for Refused {
    fn from(error: DraftError) -> Self {
        Self::Draft(error)
    }
}

impl<K: StateKind> StateHandle<K> {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), of: PhantomData }
    }

    /// The handle as text. For callers without an identity it is a credential: keep it out of logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Opens the state, if it is this caller's. Counts as use.
    ///
    /// # Errors
    /// A [`ToolRefusal`] that says what to do: unknown (which somebody else's is, too), mistyped, expired, closed, or a handle of
    /// another kind.
    pub async fn open(&self, call: &CallContext) -> Result<State<K>, ToolRefusal> {
        let session = call.open(&self.text).await.map_err(|error| refused::<K>(&error, call))?;
        if session.kind() != K::KIND {
            // It is the caller's own, so its kind is no secret.
            let (found, create) = (session.kind().to_owned(), Names::of::<K>().create);
            let message =
                format!("This is the handle of another kind of state, `{found}`. Pass one that {create} gave out.");
            return Err(ToolRefusal::new("wrong_kind", message));
        }
        Ok(State::new(session))
    }
}

fn refused<K: StateKind>(error: &OpenError, call: &CallContext) -> ToolRefusal {
    let names = Names::of::<K>();
    ToolRefusal::not_opened(error, call.now(), (&names.create, &names.list))
}

impl<K: StateKind> State<K> {
    pub(super) fn new(session: Session) -> Self {
        Self { session, of: PhantomData }
    }

    /// The session that holds it.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Its handle, to be given to the model.
    #[must_use]
    pub fn handle(&self) -> StateHandle<K> {
        StateHandle::new(self.session.id().as_str())
    }

    /// Reads it.
    ///
    /// # Errors
    /// A [`ToolRefusal`] when it has ended, or holds what is no `K`.
    pub fn read(&self) -> Result<K, ToolRefusal> {
        self.session.state::<K>().read().map_err(|error| match error {
            ReadError::Ended(ended) => ToolRefusal::ended(ended, self.session.now(), &Names::of::<K>().create),
            ReadError::Decode(_) => ToolRefusal::internal("what is stored does not read as state of its kind"),
        })
    }

    /// Changes it, as one update. The rules of its kind are checked before the commit.
    ///
    /// # Errors
    /// A [`ToolRefusal`], `invalid_state` with the paths of the fields when a rule would be broken; nothing was changed.
    ///
    /// # Cancellation
    /// Dropped before its turn started, the update is never run; once started it commits whole.
    pub async fn update<R, F>(&self, mut change: F) -> Result<Updated<R>, ToolRefusal>
    where
        R: Send + 'static,
        F: FnMut(&mut K) -> R + Send + 'static,
    {
        let updated = self.session.update(move |draft| {
            let mut state: K = draft.state()?;
            let before = Json::of(&state)?;
            let value = change(&mut state);
            state.validate().map_err(Refused::Rules)?;
            draft.store(&before, &state)?;
            Ok(value)
        });
        updated.await.map_err(|error| {
            ToolRefusal::not_updated(error, self.session.now(), &Names::of::<K>().create, |refused| match refused {
                Refused::Rules(report) => ToolRefusal::rules(&report),
                Refused::Draft(error) => {
                    ToolRefusal::new("invalid_argument", format!("Refused: {error}. Nothing was written."))
                }
            })
        })
    }
}

// Derived ones would ask the same of `K`.
impl<K> Clone for StateHandle<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), of: PhantomData }
    }
}

impl<K: StateKind> fmt::Debug for StateHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateHandle({})", K::KIND)
    }
}

impl<K: StateKind> fmt::Debug for State<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({:?})", self.session)
    }
}

impl<K> Serialize for StateHandle<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de, K> Deserialize<'de> for StateHandle<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::deserialize(deserializer)?, of: PhantomData })
    }
}

impl<K: StateKind> JsonSchema for StateHandle<K> {
    fn schema_name() -> Cow<'static, str> {
        format!("handle_of_{}", noun::<K>()).into()
    }

    fn inline_schema() -> bool {
        // What it says belongs beside the argument.
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = format!("Handle of {}, as {} returned it. {}", K::ABOUT, Names::of::<K>().create, lifetime::<K>());
        json_schema!({ "type": "string", "minLength": 1, "description": text })
    }
}
