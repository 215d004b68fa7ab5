//! Files of every released version are read for ever, and this release writes version 2 to the byte.

use std::fs;
use std::path::PathBuf;

use super::fixture::*;
use crate::config::Format;

fn golden(version: u32, format: Format) -> PathBuf {
    let kind = match format {
        Format::Bincode => "bin",
        Format::Json => "json",
    };
    [env!("CARGO_MANIFEST_DIR"), "snapshots", "golden", &format!("v{version}.{kind}")].iter().collect()
}

#[test]
fn version_1_is_read() {
    for format in FORMATS {
        let bytes = fs::read(golden(1, format)).unwrap();
        let (summary, records) = read_all(&bytes, &OPTIONS).unwrap();
        assert_eq!(records, (sessions_of_version_1(), tombstones()), "{format:?}");
        assert_eq!((summary.header.version, summary.events), (1, 0));
        assert_eq!(summary.header.service, "0.1.0");
        assert_eq!(verified(&bytes).unwrap(), summary);
    }
}

#[test]
fn version_2_is_read() {
    for format in FORMATS {
        let bytes = fs::read(golden(2, format)).unwrap();
        let (summary, records) = read_all(&bytes, &OPTIONS).unwrap();
        assert_eq!(records, (sessions(), tombstones()), "{format:?}");
        assert_eq!(read_events(&bytes), events(), "{format:?}");
        assert_eq!(summary.header.version, 2);
        assert_eq!(summary.header.service, "0.1.0");
        assert_eq!(verified(&bytes).unwrap(), summary);
    }
}

/// A released version's files never change; for the next version `SESSILE_WRITE_GOLDEN=1` writes them first.
#[test]
fn version_2_is_written_to_the_byte() {
    for format in FORMATS {
        if std::env::var_os("SESSILE_WRITE_GOLDEN").is_some() {
            fs::write(golden(2, format), sample(format)).unwrap();
        }
        assert!(fs::read(golden(2, format)).unwrap() == sample(format), "{format:?} is written otherwise");
    }
}

/// Each version's own rules hold: what came later is not taken for a member of an earlier file.
#[test]
fn version_1_holds_nothing_of_version_2() {
    let text = String::from_utf8(fs::read(golden(1, Format::Json)).unwrap()).unwrap();
    let later = "\"idempotency\":[{\"key\":\"00000000000000000000000000000007\",\"revision\":6,\"at\":\"2023-11-14T22:13:20Z\"}]}";
    let told = text.replacen("}]}", &format!("}}],{later}"), 1);
    assert!(told != text);
    let refused = crate::snapshot::verify(&mut told.as_bytes(), &EDITED).unwrap_err().to_string();
    assert!(refused.contains("version 1 remembers no keyed updates"), "{refused}");
    let told = text.replacen("],\"tombstones\":[", "],\"events\":[\n],\"tombstones\":[", 1);
    assert!(crate::snapshot::verify(&mut told.as_bytes(), &EDITED).is_err());
}
