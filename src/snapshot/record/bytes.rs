//! A byte buffer in one piece, where serde's own way would go byte by byte.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserializer, Serializer, de};

/// Writes the buffer with its length.
pub(super) fn serialize<B: AsRef<[u8]>, S: Serializer>(bytes: &B, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytes.as_ref())
}

/// Reads a buffer. It is borrowed first and copied then, if at all, so a length that lies allocates nothing.
pub(super) fn deserialize<'de, D: Deserializer<'de>, B: From<&'de [u8]>>(from: D) -> Result<B, D::Error> {
    from.deserialize_bytes(Bytes(PhantomData))
}

struct Bytes<B>(PhantomData<B>);

impl<'de, B: From<&'de [u8]>> de::Visitor<'de> for Bytes<B> {
    type Value = B;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<B, E> {
        Ok(bytes.into())
    }
}
