//! Files that were edited by hand.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sessile::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::file(bytes, true);
});
