//! What cannot be tested on this machine is said aloud, and counted.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Says that something is not tested; a failure with `SESSILE_REQUIRE_ALL=1`.
pub(crate) fn skip(why: &str) {
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    assert!(std::env::var_os("SESSILE_REQUIRE_ALL").is_none_or(|value| value != "1"), "{why}");
    // To stderr itself: the test harness would hold back what `eprintln!` writes.
    let _ = writeln!(std::io::stderr(), "SKIPPED ({count} so far): {why}");
}
