//! The whole state as one value of a type.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Session;
use crate::actor::turn::Updated;
use crate::error::{ReadError, UpdateError};
use crate::state::Json;

/// A session's state seen as one `T`, whose fields are the keys. Keys that `T` does not know are left alone.
pub struct TypedState<'a, T> {
    session: &'a Session,
    of: PhantomData<fn() -> T>,
}

impl<'a, T> TypedState<'a, T> {
    pub(super) fn new(session: &'a Session) -> Self {
        Self { session, of: PhantomData }
    }
}

impl<T: DeserializeOwned> TypedState<'_, T> {
    /// Reads the state.
    ///
    /// # Errors
    /// [`ReadError::Ended`] when the session has ended, [`ReadError::Decode`] when the state is not a `T`.
    pub fn read(&self) -> Result<T, ReadError> {
        self.session.read()?.state()
    }
}

impl<T: Serialize + DeserializeOwned> TypedState<'_, T> {
    /// Changes the state, as one update.
    ///
    /// # Errors
    /// [`UpdateError::Rejected`] when the state is not a `T` or a field is refused; else as [`Session::update`].
    pub async fn update<R, F>(&self, mut change: F) -> Result<Updated<R>, UpdateError>
    where
        R: Send + 'static,
        F: FnMut(&mut T) -> R + Send + 'static,
    {
        self.session
            .update(move |draft| {
                let mut state: T = draft.state()?;
                let before = Json::of(&state)?;
                let value = change(&mut state);
                draft.store(&before, &state)?;
                Ok(value)
            })
            .await
    }
}
