//! A hash in two pieces, where serde's own way would go byte by byte; the bytes are the same.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes the hash, without a length.
pub(in crate::snapshot) fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
    let half = |half: Option<&[u8; 16]>| u128::from_le_bytes(half.copied().unwrap_or_default());
    (half(hash.first_chunk()), half(hash.last_chunk())).serialize(to)
}

/// Reads a hash.
pub(in crate::snapshot) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    let (first, last) = <(u128, u128)>::deserialize(from)?;
    let mut hash = [0; 32];
    let (head, tail) = hash.split_at_mut(16);
    head.copy_from_slice(&first.to_le_bytes());
    tail.copy_from_slice(&last.to_le_bytes());
    Ok(hash)
}
