//! Journals that are almost right: one file after the other, as a chain.

use std::ops::Range;

use super::mutate::{spoil, word};
use super::random::Random;
use crate::snapshot::JOURNAL_MAGIC as MAGIC;

/// What files and frames begin at multiples of.
const SECTOR: usize = 512;
/// The first bytes of a frame.
const MARK: &[u8] = b"\xf5JFR";
/// What stands before a header, and before a payload.
const BEFORE_HEADER: usize = 24;
const FRAME_HEAD: usize = 32;

/// Where each file of a chain lies: a new one begins where the magic stands at the start of a sector.
pub(super) fn files(bytes: &[u8]) -> Vec<Range<usize>> {
    let begins = |at: &usize| bytes[*at..].starts_with(&MAGIC);
    let starts: Vec<_> = (SECTOR..bytes.len()).step_by(SECTOR).filter(begins).collect();
    let ends = starts.iter().copied().chain([bytes.len()]);
    [0].into_iter().chain(starts.iter().copied()).zip(ends).map(|(start, end)| start..end).collect()
}

/// Makes the checksums right of each file of a chain, as far as it can be followed.
pub(super) fn mend(bytes: &mut [u8]) {
    for file in files(bytes) {
        mend_file(&mut bytes[file]);
    }
}

fn mend_file(bytes: &mut [u8]) {
    if bytes.len() < SECTOR {
        return;
    }
    put(bytes, 12, crc32c::crc32c(&bytes[..12]));
    let Some(header) = word(bytes, 16).and_then(|length| bytes.get(BEFORE_HEADER..BEFORE_HEADER + length)) else {
        return;
    };
    let (salt, sum) = (salt(header), crc32c::crc32c(header));
    put(bytes, 20, sum);
    let mut at = SECTOR;
    while at + FRAME_HEAD <= bytes.len() {
        let mut whole = SECTOR;
        if bytes[at..].starts_with(MARK) {
            let length = word(bytes, at + 4).unwrap_or_default();
            if let Some(payload) = bytes.get(at + FRAME_HEAD..at + FRAME_HEAD + length) {
                put(bytes, at + 24, crc32c::crc32c_append(salt, payload));
                whole = (FRAME_HEAD + length).next_multiple_of(SECTOR);
            }
            put(bytes, at + 28, crc32c::crc32c_append(salt, &bytes[at..at + 28]));
        }
        at += whole;
    }
}

/// Where the checksums of frames start from: after four numbers and a text.
fn salt(header: &[u8]) -> u32 {
    let release = word(header, 32).unwrap_or_default();
    word(header, 40 + release).unwrap_or_default() as u32
}

fn put(bytes: &mut [u8], at: usize, sum: u32) {
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

/// A file, taken apart.
#[derive(Clone)]
struct Journal {
    /// Preamble, header and what fills its sector.
    start: Vec<u8>,
    frames: Vec<Frame>,
    /// What stands after the last frame.
    rest: Vec<u8>,
}

#[derive(Clone)]
struct Frame {
    head: Vec<u8>,
    /// Each with its tag and length.
    items: Vec<Vec<u8>>,
}

impl Journal {
    fn of(right: &[u8]) -> Self {
        let (start, mut left) = right.split_at(SECTOR.min(right.len()));
        let mut frames = Vec::new();
        while left.starts_with(MARK)
            && let Some(length) = word(left, 4)
            && let Some(mut payload) = left.get(FRAME_HEAD..FRAME_HEAD + length)
        {
            let mut items = Vec::new();
            while let Some(length) = word(payload, 1).filter(|length| payload.len() >= 5 + length) {
                let (item, rest) = payload.split_at(5 + length);
                items.push(item.to_vec());
                payload = rest;
            }
            frames.push(Frame { head: left[..FRAME_HEAD].to_vec(), items });
            left = &left[(FRAME_HEAD + length).next_multiple_of(SECTOR).min(left.len())..];
        }
        Self { start: start.to_vec(), frames, rest: left[..left.len().min(SECTOR)].to_vec() }
    }

    fn spoil(&mut self, random: &mut Random) {
        if random.below(12) == 0 {
            // Generation, segment, first frame: numbers that others have too.
            let place = BEFORE_HEADER + 8 * random.below(3) as usize;
            let number = random.below(6).to_le_bytes();
            if let Some(place) = self.start.get_mut(place..place + 8) {
                place.copy_from_slice(&number);
            }
        }
        if random.below(20) == 0 {
            spoil(&mut self.start, random);
            self.start.resize(SECTOR, 0);
        }
        if random.below(6) == 0 {
            shuffle(&mut self.frames, random);
        }
        for _ in 0..random.below(4) {
            let frame = random.below(self.frames.len().max(1) as u64) as usize;
            let Some(Frame { items, .. }) = self.frames.get_mut(frame) else { return };
            let item = random.below(items.len().max(1) as u64) as usize;
            match (random.below(8), items.get_mut(item)) {
                (0, _) => shuffle(items, random),
                (_, Some(item)) => spoil(item, random),
                _ => {}
            }
        }
    }

    fn put(mut self, bytes: &mut Vec<u8>, random: &mut Random) {
        let first =
            self.frames.first().and_then(|frame| frame.head.get(8..16)?.try_into().ok()).map(u64::from_le_bytes);
        bytes.append(&mut self.start);
        for (number, Frame { mut head, items }) in (first.unwrap_or_default()..).zip(self.frames) {
            let mut payload = Vec::new();
            for mut item in items {
                if item.len() >= 5 && random.below(24) > 0 {
                    let length = (item.len() - 5) as u32;
                    item[1..5].copy_from_slice(&length.to_le_bytes());
                }
                payload.append(&mut item);
            }
            if random.below(40) > 0 {
                head[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            }
            if random.below(40) > 0 {
                head[8..16].copy_from_slice(&number.to_le_bytes());
            }
            bytes.append(&mut head);
            bytes.append(&mut payload);
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.append(&mut self.rest);
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    }
}

/// Leaves out, repeats or swaps some.
fn shuffle<T: Clone>(parts: &mut Vec<T>, random: &mut Random) {
    if parts.is_empty() {
        return;
    }
    let [one, other] = [(); 2].map(|()| random.below(parts.len() as u64) as usize);
    match random.below(3) {
        0 => drop(parts.remove(one)),
        1 => parts.insert(one, parts[other].clone()),
        _ => parts.swap(one, other),
    }
}

/// A chain whose files, frames and records are shuffled and spoilt, put together again.
pub(super) fn shaken(right: &[u8], random: &mut Random) -> Vec<u8> {
    let mut chain: Vec<_> = files(right).into_iter().map(|file| Journal::of(&right[file])).collect();
    if random.below(10) == 0 {
        shuffle(&mut chain, random);
    }
    let mut bytes = Vec::new();
    for mut journal in chain {
        journal.spoil(random);
        journal.put(&mut bytes, random);
    }
    bytes
}
