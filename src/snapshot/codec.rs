//! A record as bytes. The only file that names bincode, so that leaving it means changing this one.
//!
//! `config::legacy` is bincode 1's layout: little-endian fixed-size integers, lengths of 64 bits, enum tags of 32. It is
//! also `wincode`'s, which a test holds.

use bincode::config;
use serde::{Deserialize, Serialize};

use super::MAX_RECORD_BYTES;

/// Appends a record to `out`.
pub(super) fn encode<T: Serialize>(record: &T, out: &mut Vec<u8>) -> Result<(), String> {
    bincode::serde::encode_into_std_write(record, out, config::legacy()).map(drop).map_err(|error| error.to_string())
}

/// Reads a record that takes up the whole of `bytes`; it may borrow from them.
///
/// A length inside that lies allocates at most sixteen times as many bytes as there are, or 64 KiB.
pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    // The limit is part of bincode's configuration type, so it comes in steps.
    match bytes.len() {
        0..=0x1_0000 => decode_within::<_, 0x1_0000>(bytes),
        0x1_0001..=0x10_0000 => decode_within::<_, 0x10_0000>(bytes),
        0x10_0001..=0x100_0000 => decode_within::<_, 0x100_0000>(bytes),
        0x100_0001..=0x1000_0000 => decode_within::<_, 0x1000_0000>(bytes),
        _ => decode_within::<_, MAX_RECORD_BYTES>(bytes),
    }
}

fn decode_within<'a, T: Deserialize<'a>, const LIMIT: usize>(bytes: &'a [u8]) -> Result<T, String> {
    let config = config::legacy().with_limit::<LIMIT>();
    match bincode::serde::borrow_decode_from_slice(bytes, config) {
        Ok((record, read)) if read == bytes.len() => Ok(record),
        Ok(_) => Err("the record is longer than its fields".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
