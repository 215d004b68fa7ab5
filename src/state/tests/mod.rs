//! Tests of the promises of `state`.

mod amendments;
mod compat;
mod drafts;
mod events;
mod eviction;
mod expiry;
mod idempotency;
mod large;
mod model;
mod packed;
mod patches;
mod values;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::config::{AtCapacity, StateLimits};
use crate::error::Revision;
use crate::time::Timestamp;

const LIMITS: StateLimits = StateLimits {
    entries: 1_000,
    bytes: 1 << 20,
    value_bytes: 256 << 10,
    key_bytes: 256,
    at_entries: AtCapacity::Reject,
    idempotency_keys: 4,
    idempotency_window: std::time::Duration::from_secs(60),
};

/// Something done to a value.
type Step<'a, T, R = ()> = &'a dyn Fn(&mut T) -> R;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn empty() -> Arc<Committed> {
    Arc::new(Committed::new(Metadata::default(), Lifetime::default()))
}

/// Commits what `change` does at `now`; the same revision when that is nothing.
fn commit_at(base: &Arc<Committed>, now: Timestamp, change: impl FnOnce(&mut Draft)) -> Arc<Committed> {
    let mut draft = Draft::stage(Arc::clone(base), now, LIMITS);
    change(&mut draft);
    draft.finish().unwrap().map_or_else(|| Arc::clone(base), Arc::new)
}

fn commit(base: &Arc<Committed>, change: impl FnOnce(&mut Draft)) -> Arc<Committed> {
    commit_at(base, at(1), change)
}

fn draft(base: &Arc<Committed>) -> Draft {
    Draft::stage(Arc::clone(base), at(1), LIMITS)
}

fn view(committed: &Arc<Committed>, now: Timestamp) -> View {
    View::new(Arc::clone(committed), now)
}

/// A session holding these members.
fn holding(state: &serde_json::Value) -> Arc<Committed> {
    commit(&empty(), |draft| {
        for (key, value) in state.as_object().unwrap() {
            draft.set(key, value).unwrap();
        }
    })
}

fn whole(draft: &Draft) -> serde_json::Value {
    draft.state().unwrap()
}

/// Random numbers from a printed seed; `SESSILE_SEED` repeats a run.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("SESSILE_SEED").map_or(clock, |seed| seed.parse().unwrap());
        eprintln!("SESSILE_SEED={seed}");
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
