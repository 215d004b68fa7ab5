//! Everything that is logged in this process while it is recorded, at the loudest.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static RECORDS: AtomicBool = AtomicBool::new(false);
static TURN: Mutex<()> = Mutex::new(());

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A recording that goes on until it is taken; one at a time.
pub(in crate::proofs) struct Recording(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

/// Records from now on, spans with their fields too.
///
/// For the whole process: with a subscriber of one thread alone, whether an event is seen would depend on which test
/// came to it first. So what other tests log meanwhile is read, too.
pub(in crate::proofs) fn record() -> Recording {
    static ONCE: Once = Once::new();
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL);
        let lines = lines.with_writer(|| Lines).with_filter(dynamic_filter_fn(|_, _| RECORDS.load(Ordering::Relaxed)));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).unwrap();
    });
    LINES.lock().unwrap().clear();
    RECORDS.store(true, Ordering::SeqCst);
    Recording(turn)
}

impl Recording {
    /// All that was logged.
    pub(in crate::proofs) fn take(self) -> Vec<u8> {
        std::mem::take(&mut LINES.lock().unwrap())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDS.store(false, Ordering::SeqCst);
    }
}
