//! Keyed updates are remembered with the revision that they make, within a window and up to a count.

use super::*;
use crate::error::Limit;
use crate::state::idempotency::{AppliedKeys, IdempotencyKey};

fn key(number: u64) -> IdempotencyKey {
    IdempotencyKey::new(&format!("key-{number}")).unwrap()
}

fn applied(base: &Arc<Committed>, now: u64, number: u64, value: &str) -> Arc<Committed> {
    let mut draft = Draft::stage(Arc::clone(base), at(now), LIMITS);
    draft.remember(&key(number), Some(Json::parse(value).unwrap()));
    Arc::new(draft.finish().unwrap().unwrap())
}

#[test]
fn a_key_is_visible_ascii_of_a_bounded_length() {
    for text in ["", "a b", "a\n", "größe", &"x".repeat(129)] {
        assert!(IdempotencyKey::new(text).is_err(), "{text:?}");
    }
    for text in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", &"~".repeat(128)] {
        assert!(IdempotencyKey::new(text).is_ok(), "{text:?}");
    }
    assert_eq!(format!("{:?}", IdempotencyKey::new("secret").unwrap()), "IdempotencyKey { .. }");
}

#[test]
fn random_steps_agree_with_a_plain_list() {
    let mut state = 1_u64;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut base = Arc::new(Committed::new(Metadata::default(), Lifetime::default()));
    let mut plain: Vec<(u64, u64, u64, String)> = Vec::new();
    let mut now = 1;
    for _ in 0..5_000 {
        now += draw(20);
        let number = draw(8);
        let window = LIMITS.idempotency_window;
        let live = |then: u64| at(now).since(at(then)) < window;
        let found = base.keys().find(&key(number), at(now), window);
        let known = plain.iter().find(|row| row.0 == number && live(row.2));
        assert_eq!(
            found.map(|row| (row.revision.get(), row.at, row.value.as_ref().unwrap().as_str().to_owned())),
            known.map(|(_, revision, then, value)| (*revision, at(*then), value.clone()))
        );
        match draw(3) {
            0 => {
                let mut draft = Draft::stage(Arc::clone(&base), at(now), LIMITS);
                draft.set("k", &now).unwrap();
                base = draft.finish().unwrap().map_or(base, Arc::new);
            }
            _ if known.is_none() => {
                let value = format!("\"{}\"", "v".repeat(draw(40) as usize));
                base = applied(&base, now, number, &value);
                plain.retain(|row| live(row.2) && row.0 != number);
                plain.push((number, base.revision.get(), now, value));
                let over = plain.len().saturating_sub(LIMITS.idempotency_keys as usize);
                plain.drain(..over);
            }
            _ => {}
        }
        let bytes: u64 = plain.iter().map(|row| 64 + row.3.len() as u64).sum();
        assert_eq!(base.bytes, base.entries.payload_bytes() + bytes);
    }
}

#[test]
fn what_is_remembered_counts_against_the_cap() {
    let mut base = Arc::new(Committed::new(Metadata::default(), Lifetime::default()));
    let limits = StateLimits { bytes: 1_024, ..LIMITS };
    for number in 0..2 {
        let mut draft = Draft::stage(Arc::clone(&base), at(1), limits);
        draft.remember(&key(number), Some(Json::parse(&format!("\"{}\"", "v".repeat(700))).unwrap()));
        match draft.finish() {
            Ok(next) => base = Arc::new(next.unwrap()),
            Err(error) => {
                assert_eq!((number, error.limit, error.attempted), (1, Limit::SessionBytes, 2 * (64 + 702)));
                return;
            }
        }
    }
    panic!("no cap was met");
}

#[test]
fn a_large_result_is_remembered_without_its_value() {
    let base = Arc::new(Committed::new(Metadata::default(), Lifetime::default()));
    let base = applied(&base, 1, 1, &format!("\"{}\"", "v".repeat(4_095)));
    let row = base.keys().find(&key(1), at(1), LIMITS.idempotency_window).unwrap();
    assert_eq!((row.revision, row.value.is_none(), base.bytes), (Revision::new(1), true, 64));
}

#[test]
fn a_draft_that_remembers_is_no_amendment_and_other_drafts_keep_what_is_remembered() {
    let base = Arc::new(Committed::new(Metadata::default(), Lifetime::default()));
    let mut draft = Draft::stage(base, at(1), LIMITS);
    draft.set("n", &1).unwrap();
    let base = Arc::new(draft.finish().unwrap().unwrap());
    let mut draft = Draft::stage(base, at(2), LIMITS);
    draft.set("n", &2).unwrap();
    draft.remember(&key(1), None);
    let Err(draft) = draft.amendment() else { panic!("the key would be lost") };
    let base = Arc::new(draft.finish().unwrap().unwrap());
    let mut draft = Draft::stage(Arc::clone(&base), at(3), LIMITS);
    draft.set("m", &1).unwrap();
    draft.metadata_mut().label = Some("label".to_owned());
    let next = draft.finish().unwrap().unwrap();
    assert!(next.keys().is(base.keys()));
    assert_eq!(next.bytes, next.entries.payload_bytes() + next.metadata().bytes() + 64);
    assert!(AppliedKeys::of([]).is_none());
}

#[test]
fn what_a_file_tells_of_keys_comes_back_beside_all_else() {
    let metadata = Metadata { label: Some("label".to_owned()), ..Metadata::default() };
    let back = Committed::restored(Revision::new(3), Entries::empty(), metadata, Lifetime::default(), at(1), |_| None);
    let rows = applied(&applied(&empty(), 1, 1, "\"one\""), 2, 2, "[]");
    let back = back.with_keys(rows.keys().clone());
    let found = |number| back.keys().find(&key(number), at(3), seconds(60)).map(|row| row.revision.get());
    assert_eq!([found(1), found(2), found(3)], [Some(1), Some(2), None]);
    assert_eq!((back.metadata().label.as_deref(), back.bytes), (Some("label"), 5 + 64 + 5 + 64 + 2));
    let fewer = back.with_keys(applied(&empty(), 1, 1, "[]").keys().clone());
    assert_eq!((fewer.keys().rows().len(), fewer.bytes), (1, 5 + 64 + 2));
    assert_eq!(fewer.shared_metadata().label.as_deref(), Some("label"));
}

#[test]
fn a_key_is_refused_for_another_request_where_both_are_told() {
    let mut draft = draft(&empty());
    draft.remember(&key(1).of_request("one"), None);
    draft.set("k", &1).unwrap();
    let next = Arc::new(draft.finish().unwrap().unwrap());
    let row = next.keys().find(&key(1), at(1), seconds(1)).unwrap();
    assert!(row.check(&key(1).of_request("one")).is_ok() && row.check(&key(1)).is_ok());
    let refused = row.check(&key(1).of_request("other")).unwrap_err();
    assert_eq!((refused.revision, refused.at), (Revision::new(1), at(1)));
    let untold = applied(&empty(), 1, 1, "1");
    assert!(untold.keys().rows()[0].check(&key(1).of_request("one")).is_ok());
}
