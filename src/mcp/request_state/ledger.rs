//! Which states were used: entries of sessions that no caller can reach.
//!
//! A ledger is a session of a principal made up for each caller, so that what one caller uses up is under caps of its own, and
//! none of the caller's tools can list, change or close it. A state carries the id of its ledger. Where that is gone, by a
//! crash before it was on disk or at the end of its time, the state is refused: without it nobody can know.
//!
//! A ledger lives twice as long as a state may, and is given to new states for the first half of its life, and to so few that
//! each has its entry. An entry lives as long as its state.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::RequestStateError;
use super::sealed::NONCE_BYTES;
use crate::actor::new_session::NewSession;
use crate::error::UpdateError;
use crate::owner::Owner;
use crate::principal::{OwnerKey, Principal};
use crate::service::SessionService;
use crate::state::{Draft, Ttl};
use crate::time::Timestamp;

/// The kind of sessions that are ledgers.
const LEDGER_KIND: &str = "request-states";
/// No identity provider vouches for anybody under this name.
const ISSUER: &str = "sessile:request-states";
/// The longest that a state lives.
pub(super) const MAX_STATE_TTL: Duration = Duration::from_secs(60 * 60);
/// States that are given one ledger: fewer than a session has entries by default.
const STATES_A_LEDGER: u64 = 512;
/// Callers beyond which those are forgotten whose ledgers take no more states.
const LEAST_REMEMBERED: usize = 1_024;

/// The ledgers that take new states, one a caller at most; attached to the service.
#[derive(Default)]
pub(super) struct Ledgers(Mutex<Open>);

#[derive(Default)]
struct Open {
    of: HashMap<OwnerKey, Ledger>,
    /// How many callers are remembered before it is looked whom to forget.
    most: usize,
}

#[derive(Clone)]
struct Ledger {
    id: Box<str>,
    /// Given out until then.
    until: Timestamp,
    ends_at: Timestamp,
    states: u64,
}

/// What a state is told of its ledger.
pub(super) struct Given {
    pub(super) id: Box<str>,
    pub(super) ends_at: Timestamp,
}

/// Why a state was not redeemed.
pub(super) enum NotRedeemed {
    /// The ledger is gone.
    NoLedger,
    Expired,
    Used,
    Failed(RequestStateError),
}

fn keeper(service: &SessionService, caller: &OwnerKey) -> Owner {
    let subject: String = caller.0.iter().map(|byte| format!("{byte:02x}")).collect();
    service.owner(&Principal::new(ISSUER, subject))
}

impl Ledgers {
    /// A ledger of this caller for one more state.
    pub(super) async fn give(&self, service: &SessionService, caller: &OwnerKey) -> Result<Given, RequestStateError> {
        let now = service.now();
        // No more than it has entries, wherever the cap on those is: what is used must not be evicted.
        let most = STATES_A_LEDGER.min(service.max_entries());
        if let Some(given) = self.standing(caller, now, most) {
            return Ok(given);
        }
        let new = NewSession::of_kind(LEDGER_KIND)?.lasting(2 * MAX_STATE_TTL);
        let session = keeper(service, caller).create(new).await?;
        // Of one that has ended at once nothing is given; its state will be refused.
        let ends_at = session.info().ok().and_then(|info| info.expires_at).unwrap_or(now);
        let (id, until) = (Box::from(session.id().as_str()), now.after(ends_at.since(now) / 2));
        self.open(*caller, Ledger { id: Box::clone(&id), until, ends_at, states: 1 }, now);
        Ok(Given { id, ends_at })
    }

    fn standing(&self, caller: &OwnerKey, now: Timestamp, most: u64) -> Option<Given> {
        let mut open = self.0.lock();
        let ledger = open.of.get_mut(caller).filter(|ledger| now < ledger.until && ledger.states < most)?;
        ledger.states += 1;
        Some(Given { id: ledger.id.clone(), ends_at: ledger.ends_at })
    }

    fn open(&self, caller: OwnerKey, ledger: Ledger, now: Timestamp) {
        let mut open = self.0.lock();
        if open.of.len() >= open.most.max(LEAST_REMEMBERED) {
            open.of.retain(|_, ledger| now < ledger.until);
            open.most = 2 * open.of.len();
        }
        open.of.insert(caller, ledger);
    }

    /// Forgets a ledger that turned out to be gone, so that the next state gets another.
    fn forget(&self, caller: &OwnerKey, id: &str) {
        let mut open = self.0.lock();
        if open.of.get(caller).is_some_and(|ledger| *ledger.id == *id) {
            open.of.remove(caller);
        }
    }

    /// Marks a state as used, if it is not: of many at once one does.
    pub(super) async fn redeem(
        &self,
        service: &SessionService,
        caller: &OwnerKey,
        ledger: &str,
        nonce: &[u8; NONCE_BYTES],
        deadline: Timestamp,
    ) -> Result<(), NotRedeemed> {
        let Ok(session) = keeper(service, caller).open(ledger).await else {
            self.forget(caller, ledger);
            return Err(NotRedeemed::NoLedger);
        };
        let key: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let used = session.update(move |draft| take(draft, &key, deadline));
        used.await.map(drop).map_err(|error| match error {
            UpdateError::Rejected(refused) => refused,
            UpdateError::Ended(_) => NotRedeemed::NoLedger,
            error => NotRedeemed::Failed(RequestStateError::NotKept(error.map_rejected(|_| String::new()))),
        })
    }
}

fn take(draft: &mut Draft, key: &str, deadline: Timestamp) -> Result<(), NotRedeemed> {
    let left = deadline.since(draft.now());
    if left.is_zero() {
        return Err(NotRedeemed::Expired);
    }
    if draft.contains(key) {
        return Err(NotRedeemed::Used);
    }
    let taken = draft.set_with(key, &true, Ttl::Absolute(left));
    taken.map_err(|error| NotRedeemed::Failed(RequestStateError::NotKept(UpdateError::Rejected(error.to_string()))))
}
