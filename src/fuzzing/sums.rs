//! Checksums of files made right again, whatever else is wrong: what lies behind them is reached so.

use super::journals;
use crate::snapshot::JOURNAL_MAGIC;

/// Makes the checksums right of a file in either format, or of journals one after the other, as far as they can be followed.
pub fn mend(bytes: &mut [u8]) {
    match bytes.first() {
        Some(b'{') => json(bytes),
        _ if bytes.starts_with(&JOURNAL_MAGIC) => journals::mend(bytes),
        _ => binary(bytes),
    }
}

fn binary(bytes: &mut [u8]) {
    let (mut at, preamble) = (16, 12);
    if bytes.len() < at {
        return;
    }
    put(bytes, preamble, sum(&bytes[..preamble]));
    while let Some(length) = bytes.get(at..at + 4) {
        let (start, length) = (at + 12, u32::from_le_bytes(length.try_into().unwrap()) as usize);
        let end = start + length;
        if length == 0 || end > bytes.len() {
            return;
        }
        // A trailer: tag, length, two counts or three, then the checksum of all that comes before its block.
        if bytes[start] == 3 && matches!(length, 25 | 33) {
            put(bytes, end - 4, sum(&bytes[..at]));
        }
        put(bytes, at + 4, sum(&bytes[start..end]));
        put(bytes, at + 8, sum(&bytes[at..at + 8]));
        at = end;
    }
}

fn json(bytes: &mut [u8]) {
    const TRAILER: &[u8] = b"\n],\"trailer\":";
    const SUM: &[u8] = b"crc32c:";
    let find = |within: &[u8], what: &[u8]| within.windows(what.len()).rposition(|window| window == what);
    let Some(trailer) = find(bytes, TRAILER).map(|at| at + 1) else { return };
    let Some(place) = find(&bytes[trailer..], SUM).map(|at| trailer + at + SUM.len()) else { return };
    let right = format!("{:08x}", crc32c::crc32c(&bytes[..trailer]));
    if let Some(there) = bytes.get_mut(place..place + 8) {
        there.copy_from_slice(right.as_bytes());
    }
}

fn sum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).to_le_bytes()
}

fn put(bytes: &mut [u8], at: usize, sum: [u8; 4]) {
    bytes[at..at + 4].copy_from_slice(&sum);
}

#[test]
fn a_file_whose_sums_were_spoilt_is_as_it_was() {
    // Each with the places of its checksums, as far as they are at its start.
    let files: [(&str, &[usize]); 5] = [
        ("v1.bin", &[13, 16 + 5, 16 + 9]),
        ("v2.bin", &[13, 16 + 5, 16 + 9]),
        ("v1.json", &[]),
        ("v2.json", &[]),
        ("journal-v1.log", &[13, 21, 512 + 25, 512 + 29]),
    ];
    for (name, places) in files {
        let golden = std::fs::read(format!("{}/snapshots/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let last = match name.rsplit_once('.').unwrap().1 {
            "bin" => Some(golden.len() - 2),
            "json" => Some(golden.len() - 5),
            _ => None,
        };
        let mut bytes = golden.to_vec();
        mend(&mut bytes);
        assert_eq!(bytes, golden);
        for place in places.iter().copied().chain(last) {
            bytes[place] ^= 1;
            mend(&mut bytes);
            assert_eq!(bytes, golden);
        }
    }
}
