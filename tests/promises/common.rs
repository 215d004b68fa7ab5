//! What the tests of the library share.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

#[path = "../common/hand.rs"]
mod hand;

pub(crate) use hand::Hand;
use sessile::{Principal, Session, UpdateError, Updated};

pub(crate) fn alice() -> Principal {
    Principal::new("https://id.example", "alice")
}

pub(crate) fn bob() -> Principal {
    Principal::new("https://id.example", "bob")
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session whose mailbox somebody runs: an update that goes on until it is let go, on a thread of its own.
pub(crate) struct Held {
    go: mpsc::Sender<()>,
    thread: JoinHandle<Result<Updated<()>, UpdateError>>,
}

/// Starts such an update and returns once it runs.
pub(crate) fn hold(session: &Session) -> Held {
    let (session, runtime) = (session.clone(), tokio::runtime::Handle::current());
    let (started, running) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        runtime.block_on(session.update(move |_| {
            started.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        }))
    });
    running.recv().unwrap();
    Held { go, thread }
}

impl Held {
    /// Lets it go on and gives what its caller got, after that caller ran what waited behind it.
    pub(crate) fn release(self) -> Result<Updated<()>, UpdateError> {
        self.go.send(()).unwrap();
        self.thread.join().expect("the caller that ran the mailbox panicked")
    }
}

/// Polls once: an update is in the mailbox after that.
pub(crate) fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Panics that are planted print nothing.
pub(crate) fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().downcast_ref::<&str>().is_some_and(|text| text.starts_with("planted")) {
                before(info);
            }
        }));
    });
}

/// A seed: from `SESSILE_SEED` to repeat a failure, else a new one. Printed either way.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("SESSILE_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    });
    eprintln!("SESSILE_SEED={seed}");
    seed
}

/// Random numbers that a seed repeats (splitmix64).
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
