//! Does one thing so many times and ends, so that callgrind can count the instructions of one time.
//!
//! `.ci/instructions` runs it with N and with 2N times; the difference by N is the figure, and what was set up drops
//! out. One thread, a fixed seed, nothing periodic: two runs do the same.

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

/// What can be counted, in the order of `.ci/instructions`.
const OPERATIONS: [&str; 4] = ["read", "update", "set_1000", "set_100000"];

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

async fn set(owner: &Owner, entries: usize, count: u64) {
    let key = |index: usize| format!("key-{index:07}");
    let session = owner.create(NewSession::default()).await.expect("creates");
    let filled = session.update(move |draft| {
        (0..entries).try_for_each(|index| draft.set(&key(index), &0))?;
        Ok::<_, DraftError>(())
    });
    let first = filled.await.expect("sets").revision.get();
    let mut random = Random::of(0);
    for number in 0..count {
        let set = session.set(&key(random.below(entries)), &(number + 1)).await.expect("sets");
        assert_eq!(set.revision.get(), first + number + 1, "a set was lost");
    }
}
