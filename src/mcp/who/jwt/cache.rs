//! Keys that were read, and when they are read again.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;

use super::keys::{Keys, KeysUnusable};
use super::source::JwksSource;
use crate::time::Timestamp;

/// Time between two readings, whatever is asked for: tokens that nobody signed cost the authorization server nothing.
const LEAST_BETWEEN: Duration = Duration::from_secs(60);
/// Age of keys beyond which they are read again though none is missing.
const RENEW_AFTER: Duration = Duration::from_secs(10 * 60);
/// How long a reading may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Cache {
    source: Box<dyn JwksSource>,
    held: Mutex<Held>,
    /// One reads at a time; who needs what is being read waits for it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Held {
    keys: Option<Arc<Keys>>,
    read_at: Timestamp,
    tried_at: Option<Timestamp>,
}

/// There are no keys, and it is not known whether there are any.
pub(super) struct Unknown;

impl Cache {
    pub(super) fn new(source: impl JwksSource) -> Self {
        Self { source: Box::new(source), held: Mutex::default(), turn: Arc::default() }
    }

    /// The key of this name that signs with this algorithm, if there is one.
    pub(super) async fn find(
        self: &Arc<Self>,
        kid: &str,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Option<DecodingKey>, Unknown> {
        let (keys, old) = {
            let held = self.held.lock();
            (held.keys.clone(), passed(held.read_at, now, RENEW_AFTER))
        };
        if let Some(key) = keys.as_ref().and_then(|keys| keys.find(kid, algorithm)) {
            if old && let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
                // What is known still counts, so nobody waits.
                drop(self.read_again(turn, now));
            }
            return Ok(Some(key.clone()));
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if let Some(reading) = self.read_again(turn, now) {
            // A reading that panicked has told so, and leaves what was there.
            let _ = reading.await;
        }
        let keys = self.held.lock().keys.clone().ok_or(Unknown)?;
        Ok(keys.find(kid, algorithm).cloned())
    }

    /// Reads the keys though it may have been done a moment ago.
    pub(super) async fn load(&self, now: Timestamp) -> Result<usize, KeysUnusable> {
        let _turn = self.turn.lock().await;
        self.held.lock().tried_at = Some(now);
        self.read(now).await
    }

    /// Reads the keys once more, unless that was done a moment ago, in a task of its own: a client that leaves, which may
    /// be on purpose, must not keep the others from a key.
    fn read_again(
        self: &Arc<Self>,
        turn: tokio::sync::OwnedMutexGuard<()>,
        now: Timestamp,
    ) -> Option<tokio::task::JoinHandle<()>> {
        {
            let mut held = self.held.lock();
            if held.tried_at.is_some_and(|tried| !passed(tried, now, LEAST_BETWEEN)) {
                return None;
            }
            held.tried_at = Some(now);
        }
        let cache = Arc::clone(self);
        Some(tokio::spawn(async move {
            let _turn = turn;
            if let Err(error) = cache.read(now).await {
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(%error, cause, "the keys that tokens are signed with could not be read; the last ones count");
            }
        }))
    }

    async fn read(&self, now: Timestamp) -> Result<usize, KeysUnusable> {
        let fetched = tokio::time::timeout(PATIENCE, self.source.fetch()).await.map_err(|_| KeysUnusable::Late)?;
        let keys = Keys::read(&fetched.map_err(KeysUnusable::Read)?)?;
        let count = keys.len();
        let mut held = self.held.lock();
        (held.keys, held.read_at) = (Some(Arc::new(keys)), now);
        Ok(count)
    }
}

/// Whether that much time has passed. A wall clock that went back has made it unknown how much it is.
fn passed(since: Timestamp, now: Timestamp, time: Duration) -> bool {
    now < since || now.since(since) >= time
}
