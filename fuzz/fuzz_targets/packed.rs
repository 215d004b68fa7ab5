//! Entries of a session in the packed layout.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sessile::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzzing::packed(bytes);
});
