//! Writing entries of a draft.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Draft;
use crate::config::MAX_DEPTH;
use crate::error::{DraftError, Limit};
use crate::state::entries::{NewEntry, Text};
use crate::state::lifetime::{Expiry, Ttl};
use crate::state::metadata::at_most;
use crate::state::node::members;
use crate::state::scan;
use crate::state::value::{Json, depth_exceeded};

impl Draft {
    /// Sets a key to a value, in place of the whole entry: a ttl that it had is gone.
    ///
    /// # Errors
    /// As [`Json::of`]; [`DraftError::InvalidKey`] and [`DraftError::LimitExceeded`] for the key and the value's size.
    pub fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), DraftError> {
        self.set_with(key, value, Ttl::Never)
    }

    /// Sets a key to a JSON value, as [`Draft::set`] does.
    ///
    /// # Errors
    /// [`DraftError::InvalidKey`] and [`DraftError::LimitExceeded`] for the key and the value's size.
    pub fn set_json(&mut self, key: &str, value: Json) -> Result<(), DraftError> {
        self.set_json_with(key, value, Ttl::Never)
    }

    /// Sets a key to a value that lives so long.
    ///
    /// # Errors
    /// As [`Draft::set`]; [`DraftError::ZeroTtl`] for a ttl of zero.
    pub fn set_with<T: Serialize + ?Sized>(&mut self, key: &str, value: &T, ttl: Ttl) -> Result<(), DraftError> {
        self.set_json_with(key, Json::of(value)?, ttl)
    }

    /// Sets a key to a JSON value that lives so long.
    ///
    /// # Errors
    /// As [`Draft::set_json`]; [`DraftError::ZeroTtl`] for a ttl of zero.
    pub fn set_json_with(&mut self, key: &str, value: Json, ttl: Ttl) -> Result<(), DraftError> {
        let expiry = Expiry::new(ttl, self.now)?;
        self.check(key, value.as_str().len())?;
        self.put(key, value, expiry);
        Ok(())
    }

    /// Removes a key and says whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let there = self.contains(key);
        if self.base.peek(key, self.now).is_some() {
            self.staged.insert(key, None);
        } else {
            self.staged.remove(key);
        }
        there
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        let live = self.base.entries.iter().filter(|entry| self.base.is_live(entry, self.now));
        self.staged = live.map(|entry| (entry.key.into(), None)).collect();
    }

    /// Adds to an integer and gives the sum; a key that is not there counts as 0. The entry keeps its ttl.
    ///
    /// # Errors
    /// [`DraftError::WrongType`] when the value is not an integer, [`DraftError::Overflow`] when it or the sum is
    /// beyond 64 bits.
    pub fn increment(&mut self, key: &str, by: i64) -> Result<i64, DraftError> {
        let current = self.current(key);
        let (old, expiry, place) = match current {
            Some(entry) => (integer(entry.value)?, entry.expiry, entry.place),
            None => (0, Expiry::Never, 0),
        };
        // An integer is spelled one way unless it is `-0`; another one than what is there need not be compared with it.
        let other = by != 0 && current.is_some() && !self.staged.contains(key);
        let sum = old.checked_add(by).ok_or(DraftError::Overflow)?;
        let mut digits = [0; 20];
        let value = spell(sum, &mut digits);
        self.check(key, value.len())?;
        let value = Json::trusted(value);
        if other {
            self.stage_entry(key, value, expiry, place);
        } else {
            self.put(key, value, expiry);
        }
        Ok(sum)
    }

    /// Appends to an array and gives its new length; a key that is not there counts as empty. The entry keeps its ttl.
    ///
    /// # Errors
    /// [`DraftError::WrongType`] when the value is not an array; as [`Draft::set`] for what is appended.
    pub fn append<T: Serialize + ?Sized>(&mut self, key: &str, item: &T) -> Result<u64, DraftError> {
        let item = Json::of(item)?;
        let (depth, _) = scan::shape(item.as_str());
        if depth >= MAX_DEPTH {
            return Err(depth_exceeded(depth + 1));
        }
        let current = self.current(key).and_then(|entry| Some((entry.value.as_str()?, entry.expiry)));
        let (old, expiry) = current.unwrap_or(("[]", Expiry::Never));
        let Some(head) = old.strip_suffix(']') else {
            return Err(DraftError::WrongType { needed: "an array", found: scan::name_of(old) });
        };
        let (_, length) = scan::shape(old);
        let comma = if length == 0 { "" } else { "," };
        self.check(key, old.len() + comma.len() + item.as_str().len())?;
        let value = Json::trusted([head, comma, item.as_str(), "]"].concat());
        self.put(key, value, expiry);
        Ok(length + 1)
    }

    /// Writes the difference between two forms of a type that stands for the whole state, and gives the keys that
    /// changed. Members that both forms spell alike stay untouched, and so do keys that the type does not know.
    /// Entries keep their ttl.
    ///
    /// Take `before` with [`Json::of`] from what [`Draft::state`] gave, before changing that.
    ///
    /// # Errors
    /// [`DraftError::WrongType`] when a form is not an object; as [`Draft::set`] for its members.
    pub fn store<T: Serialize + ?Sized>(&mut self, before: &Json, after: &T) -> Result<Vec<String>, DraftError> {
        let after = Json::of(after)?;
        let (before, after) = (members(before)?, members(&after)?);
        let new = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        let new = new.map(|(key, value)| (key.clone(), Some(Json::trusted(*value))));
        self.write(new.chain(gone.map(|key| (key.clone(), None))).collect())
    }

    /// Writes many values or none, in place of or beside what is there: entries keep their ttl. Gives the keys that
    /// changed, sorted.
    pub(in crate::state) fn write(
        &mut self,
        values: BTreeMap<String, Option<Json>>,
    ) -> Result<Vec<String>, DraftError> {
        for (key, value) in &values {
            if let Some(value) = value {
                self.check(key, value.as_str().len())?;
            }
        }
        let mut changed = Vec::new();
        for (key, value) in values {
            if self.json(&key) == value.as_ref().map(Json::as_str) {
                continue;
            }
            match value {
                Some(value) => {
                    let expiry = self.current(&key).map_or(Expiry::Never, |entry| entry.expiry);
                    self.put(&key, value, expiry);
                }
                None => drop(self.remove(&key)),
            }
            changed.push(key);
        }
        Ok(changed)
    }

    fn check(&self, key: &str, value_bytes: usize) -> Result<(), DraftError> {
        // Most keys are ASCII, and looked through faster as bytes.
        let control = if key.is_ascii() {
            key.bytes().any(|byte| byte.is_ascii_control())
        } else {
            key.chars().any(char::is_control)
        };
        if key.is_empty() || control {
            return Err(DraftError::InvalidKey);
        }
        at_most(Limit::KeyBytes, self.limits.key_bytes, key.len() as u64)?;
        at_most(Limit::ValueBytes, self.limits.value_bytes, value_bytes as u64)?;
        Ok(())
    }

    fn put(&mut self, key: &str, value: Json, expiry: Expiry) {
        let base = self.base.used(key, self.now);
        if base.is_some_and(|base| base.value.as_bytes() == value.as_str().as_bytes() && base.expiry == expiry) {
            self.staged.remove(key);
        } else {
            let place = base.map_or(0, |base| base.place);
            self.stage_entry(key, value, expiry, place);
        }
    }

    fn stage_entry(&mut self, key: &str, value: Json, expiry: Expiry, place: usize) {
        self.near = place;
        let revision = self.base.revision.next();
        self.staged.insert(key, Some(NewEntry { value, revision, expiry }));
    }
}

/// The integer that checked text spells.
fn integer(text: Text<'_>) -> Result<i64, DraftError> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let wrong = |found| DraftError::WrongType { needed: "an integer", found };
    match digits.first() {
        Some(b'0'..=b'9') if digits.iter().all(u8::is_ascii_digit) => {}
        Some(b'0'..=b'9') => return Err(wrong("a number with a fraction")),
        _ => return Err(wrong(scan::name_of(text.as_str().unwrap_or_default()))),
    }
    let sum = digits.iter().try_fold(0_i64, |sum, digit| {
        let (tens, ones) = (sum.checked_mul(10)?, i64::from(digit - b'0'));
        if negative { tens.checked_sub(ones) } else { tens.checked_add(ones) }
    });
    sum.ok_or(DraftError::Overflow)
}

/// The text of an integer, written into `digits`, which are enough for any.
fn spell(number: i64, digits: &mut [u8; 20]) -> &str {
    let mut rest = number.unsigned_abs();
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        (first, rest) = (place, rest / 10);
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        first -= 1;
        digits.get_mut(first).into_iter().for_each(|sign| *sign = b'-');
    }
    str::from_utf8(digits.get(first..).unwrap_or_default()).unwrap_or_default()
}
