//! Files of every released version are read for ever, and this release writes version 2 to the byte.

use std::fs;
use std::path::PathBuf;

use super::fixture::*;
use crate::config::Format;
#[cfg(all(feature = "seal", feature = "zstd"))]
use crate::{KeyRing, config::Wrap, snapshot::*};

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

/// Published with the files, so that anybody can open them.
#[cfg(feature = "seal")]
pub(super) const TEST_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What is around the formats is opened. A seal is another one each time, so these files are never written anew.
#[cfg(all(feature = "seal", feature = "zstd"))]
#[test]
fn wrapped_files_of_version_1_are_read() {
    let keys = || KeyRing::parse(TEST_KEY).ok();
    for (name, format, sealed, is_compressed) in [
        ("sealed-v1.bin", Format::Bincode, true, false),
        ("sealed-v1.json", Format::Json, true, false),
        ("sealed-compressed-v1.bin", Format::Bincode, true, true),
        ("compressed-v1.json", Format::Json, false, true),
    ] {
        let path = golden(1, format).with_file_name(name);
        let (bytes, wrap) = (fs::read(&path).unwrap(), Wrap { keys: keys(), compress: false });
        let mut opened = open(&*bytes, &wrap).unwrap();
        let id = sealed.then(|| wrap.keys.as_ref().unwrap().writing().to_string());
        assert_eq!((opened.sealed_under(), opened.is_compressed()), (id, is_compressed), "{name}");
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut opened, &mut plain).unwrap();
        assert!(plain == fs::read(golden(1, format)).unwrap(), "{name}");
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
