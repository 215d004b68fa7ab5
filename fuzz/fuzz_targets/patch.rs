//! Merge patches and JSON patches.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sessile::fuzzing;

fuzz_target!(|text: &str| {
    let _ = fuzzing::patch(text);
});
