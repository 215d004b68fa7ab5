//! Rules that take more than a range or a length. They hold when writing too: nothing is stored that would be refused.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::v1::{Role, SlidingRecord, Text};
use super::v2::{AppliedRecord, EventRecord};
use crate::id::{Kind, MAX_ID_BYTES};

/// An id is visible ASCII of a bounded length.
pub(super) fn visible<S: Text>(text: &S, _: &()) -> garde::Result {
    let text = text.as_ref();
    let fits = !text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(garde::Error::new("is not a session id")) }
}

/// The id of an anonymous session is a bearer secret; files hold its hash.
pub(super) fn no_credential<S>(role: Role, unowned: bool) -> impl FnOnce(&Option<S>, &()) -> garde::Result {
    move |id, ()| match id {
        Some(_) if unowned && role == Role::Session => {
            Err(garde::Error::new("the id of an anonymous session is a secret and is not stored"))
        }
        _ => Ok(()),
    }
}

/// A bucket belongs to somebody, the shared session to nobody.
pub(super) fn owned(has_owner: bool) -> impl FnOnce(&Role, &()) -> garde::Result {
    move |role, ()| match (role, has_owner) {
        (Role::Bucket, false) => Err(garde::Error::new("a bucket has an owner")),
        (Role::Global, true) => Err(garde::Error::new("the shared session has no owner")),
        _ => Ok(()),
    }
}

/// A kind is spelled as one.
pub(super) fn kind_spelling<S: Text>(text: &S, _: &()) -> garde::Result {
    Kind::new(text.as_ref()).map(drop).map_err(garde::Error::new)
}

/// JSON text stands on one line, without blanks around it.
pub(super) fn json<S: Text>(text: &S, _: &()) -> garde::Result {
    let text = text.as_ref();
    match serde_json::from_str::<&RawValue>(text) {
        // Blanks around the value or line breaks in it would not survive the format of one session a line.
        Ok(value) if value.get().len() == text.len() && !text.contains(['\n', '\r']) => Ok(()),
        Ok(_) => Err(garde::Error::new("is not compact json")),
        Err(error) => Err(garde::Error::new(error)),
    }
}

/// Keys are in order, each once.
pub(super) fn ascending<S: Text>(times: &[SlidingRecord<S>], _: &()) -> garde::Result {
    let fits = times.iter().zip(times.iter().skip(1)).all(|(one, next)| one.key.as_ref() < next.key.as_ref());
    if fits { Ok(()) } else { Err(garde::Error::new("keys are not in order")) }
}

/// No key is remembered twice.
pub(super) fn each_once<S: Text>(applied: &[AppliedRecord<S>], _: &()) -> garde::Result {
    let keys: BTreeSet<_> = applied.iter().map(|applied| applied.key).collect();
    if keys.len() == applied.len() { Ok(()) } else { Err(garde::Error::new("a key is remembered twice")) }
}

/// Events are in order, each once, before the one that comes next, and of streams that are named.
pub(super) fn in_sequence<S: Text>(
    next: u64,
    streams: usize,
) -> impl FnOnce(&Vec<EventRecord<S>>, &()) -> garde::Result {
    move |events, ()| {
        let numbers = events.iter().map(|event| event.number);
        let ascends = numbers.clone().zip(numbers.clone().skip(1)).all(|(one, other)| one < other);
        if !ascends || numbers.clone().next() == Some(0) || numbers.last().is_some_and(|last| last >= next) {
            return Err(garde::Error::new("events are not in order"));
        }
        let named = events.iter().all(|event| (event.stream as usize) < streams);
        if named { Ok(()) } else { Err(garde::Error::new("an event is of no stream")) }
    }
}
