//! Snapshots and exports in either format, their checksums made right.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sessile::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    fuzzing::mend(&mut bytes);
    let _ = fuzzing::file(&bytes, false);
});
