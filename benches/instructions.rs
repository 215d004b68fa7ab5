//! Does one thing so many times and ends, so that callgrind can count the instructions of one time.
//!
//! `.ci/instructions` runs it with N and with 2N times; the difference by N is the figure, and what was set up drops
//! out. One thread, a fixed seed, nothing periodic: two runs do the same. `new_1000` and `new_1000000`, sets of new keys in
//! sessions of so many entries, are for runs by hand, of 20,000 at most.

#![allow(missing_docs, clippy::expect_used, clippy::print_stdout, reason = "a bench that fails has no figure")]

mod common;

use std::hint::black_box;
use std::process::ExitCode;

use common::random::Random;
use common::session::{COUNTER, READ};
use common::{create, owner, still, update};
use sessile::{DraftError, NewSession, Owner, Session};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can be counted, in the order of `.ci/instructions`, which leaves out what is new.
const OPERATIONS: [&str; 6] = ["read", "update", "set_1000", "set_100000", "new_1000", "new_1000000"];
/// New keys at most, whatever the size of a session.
const NEW: usize = 20_000;

fn main() -> ExitCode {
    // cargo adds an argument of its own.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [operation, count] = arguments.as_slice() else {
        // Among all benches it says what it is for, and is no failure.
        println!("instructions are counted by .ci/instructions; by hand: OPERATION COUNT, of {OPERATIONS:?}");
        return ExitCode::SUCCESS;
    };
    let count: u64 = count.parse().expect("a count");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (builder, _handle) = still();
        let service = builder.start().await.expect("starts");
        let owner = owner(&service, 0);
        match operation.as_str() {
            "read" => read(&create(&owner).await, count),
            "update" => updates(&create(&owner).await, count).await,
            "set_1000" => set(&owner, 1_000, count).await,
            "set_100000" => set(&owner, 100_000, count).await,
            "new_1000" => new_keys(&owner, 1_000, count).await,
            "new_1000000" => new_keys(&owner, 1_000_000, count).await,
            other => panic!("{other} is none of {OPERATIONS:?}"),
        }
        service.drain().await.expect("drains");
    });
    ExitCode::SUCCESS
}

fn read(session: &Session, count: u64) {
    for _ in 0..count {
        let view = session.read().expect("the session lives");
        black_box(view.json(black_box(READ)).expect("the key is there"));
    }
}

async fn updates(session: &Session, count: u64) {
    for _ in 0..count {
        update(session).await;
    }
    assert_eq!(session.get::<u64>(COUNTER).expect("reads"), Some(count), "an update was lost");
}

fn key(index: usize) -> String {
    format!("key-{index:07}")
}

/// A session with those of so many keys that `keep` names.
async fn filled(owner: &Owner, entries: usize, keep: fn(&usize) -> bool) -> Session {
    let session = owner.create(NewSession::default()).await.expect("creates");
    let filled = session.update(move |draft| {
        (0..entries).filter(keep).try_for_each(|index| draft.set(&key(index), &0))?;
        Ok::<_, DraftError>(())
    });
    filled.await.expect("sets");
    session
}

/// Every tenth key of a session is new, so that it has about as many as it says, and more such sessions where it is small.
async fn new_keys(owner: &Owner, entries: usize, count: u64) {
    let of_one = entries / 10;
    let mut sessions = Vec::new();
    while sessions.len() * of_one < NEW {
        sessions.push(filled(owner, entries, |index| !index.is_multiple_of(10)).await);
    }
    // In no order: a prime, and no factor of any size.
    let places = (0..of_one).map(|place| place * 7_919 % of_one * 10);
    let all = sessions.iter().flat_map(|session| places.clone().map(move |place| (session, place)));
    for (session, place) in all.take(count as usize) {
        session.set(&key(place), &1).await.expect("sets");
    }
    let held: usize = sessions.iter().map(|session| session.read().expect("reads").len()).sum();
    assert_eq!(held as u64, (sessions.len() * (entries - of_one)) as u64 + count, "a set was lost");
}

async fn set(owner: &Owner, entries: usize, count: u64) {
    let session = filled(owner, entries, |_| true).await;
    let first = session.read().expect("reads").revision().get();
    let mut random = Random::of(0);
    for number in 0..count {
        let set = session.set(&key(random.below(entries)), &(number + 1)).await.expect("sets");
        assert_eq!(set.revision.get(), first + number + 1, "a set was lost");
    }
}
