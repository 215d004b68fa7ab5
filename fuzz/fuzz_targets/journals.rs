//! Journals, one after the other, their checksums made right: each by itself, and laid over a snapshot as a chain.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sessile::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    fuzzing::mend(&mut bytes);
    let _ = fuzzing::journals(bytes);
});
