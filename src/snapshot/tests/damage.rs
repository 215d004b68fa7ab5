//! No damaged, truncated or newer file is taken, and each says what it is.

use super::fixture::*;
use crate::config::Format;
use crate::snapshot::*;

#[test]
fn a_file_cut_off_anywhere_is_called_truncated() {
    for format in FORMATS {
        let bytes = sample(format);
        assert!(matches!(verified(&[]), Err(FileError::Empty)));
        for length in 1..bytes.len() {
            let result = verified(&bytes[..length]);
            assert!(matches!(result, Err(FileError::Truncated)), "{format:?} cut at {length}: {result:?}");
        }
    }
}

#[test]
fn every_flipped_bit_is_called_damage() {
    for format in FORMATS {
        let original = sample(format);
        // Before the version is known the file might be anything.
        let start = if format == Format::Bincode { 8 } else { 44 };
        let mut bytes = original.clone();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                bytes[place] ^= 1 << bit;
                let result = verified(&bytes);
                let right = match result {
                    Err(FileError::NotOurs) => place < start,
                    Err(FileError::Damaged { .. }) => place >= start,
                    _ => false,
                };
                assert!(right, "{format:?}, bit {bit} of byte {place}: {result:?}");
                bytes[place] = original[place];
            }
        }
    }
}

#[test]
fn whole_blocks_that_are_moved_or_missing_are_damage() {
    // Each block fits its own checksum, so the whole file's has to tell.
    let large = |digest| SessionRecord {
        entries: pack(vec![entry("k", &format!("\"{}\"", "x".repeat(300_000)))]),
        ..bare(digest)
    };
    let mut bytes = Vec::new();
    let all = [large(1), large(2), large(3)];
    write_all(&mut bytes, FileHeader::new(Format::Bincode, NOW, 1), &all, &[]).unwrap();
    let mut blocks = vec![bytes[..16].to_vec()];
    let mut at = 16;
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        blocks.push(bytes[at..at + 12 + length].to_vec());
        at += 12 + length;
    }
    assert_eq!(blocks.len(), 1 + 1 + 3 + 1);
    assert!(verified(&blocks.concat()).is_ok());
    for order in [[0, 1, 3, 2, 4, 5].as_slice(), &[0, 1, 2, 3, 5], &[0, 1, 2, 3, 3, 5], &[0, 2, 1, 3, 4, 5]] {
        let moved: Vec<_> = order.iter().flat_map(|&block| blocks[block].clone()).collect();
        assert!(matches!(verified(&moved), Err(FileError::Damaged { .. })), "{order:?}");
    }
}

#[test]
fn counts_that_do_not_fit_are_damage() {
    for format in FORMATS {
        let header = FileHeader::new(format, NOW, 1);
        let miscounted = Summary { header, sessions: 1, events: 0, tombstones: 0, bytes: 0 };
        let stored = record::HeaderRecord { created_at: NOW, generation: 1, service: String::new() };
        let mut bytes = Vec::new();
        let sink = stream::Sink::new(&mut bytes);
        let written = match format {
            Format::Bincode => binary::BinaryWriter::new(sink, &stored).and_then(|writer| writer.finish(&miscounted)),
            Format::Json => json::JsonWriter::new(sink, stored, CODEC).and_then(|writer| writer.finish(&miscounted)),
        };
        assert!(written.is_ok());
        let result = verified(&bytes);
        assert!(matches!(&result, Err(FileError::Damaged { detail, .. }) if detail.contains("counts")), "{result:?}");
    }
}

#[test]
fn bytes_after_the_end_are_damage() {
    for format in FORMATS {
        for more in [&b"\n"[..], b"x", &sample(format)] {
            let bytes = [&sample(format), more].concat();
            assert!(matches!(verified(&bytes), Err(FileError::Damaged { .. })), "{format:?}");
        }
    }
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    let mut binary = sample(Format::Bincode);
    binary[8..12].copy_from_slice(&3_u32.to_le_bytes());
    let sum = crc32c::crc32c(&binary[..12]).to_le_bytes();
    binary[12..16].copy_from_slice(&sum);
    // Whatever a newer version puts after it.
    for file in [&binary[..], &binary[..16], &[&binary[..16], b"anything"].concat()] {
        let result = verified(file);
        assert!(matches!(result, Err(FileError::NewerVersion { found: 3, supported: 2 })), "{result:?}");
    }
    let json =
        String::from_utf8(sample(Format::Json)).unwrap().replacen("-v2\",\"version\":2", "-v12\",\"version\":12", 1);
    for options in [OPTIONS, EDITED] {
        let result = verify(&mut json.as_bytes(), &options);
        assert!(matches!(result, Err(FileError::NewerVersion { found: 12, supported: 2 })), "{result:?}");
    }
}

