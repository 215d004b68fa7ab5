//! Checksums of files made right again, whatever else is wrong: what lies behind them is reached so.

/// Makes the checksums right of a file in either format, as far as it can be followed.
pub fn mend(bytes: &mut [u8]) {
    if bytes.first() == Some(&b'{') { json(bytes) } else { binary(bytes) }
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
        // A trailer: tag, length, two counts, then the checksum of all that comes before its block.
        if bytes[start] == 3 && length == 25 {
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
    let files =
        [&include_bytes!("../../snapshots/golden/v1.bin")[..], include_bytes!("../../snapshots/golden/v1.json")];
    for (golden, from_end) in files.into_iter().zip([2, 5]) {
        let mut bytes = golden.to_vec();
        mend(&mut bytes);
        assert_eq!(bytes, golden);
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        mend(&mut bytes);
        assert_eq!(bytes, golden);
    }
}
