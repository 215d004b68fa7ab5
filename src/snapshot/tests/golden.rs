//! Files of every released version are read for ever, and this release writes version 1 to the byte.

use std::fs;
use std::path::PathBuf;

use super::fixture::*;
use crate::config::Format;

fn golden(format: Format) -> PathBuf {
    let name = match format {
        Format::Bincode => "v1.bin",
        Format::Json => "v1.json",
    };
    [env!("CARGO_MANIFEST_DIR"), "snapshots", "golden", name].iter().collect()
}

#[test]
fn version_1_is_read() {
    for format in FORMATS {
        let bytes = fs::read(golden(format)).unwrap();
        let (summary, records) = read_all(&bytes, &OPTIONS).unwrap();
        assert_eq!(records, (sessions(), tombstones()), "{format:?}");
        assert_eq!(summary.header.version, 1);
        assert_eq!(summary.header.service, "0.1.0");
        assert_eq!(verified(&bytes).unwrap(), summary);
    }
}

/// A released version's files never change; for the next version `SESSILE_WRITE_GOLDEN=1` writes them first.
#[test]
fn version_1_is_written_to_the_byte() {
    for format in FORMATS {
        if std::env::var_os("SESSILE_WRITE_GOLDEN").is_some() {
            fs::write(golden(format), sample(format)).unwrap();
        }
        assert!(fs::read(golden(format)).unwrap() == sample(format), "{format:?} is written otherwise");
    }
}
