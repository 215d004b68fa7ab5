//! Files of every released version are read for ever, and this release writes version 1 to the byte.

use std::fs;
use std::path::PathBuf;

use super::fixture::*;
use crate::config::Format;
#[cfg(all(feature = "seal", feature = "zstd"))]
use crate::{KeyRing, config::Wrap, snapshot::*};

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

/// Published with the files, so that anybody can open them.
#[cfg(all(feature = "seal", feature = "zstd"))]
const TEST_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// As above, with what is around the formats. A seal is another one each time, so a file that is there is not written anew.
#[cfg(all(feature = "seal", feature = "zstd"))]
#[test]
fn wrapped_files_of_version_1_are_read() {
    let keys = || KeyRing::parse(TEST_KEY).ok();
    for (name, format, sealed, compress) in [
        ("sealed-v1.bin", Format::Bincode, true, false),
        ("sealed-v1.json", Format::Json, true, false),
        ("sealed-compressed-v1.bin", Format::Bincode, true, true),
        ("compressed-v1.json", Format::Json, false, true),
    ] {
        let path = golden(format).with_file_name(name);
        if std::env::var_os("SESSILE_WRITE_GOLDEN").is_some() && !path.exists() {
            let (mut file, wrap) = (Vec::new(), Wrap { keys: keys().filter(|_| sealed), compress });
            let header = FileHeader { service: "0.1.0".to_owned(), ..FileHeader::new(format, NOW, 12) };
            wrapped(&mut file, &wrap, |output| write_all(output, header, &sessions(), &tombstones())).unwrap();
            fs::write(&path, file).unwrap();
        }
        let (bytes, wrap) = (fs::read(&path).unwrap(), Wrap { keys: keys(), compress: false });
        let mut opened = open(&*bytes, &wrap).unwrap();
        let id = sealed.then(|| wrap.keys.as_ref().unwrap().writing().to_string());
        assert_eq!((opened.sealed_under(), opened.is_compressed()), (id, compress), "{name}");
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut opened, &mut plain).unwrap();
        assert!(plain == sample(format), "{name}");
    }
}
