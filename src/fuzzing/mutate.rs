//! Files and texts that are almost right: what is wrong with them lies behind what is checked first.

use super::journals::shaken;
use super::random::Random;
use super::sums::mend;
use crate::snapshot::JOURNAL_MAGIC as MAGIC;

/// What readers look for, or trip over.
const WORDS: [&[u8]; 18] = [
    b"null",
    b"\"\"",
    b"{}",
    b"[]",
    b",",
    b":",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"\xff\xfe",
    b"\n",
    b"/a/0/-",
    b"~1~0~2",
    b"\"op\":\"copy\",\"from\":\"\",\"path\":\"/a\"",
];
const NUMBERS: [u64; 9] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];

/// Spoils something that is right, here and there; of files, mostly with checksums and counts made right again.
pub fn mutate(right: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = match right.first() {
        _ if right.starts_with(&MAGIC) => shaken(right, random),
        Some(0x89) => records(right, random),
        Some(b'{') if right.starts_with(b"{\"header\"") => lines(right, random),
        _ => right.to_vec(),
    };
    let most = if bytes.first() == Some(&0x89) { 2 } else { 4 };
    for _ in 0..random.below(most) {
        spoil(&mut bytes, random);
    }
    if random.below(8) > 0 {
        mend(&mut bytes);
    }
    bytes
}

/// Spoils bytes in one place.
pub(super) fn spoil(bytes: &mut Vec<u8>, random: &mut Random) {
    let (mut start, mut end) = (random.place(bytes.len()), random.place(bytes.len()));
    if start > end {
        (start, end) = (end, start);
    }
    let near = end.min(start + 1 + random.place(40));
    match random.below(9) {
        0 | 1 if start < bytes.len() => bytes[start] ^= 1 << random.below(8),
        2 if start < bytes.len() => bytes[start] = NUMBERS[random.place(NUMBERS.len() - 1)] as u8,
        3 => {
            let number = NUMBERS[random.place(NUMBERS.len() - 1)].wrapping_sub(random.below(3)).to_le_bytes();
            let width = [2, 4, 8][random.place(2)];
            if let Some(place) = bytes.get_mut(start..start + width) {
                place.copy_from_slice(&number[..width]);
            }
        }
        4 => drop(bytes.drain(start..near)),
        5 => {
            let most = if random.below(20) == 0 { 200 } else { 2 };
            let again = bytes[start..near].repeat(1 + random.place(most));
            drop(bytes.splice(start..start, again));
        }
        6 => drop(bytes.splice(start..start, word_of(random))),
        7 => drop(bytes.splice(start..near, word_of(random))),
        8 if random.below(10) == 0 => bytes.truncate(start),
        _ => {}
    }
}

/// Leaves out, repeats, swaps or spoils some of what a file is made of, but for its first and last part.
fn shuffle(parts: &mut Vec<Vec<u8>>, random: &mut Random) {
    for _ in 0..random.below(4) {
        let inner = parts.len().saturating_sub(3);
        let (one, other) = (1 + random.place(inner), 1 + random.place(inner));
        if one.max(other) >= parts.len() {
            return;
        }
        match random.below(10) {
            0 => drop(parts.remove(one)),
            1 => parts.insert(one, parts[other].clone()),
            2 => parts.swap(one, other),
            _ => spoil(&mut parts[one], random),
        }
    }
    if random.below(20) == 0 {
        spoil(&mut parts[0], random);
    }
}

/// The binary format, its records shuffled and spoilt, and put together again.
fn records(right: &[u8], random: &mut Random) -> Vec<u8> {
    let (mut parts, mut at) = (Vec::new(), 16);
    while let Some(length) = word(right, at) {
        let Some(mut payload) = right.get(at + 12..at + 12 + length) else { break };
        while let Some(length) = word(payload, 1).filter(|length| payload.len() >= 5 + length) {
            let (record, rest) = payload.split_at(5 + length);
            parts.push(record.to_vec());
            payload = rest;
        }
        at += 12 + length;
    }
    shuffle(&mut parts, random);
    let count = |tag| parts.iter().filter(|part| part.first() == Some(&tag)).count() as u64;
    // A trailer counts sessions, from version 2 on event logs, and tombstones.
    let counts: &[u64] = match parts.last().map_or(0, Vec::len) {
        25 => &[count(1), count(2)],
        33 => &[count(1), count(4), count(2)],
        _ => &[],
    };
    let mut bytes = right[..right.len().min(16)].to_vec();
    let last = parts.len().saturating_sub(1);
    let mut block = Vec::new();
    for (place, mut part) in parts.into_iter().enumerate() {
        if part.len() >= 5 && random.below(16) > 0 {
            let length = (part.len() - 5) as u32;
            part[1..5].copy_from_slice(&length.to_le_bytes());
        }
        if place == last {
            let told = counts.iter().flat_map(|count| count.to_le_bytes());
            part.iter_mut().skip(5).zip(told).for_each(|(place, byte)| *place = byte);
            close(&mut bytes, &mut block);
        }
        block.extend(part);
        if place == 0 || random.below(4) == 0 {
            close(&mut bytes, &mut block);
        }
    }
    close(&mut bytes, &mut block);
    bytes
}

fn close(bytes: &mut Vec<u8>, block: &mut Vec<u8>) {
    if !block.is_empty() {
        bytes.extend((block.len() as u32).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.append(block);
    }
}

/// The JSON format, its lines shuffled and spoilt.
fn lines(right: &[u8], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<_> = right.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.pop();
    shuffle(&mut lines, random);
    let section = |name: &[u8]| lines.iter().position(|line| line.starts_with(name));
    let middle = section(b"],\"tombstones\"").unwrap_or(1);
    let (sessions, events) = match section(b"],\"events\"") {
        Some(events) => (events.saturating_sub(1), format!("\"events\":{},", middle.saturating_sub(events + 1))),
        None => (middle.saturating_sub(1), String::new()),
    };
    let tombstones = lines.len().saturating_sub(middle + 2);
    if let Some(last) = lines.last_mut() {
        let counts = format!(
            "],\"trailer\":{{\"sessions\":{sessions},{events}\"tombstones\":{tombstones},\"checksum\":\"crc32c:00000000\"}}}}"
        );
        *last = counts.into_bytes();
    }
    let mut bytes = lines.join(&b'\n');
    bytes.push(b'\n');
    bytes
}

fn word_of(random: &mut Random) -> impl Iterator<Item = u8> + use<> {
    WORDS[random.place(WORDS.len() - 1)].iter().copied()
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(word) as usize)
}
