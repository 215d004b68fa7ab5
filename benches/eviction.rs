//! One create that has to make room at a cap, beside one below it and beside the plain structure that a server would use.
//!
//! Without arguments: a table by the time that this thread was on a processor, so that others on the machine count for
//! little; the ratios within one run are the figures, and the last column is one of them. With `<cap> <sessions> <more>`
//! it fills a service to that cap and creates so many more, so that two runs with `more` and twice `more` give, under
//! `valgrind --tool=callgrind`, the exact instructions of one. Caps: `all`, `owner`, `expired`, `bytes`.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints, and one that cannot be set up has no figure"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sessile::{AtCapacity, Clock, NewSession, Principal, Session, SessionService, TimeSource, Timestamp};

const CAPS: [&str; 4] = ["all", "owner", "expired", "bytes"];
/// One session in so many is held and used again, so that the order of last uses changes.
const USED: u64 = 16;
const TICK: Duration = Duration::from_millis(1);
/// What one session holds where bytes are the cap.
const BYTES: u64 = 100;

/// A clock that moves a tick for each session created.
#[derive(Clone, Default)]
struct Ticks(Arc<AtomicU64>);

impl TimeSource for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + self.0.load(Ordering::Relaxed) * TICK.as_micros() as u64)
    }
}

/// A service and what is needed to create one session after another in it.
struct Filling {
    service: SessionService,
    ticks: Ticks,
    cap: String,
    owners: u64,
    created: u64,
    used: Vec<Session>,
}

impl Filling {
    async fn new(cap: &str, sessions: u64) -> Self {
        let ticks = Ticks::default();
        let builder = SessionService::builder()
            .clock(Clock::from_source(ticks.clone()))
            .at_capacity(if cap == "expired" { AtCapacity::Reject } else { AtCapacity::Evict })
            .max_sessions(if matches!(cap, "owner" | "bytes") { 2 * sessions } else { sessions })
            .max_sessions_per_owner(sessions)
            .max_total_bytes(if cap == "bytes" { sessions * BYTES } else { 1 << 40 });
        // One expires at each tick once as many as the cap have been created.
        let idle = TICK * u32::try_from(sessions).expect("a cap of less than four billion");
        let builder = if cap == "expired" { builder.idle_timeout(idle) } else { builder };
        let owners = if cap == "owner" { 1 } else { sessions.div_ceil(100) };
        let service = builder.start().await.expect("starts");
        Self { service, ticks, cap: cap.to_owned(), owners, created: 0, used: Vec::new() }
    }

    async fn create(&mut self, count: u64, hold: bool) {
        let text = "x".repeat(BYTES as usize - 3);
        for _ in 0..count {
            self.ticks.0.fetch_add(1, Ordering::Relaxed);
            self.created += 1;
            let owner = self.service.owner(&Principal::new("bench", (self.created % self.owners).to_string()));
            let session = owner.create(NewSession::default()).await.expect("there is room, or it is made");
            if self.cap == "bytes" {
                session.set("k", &text).await.expect("there is room, or it is made");
            }
            if hold && self.created.is_multiple_of(USED) {
                self.used.push(session);
            }
            // An early one, again and again; those that were evicted say so.
            let place = self.created.wrapping_mul(7_919) as usize % self.used.len().max(1);
            if !hold && self.cap != "expired" {
                black_box(self.used.get(place).map(Session::touch));
            }
        }
    }
}

/// The same with a map by id and one by last use: no owners, no limits but one, no expiry, no state.
fn raw(sessions: u64, more: u64) -> Duration {
    let mut by_id: BTreeMap<u64, u64> = (0..sessions).map(|id| (id.wrapping_mul(0x9e37_79b9_7f4a_7c15), id)).collect();
    let mut by_use: BTreeMap<u64, u64> = by_id.iter().map(|(id, at)| (*at, *id)).collect();
    let started = busy();
    for at in sessions..sessions + more {
        let id = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some((_, oldest)) = by_use.pop_first() {
            by_id.remove(&oldest);
        }
        by_id.insert(id, at);
        by_use.insert(at, id);
    }
    black_box((by_id.len(), by_use.len()));
    busy() - started
}

async fn table() {
    const MORE: u64 = 50_000;
    let heads = ["below, ns", "at it, ns", "raw at it, ns", "of the first"];
    println!("{:>8} {:>9} {:>14} {:>14} {:>14} {:>14}", "cap", "sessions", heads[0], heads[1], heads[2], heads[3]);
    let mut first = BTreeMap::new();
    for sessions in [10_000, 100_000, 1_000_000] {
        let raw = raw(sessions, MORE);
        for cap in CAPS {
            let mut filling = Filling::new(cap, sessions).await;
            let started = busy();
            filling.create(sessions, true).await;
            let below = busy() - started;
            // The first to meet a cap makes the order of eviction.
            filling.create(1, false).await;
            let started = busy();
            filling.create(MORE, false).await;
            let at = busy() - started;
            let each = |took: Duration, count: u64| took.as_nanos() as u64 / count;
            let (below, at) = (each(below, sessions), each(at, MORE));
            let of_first = at as f64 / *first.entry(cap).or_insert(at) as f64;
            println!("{cap:>8} {sessions:>9} {below:>14} {at:>14} {:>14} {of_first:>14.2}", each(raw, MORE));
        }
    }
}

/// How long this thread has been on a processor; time itself where the system does not tell.
fn busy() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanos = told.ok().and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| STARTED.elapsed(), Duration::from_nanos)
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match given.as_slice() {
            [] => table().await,
            [cap, sessions, more] if CAPS.contains(&cap.as_str()) => {
                let number = |text: &str| text.parse().expect("a number");
                let mut filling = Filling::new(cap, number(sessions)).await;
                filling.create(number(sessions), true).await;
                filling.create(number(more), false).await;
                println!("{} sessions", filling.service.operator().stats().sessions);
            }
            _ => println!("arguments: none, or <{}> <sessions> <more>", CAPS.join("|")),
        }
    });
}
