//! A record that breaks a rule is neither written nor read.

use super::fixture::*;
use crate::config::Format;
use crate::snapshot::record::EntriesCodec;
use crate::snapshot::*;

fn refused(record: &SessionRecord) -> bool {
    let mut refused = FORMATS.map(|format| {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, FileHeader::new(format, NOW, 1), CODEC).unwrap();
        writer.session(&bare(200).borrowed()).unwrap();
        let result = writer.session(&record.borrowed());
        // The file goes on without it.
        writer.session(&bare(201).borrowed()).unwrap();
        let summary = writer.finish().unwrap();
        assert_eq!(verified(&bytes).unwrap(), summary);
        matches!(result, Err(WriteError::Record { index: 2, .. }))
    });
    refused.sort_unstable();
    assert_eq!(refused[0], refused[1], "the formats agree");
    refused[0]
}

#[test]
fn rules_hold_when_writing() {
    assert!(!refused(&full()) && !refused(&bare(1)));
    let text = |bytes: usize| Some("x".repeat(bytes));
    let time = |key: &str| SlidingRecord { key: key.to_owned(), last_used: NOW };
    let applied =
        |key, value: &str| AppliedRecord { key, request: None, revision: 1, at: NOW, value: Some(value.to_owned()) };
    for (what, record) in [
        ("a secret id", SessionRecord { id: Some("session_x".to_owned()), ..bare(1) }),
        ("an id with a blank", SessionRecord { id: Some("a b".to_owned()), ..full() }),
        ("an empty id", SessionRecord { id: Some(String::new()), ..full() }),
        ("a bucket of nobody", SessionRecord { role: Role::Bucket, ..bare(1) }),
        ("a shared session of somebody", SessionRecord { role: Role::Global, ..full() }),
        ("a kind in capitals", SessionRecord { kind: "Cart".to_owned(), ..bare(1) }),
        ("no name", SessionRecord { name: text(0), ..bare(1) }),
        ("a long name", SessionRecord { name: text(257), ..bare(1) }),
        ("a long label", SessionRecord { label: text(257), ..bare(1) }),
        ("a long tag", SessionRecord { tags: vec!["x".repeat(257)], ..bare(1) }),
        ("many tags", SessionRecord { tags: vec!["x".to_owned(); 17], ..bare(1) }),
        ("a year 10000", SessionRecord { created_at: 253_402_300_800_000_000, ..bare(1) }),
        ("an end beyond time", SessionRecord { ends_at: Some(u64::MAX), ..bare(1) }),
        ("no idle time", SessionRecord { idle_timeout: Some(0), ..bare(1) }),
        ("a revision of 2^63", SessionRecord { revision: 1 << 63, ..bare(1) }),
        ("custom that is not json", SessionRecord { custom: Some("{".to_owned()), ..bare(1) }),
        ("custom over lines", SessionRecord { custom: Some("{\n}".to_owned()), ..bare(1) }),
        ("custom with blanks", SessionRecord { custom: Some(" 1".to_owned()), ..bare(1) }),
        ("large custom", SessionRecord { custom: Some(format!("\"{}\"", "x".repeat(4096))), ..bare(1) }),
        ("times out of order", SessionRecord { sliding: vec![time("b"), time("a")], ..bare(1) }),
        ("a time twice", SessionRecord { sliding: vec![time("a"), time("a")], ..bare(1) }),
        ("a key twice", SessionRecord { idempotency: vec![applied(1, "1"), applied(1, "2")], ..bare(1) }),
        ("many keys", SessionRecord { idempotency: (0..1_025).map(|key| applied(key, "1")).collect(), ..bare(1) }),
        ("a result that is not json", SessionRecord { idempotency: vec![applied(1, "{")], ..bare(1) }),
        ("a large result", SessionRecord { idempotency: vec![applied(1, &"1".repeat(4_097))], ..bare(1) }),
    ] {
        assert!(refused(&record), "{what}");
    }
}

#[test]
fn rules_of_events_hold_when_writing() {
    let refused = |record: &EventsRecord| {
        FORMATS.map(|format| {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, FileHeader::new(format, NOW, 1), CODEC).unwrap();
            writer.session(&bare(1).borrowed()).unwrap();
            let result = writer.events(&record.borrowed());
            // The file goes on without it.
            writer.events(&events()[0].borrowed()).unwrap();
            assert_eq!(writer.finish().unwrap().events, 1 + u64::from(result.is_ok()));
            assert!(verified(&bytes).is_ok());
            matches!(result, Err(WriteError::Record { index: 2, .. }))
        })
    };
    let whole = events()[0].clone();
    assert_eq!(refused(&whole), [false; 2]);
    let changed = |change: &dyn Fn(&mut EventsRecord)| {
        let mut record = whole.clone();
        change(&mut record);
        record
    };
    for (what, record) in [
        ("number zero", changed(&|record| record.events[0].number = 0)),
        ("numbers out of order", changed(&|record| record.events.swap(0, 1))),
        ("a number twice", changed(&|record| record.events[1].number = 4)),
        ("a number that comes next", changed(&|record| record.next = 5)),
        ("a number before that comes after", changed(&|record| record.events[0].before = 4)),
        ("a stream without a name", changed(&|record| record.events[0].stream = 2)),
        ("an empty name", changed(&|record| record.streams[0].clear())),
        ("a long name", changed(&|record| record.streams[0] = "x".repeat(257))),
        ("a payload that is not json", changed(&|record| record.events[0].payload = "{".to_owned())),
        ("a payload over lines", changed(&|record| record.events[0].payload = "[1,\n2]".to_owned())),
        ("more trimmed than there were", changed(&|record| record.trimmed = 9)),
        ("no number next", changed(&|record| (record.next, record.trimmed) = (0, 0))),
    ] {
        assert_eq!(refused(&record), [true; 2], "{what}");
    }
}

#[test]
fn sessions_come_before_tombstones() {
    for format in FORMATS {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, FileHeader::new(format, NOW, 1), CODEC).unwrap();
        writer.tombstone(&tombstones()[0]).unwrap();
        assert!(matches!(writer.session(&bare(1).borrowed()), Err(WriteError::Order)));
        assert!(matches!(writer.events(&events()[0].borrowed()), Err(WriteError::Order)));
        assert_eq!(writer.finish().unwrap().tombstones, 1);
        assert!(verified(&bytes).is_ok());
    }
}

#[test]
fn a_value_over_several_lines_does_not_get_into_json() {
    let lines = |_: &[u8]| Ok(vec![entry("a", "[1,\n2]")]);
    let mut bytes = Vec::new();
    let header = FileHeader::new(Format::Json, NOW, 1);
    let mut writer = Writer::new(&mut bytes, header, EntriesCodec { unpack: lines, ..CODEC }).unwrap();
    let result = writer.session(&bare(1).borrowed());
    assert!(matches!(result, Err(WriteError::Record { index: 1, .. })));
    assert_eq!(writer.finish().unwrap().sessions, 0);
    assert!(verified(&bytes).is_ok());
}
