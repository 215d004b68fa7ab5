//! `requestState` of multi round trips (SEP-2322): what a server hands a client to bring back with its answers, sealed and
//! good for one use.

mod digest;
mod error;
mod ledger;
mod sealed;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use digest::StatedRequest;
pub use error::RequestStateError;
use ledger::{Ledgers, MAX_STATE_TTL, NotRedeemed};
use sealed::NotOpened;

use super::context::CallContext;
use crate::keys::KeyRing;
use crate::principal::OwnerKey;
use crate::service::{CallerOwner, SessionService};
use crate::time::Timestamp;

/// The most bytes of what is sealed, as JSON.
const MAX_PAYLOAD_BYTES: usize = 8 << 10;

/// Seals what a server wants to know again when a client repeats its request with answers, and opens it once.
///
/// A state is bound to the caller, to the request (method, name and arguments) and to a time. That it was used is committed
/// before it is opened, under the service's level of durability: with `Durability::Commit` no crash makes it good again.
/// Cheap to clone.
///
/// ```
/// use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, InputRequiredResult};
/// use sessile::mcp::{CallContext, RequestStates};
/// use std::time::Duration;
///
/// async fn pay(
///     states: &RequestStates,
///     context: &CallContext,
///     call: CallToolRequestParams,
/// ) -> Result<CallToolResponse, ErrorData> {
///     let Some(state) = &call.request_state else {
///         let quote = 7_u64;
///         let state = states.seal(context, &call, &quote, Duration::from_secs(300)).await?;
///         return Ok(InputRequiredResult::from_request_state(state).into());
///     };
///     let quote: u64 = states.open(context, &call, state).await?;
///     Ok(CallToolResult::structured(serde_json::json!({ "paid": quote })).into())
/// }
/// ```
#[derive(Clone)]
pub struct RequestStates {
    service: SessionService,
    keys: KeyRing,
    ledgers: Arc<Ledgers>,
}

/// What is inside.
#[derive(Serialize, Deserialize)]
struct Inside<'a> {
    caller: [u8; 32],
    request: [u8; 32],
    /// Microseconds since the Unix epoch.
    deadline: u64,
    ledger: Box<str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The key of a service whose author gave none.
#[derive(Default)]
struct OwnKey(OnceLock<KeyRing>);

impl RequestStates {
    /// States sealed under the first of these keys, and opened under any of them: to rotate, put the new key first and keep
    /// the old one for as long as states live.
    ///
    /// The keys may be those of the files: states are sealed under keys derived from them.
    #[must_use]
    pub fn new(service: &SessionService, keys: KeyRing) -> Self {
        Self { service: service.clone(), keys, ledgers: service.attached() }
    }

    /// States under a random key that this service keeps in memory alone: a state does not survive a restart, and another
    /// process cannot open it.
    ///
    /// # Errors
    /// [`RequestStateError::Random`].
    pub fn in_memory(service: &SessionService) -> Result<Self, RequestStateError> {
        let own = service.attached::<OwnKey>();
        let keys = match own.0.get() {
            Some(keys) => keys.clone(),
            None => {
                let made = KeyRing::random()?;
                // Whoever was first; all of one service share a key.
                own.0.get_or_init(|| made).clone()
            }
        };
        Ok(Self::new(service, keys))
    }

    /// Seals `payload` for this caller and this request, good once and for `ttl`, at most an hour. The payload is at most
    /// 8 KiB as JSON; the client can neither read nor change it.
    ///
    /// # Errors
    /// [`RequestStateError::TooLarge`], [`RequestStateError::Encode`]; [`RequestStateError::Ledger`] at a cap on sessions or
    /// where the service stops.
    pub async fn seal<'a, T: Serialize>(
        &self,
        context: &CallContext,
        request: impl Into<StatedRequest<'a>>,
        payload: &T,
        ttl: Duration,
    ) -> Result<String, RequestStateError> {
        let request = request.into().digest();
        let payload = serde_json::value::to_raw_value(payload).map_err(RequestStateError::Encode)?;
        let bytes = payload.get().len();
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(RequestStateError::TooLarge { bytes, max: MAX_PAYLOAD_BYTES });
        }
        let caller = key(context);
        let ledger = self.ledgers.give(&self.service, &caller).await?;
        let deadline = self.service.now().after(ttl.min(MAX_STATE_TTL)).min(ledger.ends_at).as_micros();
        let inside = Inside { caller: caller.0, request, deadline, ledger: ledger.id, payload: &payload };
        let plain = serde_json::to_vec(&inside).map_err(RequestStateError::Encode)?;
        Ok(sealed::seal(&self.keys, plain)?.0)
    }

    /// Opens a state that this caller brought back with this request, and marks it as used: of many at once one does.
    ///
    /// # Errors
    /// [`RequestStateError::Refused`] for whatever is wrong with it; [`RequestStateError::Payload`] when it holds no `T`: it
    /// is used then; [`RequestStateError::NotKept`] when it could not be marked.
    ///
    /// # Cancellation
    /// The state may be used though nobody got it: the client sends its request again without it.
    pub async fn open<'a, T: DeserializeOwned>(
        &self,
        context: &CallContext,
        request: impl Into<StatedRequest<'a>>,
        state: &str,
    ) -> Result<T, RequestStateError> {
        let (plain, nonce) = sealed::open(&self.keys, state).map_err(|why| {
            refused(match why {
                NotOpened::Malformed => "it is no state of ours",
                NotOpened::UnknownKey => "it is sealed under a key that is not there",
                NotOpened::Changed => "it was changed",
            })
        })?;
        let inside: Inside<'_> =
            serde_json::from_slice(&plain).map_err(|_| refused("what it holds is of another release"))?;
        let caller = key(context);
        if inside.caller != caller.0 {
            return Err(refused("it is another caller's"));
        }
        if inside.request != request.into().digest() {
            return Err(refused("it is another request's"));
        }
        let deadline = Timestamp::from_micros(inside.deadline);
        let redeemed = self.ledgers.redeem(&self.service, &caller, &inside.ledger, &nonce, deadline).await;
        redeemed.map_err(|why| match why {
            NotRedeemed::NoLedger => refused("its ledger is gone"),
            NotRedeemed::Expired => refused("it has expired"),
            NotRedeemed::Used => refused("it was used before"),
            NotRedeemed::Failed(error) => error,
        })?;
        serde_json::from_str(inside.payload.get()).map_err(RequestStateError::Payload)
    }
}

fn key(context: &CallContext) -> OwnerKey {
    match context.owner() {
        CallerOwner::Owner(owner) => owner.principal().key(),
        CallerOwner::Anonymous(_) => OwnerKey::ANONYMOUS,
    }
}

fn refused(why: &'static str) -> RequestStateError {
    tracing::warn!(why, "a requestState was refused");
    RequestStateError::Refused
}

impl fmt::Debug for RequestStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStates").field("keys", &self.keys).finish_non_exhaustive()
    }
}
