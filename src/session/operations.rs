//! Updates of one entry, or by a patch. They are data, not closures: a store may run them where the data is.

use serde::Serialize;

use super::Session;
use crate::actor::turn::Updated;
use crate::error::{DraftError, UpdateError};
use crate::state::Json;
use crate::state::Ttl;

impl Session {
    /// Sets one entry; an earlier ttl of it is gone.
    ///
    /// # Errors
    /// [`UpdateError::Rejected`] when the key or value is refused; else as [`Session::update`].
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Updated, UpdateError> {
        self.set_with(key, value, Ttl::Never).await
    }

    /// Sets one entry that expires as `ttl` says. A ttl of zero is refused.
    ///
    /// # Errors
    /// As [`Session::set`].
    pub async fn set_with<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        ttl: Ttl,
    ) -> Result<Updated, UpdateError> {
        let value = Json::of(value).map_err(UpdateError::Rejected)?;
        let key = key.to_owned();
        self.update(move |draft| draft.set_json_with(&key, value.clone(), ttl)).await
    }

    /// Removes one entry; tells whether there was one.
    ///
    /// # Errors
    /// As [`Session::update`].
    pub async fn remove(&self, key: &str) -> Result<Updated<bool>, UpdateError> {
        let key = key.to_owned();
        self.update(move |draft| Ok::<_, DraftError>(draft.remove(&key))).await
    }

    /// Adds `by` to an integer entry, from zero when it is missing; gives the sum.
    ///
    /// # Errors
    /// [`UpdateError::Rejected`] when the entry is no integer or the sum leaves the range; else as [`Session::update`].
    pub async fn increment(&self, key: &str, by: i64) -> Result<Updated<i64>, UpdateError> {
        let key = key.to_owned();
        self.update(move |draft| draft.increment(&key, by)).await
    }

    /// Appends to an array entry, from an empty one when it is missing; gives the new length.
    ///
    /// # Errors
    /// [`UpdateError::Rejected`] when the entry is no array; else as [`Session::update`].
    pub async fn append<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Updated<u64>, UpdateError> {
        let value = Json::of(value).map_err(UpdateError::Rejected)?;
        let key = key.to_owned();
        self.update(move |draft| draft.append(&key, &value)).await
    }

    /// Applies a JSON merge patch (RFC 7396) to the state seen as one object; gives the keys that changed.
    ///
    /// # Errors
    /// [`UpdateError::Rejected`] when the patch is no object or a result is refused; else as [`Session::update`].
    pub async fn merge_patch(&self, patch: serde_json::Value) -> Result<Updated<Vec<String>>, UpdateError> {
        self.update(move |draft| draft.merge_patch(&patch)).await
    }

    /// Applies a JSON patch (RFC 6902) to the state seen as one object; gives the keys that changed.
    ///
    /// # Errors
    /// [`UpdateError::Rejected`] when an operation fails, and then none is applied; else as [`Session::update`].
    pub async fn json_patch(&self, patch: serde_json::Value) -> Result<Updated<Vec<String>>, UpdateError> {
        self.update(move |draft| draft.json_patch(&patch)).await
    }

    /// Removes every entry.
    ///
    /// # Errors
    /// As [`Session::update`].
    pub async fn clear(&self) -> Result<Updated, UpdateError> {
        self.update(move |draft| {
            draft.clear();
            Ok(())
        })
        .await
    }
}
