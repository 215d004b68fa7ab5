//! What is written is what is read.

use super::fixture::*;
use crate::config::Format;
use crate::snapshot::*;

#[test]
fn both_formats_give_back_what_they_were_given() {
    for format in FORMATS {
        let bytes = sample(format);
        let (summary, records) = read_all(&bytes, &OPTIONS).unwrap();
        assert_eq!(records, (sessions(), tombstones()), "{format:?}");
        assert_eq!(read_events(&bytes), events(), "{format:?}");
        assert_eq!((summary.sessions, summary.events, summary.tombstones), (4, 3, 4));
        assert_eq!(summary.bytes, bytes.len() as u64);
        assert_eq!((summary.header.created_at, summary.header.generation), (NOW, 12));
        assert_eq!((summary.header.format, summary.header.version), (format, 2));
        assert_eq!(verified(&bytes).unwrap(), summary);
    }
}

#[test]
fn an_empty_file_of_state_is_a_valid_one() {
    for format in FORMATS {
        let mut bytes = Vec::new();
        let written = write_all(&mut bytes, FileHeader::new(format, NOW, 1), &[], &[]).unwrap();
        assert_eq!(verified(&bytes).unwrap(), written);
        let tombstones_only = write_all(&mut Vec::new(), FileHeader::new(format, NOW, 1), &[], &tombstones()).unwrap();
        assert_eq!((tombstones_only.sessions, tombstones_only.tombstones), (0, 4));
    }
}

#[test]
fn many_and_large_sessions_cross_blocks() {
    let large = |digest: u8, bytes: usize| SessionRecord {
        entries: pack(vec![entry("k", &format!("\"{}\"", "x".repeat(bytes)))]),
        ..bare(digest)
    };
    let mut all: Vec<_> = (0..200).map(|digest| large(digest, 3_000)).collect();
    all.extend([large(200, 3 << 20), bare(201), large(202, 200_000), large(203, 100_000), large(204, 300_000)]);
    for format in FORMATS {
        let mut bytes = Vec::new();
        write_all(&mut bytes, FileHeader::new(format, NOW, 1), &all, &tombstones()).unwrap();
        let (_, records) = read_all(&bytes, &OPTIONS).unwrap();
        assert!(records == (all.clone(), tombstones()), "{format:?}");
    }
}

#[test]
fn the_json_format_is_one_document_with_a_record_a_line() {
    let text = String::from_utf8(sample(Format::Json)).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["sessions"].as_array().unwrap().len(), 4);
    assert_eq!(document["sessions"][0]["entries"][0]["last_used"], "2023-11-14T22:13:20.123458Z");
    assert_eq!(document["trailer"]["tombstones"], 4);
    // Header, sessions, a line between, parts of event logs, another, tombstones, trailer.
    assert_eq!(text.lines().count(), 1 + 4 + 1 + 3 + 1 + 4 + 1);
    assert!(text.contains(r#""value":{"x":1e300,"y":"z"}"#), "values stand verbatim");
}
