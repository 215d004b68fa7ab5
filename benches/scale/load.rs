//! The sessions: how they are made, and how it is checked that they are all there.

use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use sessile::{Builder, DraftError, ListQuery, NewSession, Principal, Session, SessionService};

/// Keys and values of one session.
pub(crate) const BYTES: u64 = 919;
pub(crate) const KEYS: u64 = 10;
/// Sessions of one owner.
const PER_OWNER: u64 = 100;
/// Sessions that other tasks use, spread over all of them.
const HELD: u64 = 10_000;
/// What the counter of a session starts from, so that its length stays.
pub(crate) const COUNT: u64 = 1_000_000;
/// Text of a value, so that a session has [`BYTES`].
const TEXT: usize = 59;

/// A service with room for all of them.
pub(crate) fn builder(sessions: u64, folder: &Path) -> Builder {
    let much = 1_u64 << 50;
    SessionService::builder()
        .max_sessions(sessions.saturating_mul(2))
        .max_sessions_per_owner(PER_OWNER)
        .max_owner_bytes(much)
        .max_total_bytes(much)
        .snapshots(folder)
        // When the bench says so, and not in between.
        .snapshot_every(Duration::from_secs(3_600))
        .generations(1_usize)
        .sweep_every(Duration::from_secs(3_600))
}

pub(crate) fn key(index: u64) -> String {
    format!("key-{index}")
}

/// The value of a session under a key after the first.
fn value(number: u64, index: u64) -> Value {
    let width = if index == KEYS - 1 { TEXT + 7 } else { TEXT };
    json!({"index": index, "list": [1, 2, 3], "text": format!("{number:0>width$}")})
}

pub(crate) fn principal(number: u64) -> Principal {
    Principal::new("https://id.example", format!("user-{:08}", number / PER_OWNER))
}

/// Creates all of them; gives some, and how long creating took each.
pub(crate) async fn create(service: &SessionService, sessions: u64) -> (Vec<Session>, Histogram<u64>) {
    let mut times = Histogram::new(3).expect("a histogram");
    let mut held = Vec::new();
    let every = (sessions / HELD).max(1);
    for number in 0..sessions {
        let owner = service.owner(&principal(number));
        let started = Instant::now();
        let session = owner.create(NewSession::default()).await.expect("creates");
        times.record(started.elapsed().as_nanos() as u64).expect("records");
        let filled = session.update(move |draft| {
            draft.set(&key(0), &COUNT)?;
            (1..KEYS).try_for_each(|index| draft.set(&key(index), &value(number, index)))
        });
        filled.await.map_err(|error: sessile::UpdateError<DraftError>| error).expect("fills");
        if number % every == 0 {
            held.push(session);
        }
    }
    check(service, sessions).await;
    (held, times)
}

/// Updates every session once, neighbours in memory at different times. Even rounds change the length of a value, odd
/// ones bring it back.
pub(crate) async fn rewrite(service: &SessionService, sessions: u64, round: u64) {
    const PASSES: u64 = 5;
    let owners = sessions.div_ceil(PER_OWNER);
    for (pass, place) in (0..PASSES).flat_map(|pass| (0..owners).map(move |place| (pass, place))) {
        let owner = service.owner(&principal(place * 7_919 % owners * PER_OWNER));
        let page = owner.list(&ListQuery::default().limit(PER_OWNER as usize)).await.expect("lists");
        for info in page.sessions.iter().skip(pass as usize).step_by(PASSES as usize) {
            let session = owner.open(info.id.as_ref().expect("an id").as_str()).await.expect("opens");
            let index = 1 + round / 2 % (KEYS - 1);
            let old: Value = session.get(&key(index)).expect("reads").expect("a value");
            let number: u64 = old["text"].as_str().expect("text").parse().expect("a number");
            let width = 20 + number % 100;
            let new = if round.is_multiple_of(2) {
                json!({"text": format!("{number:0>width$}", width = width as usize)})
            } else {
                value(number, index)
            };
            session.set(&key(index), &new).await.expect("updates");
        }
    }
}

/// Whether all are there, as many bytes as they should be, and every thousandth with every value.
pub(crate) async fn check(service: &SessionService, sessions: u64) {
    let stats = service.operator().stats();
    assert_eq!((stats.sessions, stats.bytes), (sessions, sessions * BYTES), "sessions and bytes");
    assert_eq!(stats.owners, sessions.div_ceil(PER_OWNER), "owners");
    let step = PER_OWNER * (sessions / PER_OWNER / 1_000).max(1);
    for first in (0..sessions).step_by(step as usize) {
        let owner = service.owner(&principal(first));
        let page = owner.list(&ListQuery::default().limit(100)).await.expect("lists");
        let last = (first + PER_OWNER).min(sessions) - 1;
        assert_eq!(page.sessions.len() as u64, last - first + 1, "sessions of one owner");
        let newest = page.sessions.first().expect("a newest one");
        let session = owner.open(newest.id.as_ref().expect("an id").as_str()).await.expect("opens");
        let view = session.read().expect("reads");
        assert!(view.revision().get() >= 1 && view.len() as u64 == KEYS);
        assert!(view.get::<u64>(&key(0)).expect("a number").expect("a counter") >= COUNT);
        let text = |index: u64| view.get::<Value>(&key(index)).expect("a value").expect("an entry");
        assert!((1..KEYS).all(|index| text(index)["text"].as_str().expect("text").ends_with(&last.to_string())));
    }
}

/// The sum of the counters of sessions at hand: what updates added must all be in it.
pub(crate) fn counted(held: &[Session]) -> u64 {
    let count = |held: &Session| held.get::<u64>(&key(0)).expect("reads").expect("a counter") - COUNT;
    held.iter().map(count).sum()
}
