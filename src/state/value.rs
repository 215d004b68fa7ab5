//! A value: checked, compact JSON text.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::RawValue;

use super::scan::{self, Fault};
use crate::config::MAX_DEPTH;
use crate::error::{DraftError, Limit, LimitExceeded};

/// One JSON value as compact text, cheap to clone.
///
/// Numbers and strings stay spelled as they came: no integer is rounded on its way through. Two values are equal when
/// their texts are.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Arc<str>);

impl Json {
    /// Writes a value as JSON.
    ///
    /// # Errors
    /// [`DraftError::Encode`] when the value cannot be written as JSON, [`DraftError::DuplicateMember`] and
    /// [`DraftError::LimitExceeded`] as in [`Json::parse`].
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, DraftError> {
        let (mut text, too_deep) = (Vec::new(), Cell::new(false));
        let mut writer = serde_json::Serializer::with_formatter(&mut text, Shallow { depth: 0, too_deep: &too_deep });
        if let Err(error) = value.serialize(&mut writer) {
            return Err(if too_deep.get() { depth_exceeded(MAX_DEPTH + 1) } else { DraftError::Encode(error) });
        }
        let text = String::from_utf8(text).map_err(|error| DraftError::Encode(serde_json::Error::custom(error)))?;
        // A `Serialize` can name a member twice or pass text of its own through, so what was written is read too.
        Self::parse(&text)
    }

    /// Reads one JSON value from text.
    ///
    /// # Errors
    /// [`DraftError::NotJson`] when the text is not one JSON value, [`DraftError::DuplicateMember`] when an object in
    /// it names a member twice, [`DraftError::LimitExceeded`] when it is nested deeper than 100 levels.
    pub fn parse(text: &str) -> Result<Self, DraftError> {
        match scan::check(text) {
            Ok(true) => Ok(Self(text.into())),
            Ok(false) => Ok(Self(scan::strip(text).into())),
            Err(Fault::Depth) => Err(depth_exceeded(MAX_DEPTH + 1)),
            Err(Fault::Duplicate(name)) => Err(DraftError::DuplicateMember(name)),
            Err(Fault::Syntax { what, at }) => {
                Err(DraftError::NotJson(serde_json::Error::custom(format_args!("{what}, at byte {at}"))))
            }
        }
    }

    /// The compact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the value as a type.
    ///
    /// # Errors
    /// [`DraftError::Decode`] when it does not fit the type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, DraftError> {
        serde_json::from_str(&self.0).map_err(DraftError::Decode)
    }

    /// Takes text that is known to be checked and compact.
    pub(super) fn trusted(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        debug_assert_eq!(scan::check(&text), Ok(true), "not compact json");
        Self(text)
    }
}

/// Writes the value itself with a JSON serializer; others see what they make of `serde_json`'s raw value.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The refusal of a value nested this deep.
pub(super) fn depth_exceeded(attempted: u64) -> DraftError {
    LimitExceeded { limit: Limit::Depth, allowed: MAX_DEPTH, attempted }.into()
}

/// Compact, and stops a value that nests too deep before it has used up the stack.
struct Shallow<'a> {
    depth: u64,
    too_deep: &'a Cell<bool>,
}

impl Shallow<'_> {
    fn deeper(&mut self) -> io::Result<()> {
        self.depth += 1;
        self.too_deep.set(self.depth > MAX_DEPTH);
        if self.too_deep.get() { Err(io::Error::other("nested too deep")) } else { Ok(()) }
    }
}

impl Formatter for Shallow<'_> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_array(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.deeper()?;
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_object(writer)
    }
}
