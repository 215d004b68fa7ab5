//! Why a state of a request was not sealed or not opened.

use rmcp::ErrorData;

use crate::error::{CreateError, IdError, UpdateError};

/// Why a state of a request was not sealed or not opened. No message holds anything of the state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestStateError {
    /// It is not to be used: changed, expired, used before, another caller's, another request's, or sealed under a key that
    /// is not there. The log says which; a client is told this alone.
    #[error("the requestState cannot be used; send the request again without it")]
    Refused,
    /// It opened, but holds no such type: the server has sealed something else.
    #[error("what the requestState holds does not fit the type asked for")]
    Payload(#[source] serde_json::Error),
    /// What is to be sealed cannot be written as JSON.
    #[error("what is to be sealed cannot be written as json")]
    Encode(#[source] serde_json::Error),
    /// What is to be sealed is too large for a client to carry about.
    #[error(
        "what is to be sealed has {bytes} bytes as json, at most {max} are allowed; keep it in a session and seal its id"
    )]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// The operating system gave no random numbers.
    #[error(transparent)]
    Random(#[from] IdError),
    /// The ledger of this caller could not be made.
    #[error("the ledger of used states could not be made: {0}")]
    Ledger(#[from] CreateError),
    /// That the state is used could not be committed: it is not, or not for certain.
    #[error("that the requestState is used could not be kept: {0}")]
    NotKept(#[source] UpdateError<String>),
}

impl From<RequestStateError> for ErrorData {
    fn from(error: RequestStateError) -> Self {
        match error {
            RequestStateError::Refused => Self::invalid_params(error.to_string(), None),
            error => Self::internal_error(error.to_string(), None),
        }
    }
}