#[test]
fn anything_else_is_not_ours() {
    for garbage in
        [&b"hello"[..], b"\0\0\0\0", b"{}", b"{\"header\":{}}\n", b"[1]", b"\xef\xbb\xbf{", b"\x89PNG\r\n\x1a\n"]
    {
        assert!(matches!(verified(garbage), Err(FileError::NotOurs)), "{garbage:?}");
    }
    let endless = [b"{", "x".repeat(1 << 20).as_bytes()].concat();
    assert!(matches!(verified(&endless), Err(FileError::NotOurs)));
}

#[test]
fn a_valid_file_with_an_unusable_record_says_which() {
    for format in FORMATS {
        let mut bytes = Vec::new();
        write_all(&mut bytes, FileHeader::new(format, NOW, 1), &sessions(), &tombstones()).unwrap();
        let mut met = 0;
        let result = read(&mut &*bytes, &OPTIONS, &mut |_| {
            met += 1;
            if met == 6 { Err(RecordError("no".to_owned())) } else { Ok(()) }
        });
        assert!(matches!(&result, Err(FileError::Record { index: 6, detail }) if detail.ends_with("no")), "{result:?}");
    }
    // Entries that the state layer would not take.
    let odd = SessionRecord { entries: b"nonsense".to_vec(), ..bare(1) };
    let mut bytes = Vec::new();
    write_all(&mut bytes, FileHeader::new(Format::Bincode, NOW, 1), &[bare(2), odd], &[]).unwrap();
    assert!(matches!(verified(&bytes), Err(FileError::Record { index: 2, .. })));
}

#[test]
fn an_edited_file_is_taken_on_request_only() {
    let text = String::from_utf8(sample(Format::Json)).unwrap();
    let relabelled = text.replace("groceries", "hardware");
    assert!(
        matches!(verified(relabelled.as_bytes()), Err(FileError::Damaged { detail, .. }) if detail.contains("edited"))
    );
    let (_, records) = read_all(relabelled.as_bytes(), &EDITED).unwrap();
    assert_eq!(records.0[0].name.as_deref(), Some("hardware"));

    // Sessions removed with a comma left over, another system's line breaks, no break at the end.
    let lines: Vec<_> = text.lines().collect();
    let shorter = [&lines[..2], &lines[5..]].concat().join("\r\n");
    let (summary, records) = read_all(shorter.as_bytes(), &EDITED).unwrap();
    assert_eq!((summary.sessions, records.0.len(), records.1.len()), (1, 1, 4));

    let bad = text.replace("\"reason\":\"evicted\"", "\"reason\":\"bored\"");
    let result = verify(&mut bad.as_bytes(), &EDITED);
    assert!(
        matches!(&result, Err(FileError::Record { index: 10, detail }) if detail.contains("line 13")),
        "{result:?}"
    );
    assert!(matches!(verify(&mut &text.as_bytes()[..2000], &EDITED), Err(FileError::Truncated)));
}

#[test]
fn json_is_strict_in_what_was_edited_too() {
    let text = String::from_utf8(sample(Format::Json)).unwrap();
    for (from, to) in [
        ("\"kind\":\"cart\"", "\"kind\":\"cart\",\"kind\":\"cart\""),
        ("\"kind\":\"cart\"", "\"kind\":\"cart\",\"colour\":\"red\""),
        ("\"kind\":\"cart\"", "\"kind\":\"Cart\""),
        ("{\"colour\":\"red\"}", "{\"colour\":\"red\",\"colour\":\"blue\"}"),
        ("{\"x\":1e300,\"y\":\"z\"}", "{\"x\":1e300,\"x\":\"z\"}"),
        ("\"key\":\"n\"", "\"key\":\"größe\""),
        ("\"revision\":7,\"label\"", "\"revision\":9223372036854775808,\"label\""),
        ("2023-11-14T22:13:20.123456Z", "2023-11-31T22:13:20.123456Z"),
        ("\"digest\":\"0101", "\"digest\":\"01"),
    ] {
        assert!(text.contains(from), "{from}");
        let result = verify(&mut text.replacen(from, to, 1).as_bytes(), &EDITED);
        let header = from.starts_with("2023");
        let right = matches!(result, Err(FileError::Record { index: 1, .. }))
            || header && matches!(result, Err(FileError::Damaged { .. }));
        assert!(right, "{to}: {result:?}");
    }
}
