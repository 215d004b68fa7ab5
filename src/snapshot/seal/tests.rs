//! The container by itself: every byte counts, no frame can be moved, and nothing unpacks past its cap.

#![allow(unused_mut, clippy::vec_init_then_push, clippy::needless_update, reason = "builds differ in what they have")]

use std::io::Read;

use super::*;
use crate::config::Format;
use crate::snapshot::{FileError, FileHeader};

/// Every kind of wrapping that this build has, each with a name.
fn wraps() -> Vec<(&'static str, Wrap)> {
    let mut wraps = Vec::new();
    #[cfg(feature = "zstd")]
    wraps.push(("compressed", Wrap { compress: true, ..Wrap::default() }));
    #[cfg(feature = "seal")]
    wraps.push(("sealed", sealed('a')));
    #[cfg(all(feature = "seal", feature = "zstd"))]
    wraps.push(("sealed and compressed", Wrap { compress: true, ..sealed('a') }));
    wraps
}

#[cfg(feature = "seal")]
fn sealed(digit: char) -> Wrap {
    Wrap { keys: crate::KeyRing::parse(&digit.to_string().repeat(64)).ok(), ..Wrap::default() }
}

fn wrap_up(bytes: &[u8], wrap: &Wrap) -> Vec<u8> {
    let mut file = Vec::new();
    let header = FileHeader::new(Format::Bincode, 0, 0);
    let summary = wrapped(&mut file, wrap, |output| {
        // In pieces that fit no part.
        for piece in bytes.chunks(100_003) {
            output.write_all(piece)?;
        }
        output.flush()?;
        Ok::<_, io::Error>(Summary { header, sessions: 0, events: 0, tombstones: 0, bytes: 0 })
    });
    assert_eq!(summary.unwrap().bytes, file.len() as u64);
    file
}

fn unwrapped(file: &[u8], wrap: &Wrap) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    open(file, wrap)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes that compress a little.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + (state >> 24) as u8 % 26
    };
    (0..length).map(next).collect()
}

/// The head, then each frame.
fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = vec![file[..head::HEAD_BYTES].to_vec()];
    let mut rest = &file[head::HEAD_BYTES..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) & !super::frames::LAST;
        let (frame, after) = rest.split_at(super::frames::FRAME_HEAD + length as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

#[test]
fn what_goes_in_comes_out_whatever_its_length() {
    for (name, wrap) in wraps() {
        for length in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 3 * PART_BYTES + 77] {
            let file = wrap_up(&bytes(length), &wrap);
            assert!(unwrapped(&file, &wrap).unwrap() == bytes(length), "{name}, {length}");
            assert_eq!(frames(&file).len() - 1, length.div_ceil(PART_BYTES).max(1), "{name}, {length}");
            assert!(!file.windows(16).any(|window| bytes(64).starts_with(window)), "{name}, {length}");
        }
    }
}

#[test]
fn what_is_not_wrapped_is_left_as_it_is() {
    for file in [&b""[..], b"{", b"hello", &bytes(PART_BYTES)] {
        assert!(unwrapped(file, &Wrap::default()).unwrap() == file);
        let opened = open(file, &Wrap::default()).unwrap();
        assert!(!opened.is_wrapped() && !opened.is_compressed() && opened.sealed_under().is_none());
    }
}

#[test]
fn a_file_cut_off_anywhere_is_called_truncated() {
    for (name, wrap) in wraps() {
        let file = wrap_up(b"a short file", &wrap);
        for length in 1..file.len() {
            let result = unwrapped(&file[..length], &wrap);
            assert!(matches!(result, Err(FileError::Truncated)), "{name} cut at {length}: {result:?}");
        }
        let (file, mut length) = (wrap_up(&bytes(3 * PART_BYTES), &wrap), 0);
        for frame in &frames(&file)[..3] {
            length += frame.len();
            let result = unwrapped(&file[..length], &wrap);
            assert!(matches!(result, Err(FileError::Truncated)), "{name} cut at {length}: {result:?}");
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for (name, wrap) in wraps() {
        let file = wrap_up(&bytes(90), &wrap);
        for place in 0..file.len() {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[place] ^= 1 << bit;
                match unwrapped(&flipped, &wrap) {
                    // Not a file of this kind, and none of any other.
                    Ok(bytes) => {
                        assert!(place < MAGIC.len() && bytes == flipped && bytes[0] != b'{' && bytes[0] != 0x89)
                    }
                    result => assert!(matches!(result, Err(FileError::Damaged { .. })), "{name}, {place}: {result:?}"),
                }
            }
        }
    }
}

#[test]
fn no_frame_can_be_left_out_repeated_swapped_or_taken_from_another_file() {
    for (name, wrap) in wraps() {
        let (one, two) = (wrap_up(&bytes(4 * PART_BYTES), &wrap), wrap_up(&bytes(4 * PART_BYTES), &wrap));
        let (one, two) = (frames(&one), frames(&two));
        let refused = |what: &str, frames: &[Vec<u8>]| {
            let result = unwrapped(&frames.concat(), &wrap);
            let right = matches!(result, Err(FileError::Damaged { .. } | FileError::Truncated));
            assert!(right, "{name}, {what}: {:?}", result.map(|bytes| bytes.len()));
        };
        for at in 1..one.len() {
            let mut without = one.clone();
            without.remove(at);
            refused("left out", &without);
            let mut twice = one.clone();
            twice.insert(at, one[at].clone());
            refused("repeated", &twice);
            for other in at + 1..one.len() {
                let mut swapped = one.clone();
                swapped.swap(at, other);
                refused("swapped", &swapped);
            }
            // A checksum does not tell files apart whose bytes are the same; a seal does.
            if name.starts_with("sealed") {
                let mut foreign = one.clone();
                foreign[at] = two[at].clone();
                refused("from another file", &foreign);
            }
        }
        let mut renamed = one.clone();
        renamed[0] = two[0].clone();
        if name.starts_with("sealed") {
            refused("under another file's head", &renamed);
        }
        for more in [&b"x"[..], &one[1], &one.concat()] {
            refused("with something after it", &[one.concat(), more.to_vec()]);
        }
    }
}

#[test]
fn a_frame_says_that_it_is_the_last_with_its_guard() {
    for (name, wrap) in wraps() {
        let mut frames = frames(&wrap_up(&bytes(3 * PART_BYTES), &wrap));
        frames.truncate(2);
        frames[1][3] |= 0x80;
        let sum = crc32c::crc32c(&frames[1][..4]).to_le_bytes();
        frames[1][4..8].copy_from_slice(&sum);
        assert!(matches!(unwrapped(&frames.concat(), &wrap), Err(FileError::Damaged { .. })), "{name}");
    }
}

/// What changes a file on purpose makes its checksums right again.
#[cfg(feature = "seal")]
#[test]
fn a_changed_head_is_refused_though_its_checksums_are_right() {
    let mut refused = 0;
    for (name, wrap) in wraps().into_iter().filter(|(name, _)| name.starts_with("sealed")) {
        let file = wrap_up(&bytes(90), &wrap);
        for place in 16..48 {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[place] ^= 1 << bit;
                let sum = crc32c::crc32c(&changed[..48]).to_le_bytes();
                changed[48..52].copy_from_slice(&sum);
                match unwrapped(&changed, &wrap) {
                    Err(FileError::Sealed { .. }) => assert!((20..28).contains(&place), "{name}, {place}"),
                    Err(FileError::Damaged { detail, .. }) => refused += usize::from(detail.contains("does not open")),
                    result => panic!("{name}, {place}: {result:?}"),
                }
            }
        }
        // As if nothing had been around it: what is associated with every frame is no help to whoever has no key.
        let mut plain = file.clone();
        plain[16] = 0;
        plain[20..47].fill(0);
        let sum = crc32c::crc32c(&plain[..48]).to_le_bytes();
        plain[48..52].copy_from_slice(&sum);
        assert!(matches!(unwrapped(&plain, &wrap), Err(FileError::Damaged { .. })));
    }
    // The nonce, and whether it is compressed, which the frames alone know.
    let kinds = if cfg!(feature = "zstd") { 2 } else { 1 };
    assert_eq!(refused, kinds * (19 * 8 + usize::from(cfg!(feature = "zstd"))));
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    for (_, wrap) in wraps() {
        let mut file = wrap_up(b"x", &wrap);
        file[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let sum = crc32c::crc32c(&file[..12]).to_le_bytes();
        file[12..16].copy_from_slice(&sum);
        for file in [&file[..], &file[..16], &[&file[..16], b"anything"].concat()] {
            let result = unwrapped(file, &wrap);
            assert!(matches!(result, Err(FileError::NewerVersion { found: 2, supported: 1 })), "{result:?}");
        }
    }
}

#[cfg(feature = "seal")]
#[test]
fn a_missing_key_is_told_by_its_name_before_anything_else() {
    let (wrap, other) = (sealed('a'), sealed('b'));
    let (file, id) = (wrap_up(b"state", &wrap), wrap.keys.as_ref().unwrap().writing().to_string());
    assert_eq!(open(&*file, &wrap).unwrap().sealed_under(), Some(id.clone()));
    for wrap in [&other, &Wrap::default()] {
        for file in [&file[..], &file[..head::HEAD_BYTES], &[&file[..60], b"xxxxxxxxxxxxxxx"].concat()] {
            let result = unwrapped(file, wrap);
            assert!(matches!(&result, Err(FileError::Sealed { key }) if *key == id), "{result:?}");
        }
    }
    // A key that goes by the right name and is another one.
    let mut renamed = wrap_up(b"state", &other);
    renamed[20..28].copy_from_slice(&file[20..28]);
    let sum = crc32c::crc32c(&renamed[..48]).to_le_bytes();
    renamed[48..52].copy_from_slice(&sum);
    assert!(matches!(unwrapped(&renamed, &wrap), Err(FileError::Damaged { .. })));
    // Both in a ring: either opens.
    let both = crate::KeyRing::parse(&format!("{}\n{}", "b".repeat(64), "a".repeat(64))).ok();
    let both = Wrap { keys: both, ..Wrap::default() };
    assert_eq!(unwrapped(&file, &both).unwrap(), b"state");
    assert!(open(&*file, &both).unwrap().is_behind(&both) && !open(&*file, &wrap).unwrap().is_behind(&wrap));
    assert!(
        open(&b"{}"[..], &both).unwrap().is_behind(&both)
            && !open(&b"{}"[..], &Wrap::default()).unwrap().is_behind(&Wrap::default())
    );
}

#[cfg(feature = "zstd")]
mod packed {
    use super::*;
    use crate::snapshot::seal::guard::Guard;
    use crate::snapshot::seal::head::{Head, Sealing};

    /// A compressed file with this frame, its checksums made right.
    fn framed(mut content: Vec<u8>) -> Vec<u8> {
        let head = Head { sealing: Sealing::None, compressed: true };
        Guard::reading(&head, &Wrap::default()).unwrap().seal(0, true, &mut content).unwrap();
        let length = (content.len() as u32 | crate::snapshot::seal::frames::LAST).to_le_bytes();
        [&head.bytes()[..], &length, &crc32c::crc32c(&length).to_le_bytes(), &content].concat()
    }

    #[test]
    fn a_gibibyte_of_zeros_is_refused_at_its_first_frame() {
        let mut bomb = zstd::Encoder::new(Vec::new(), 1).unwrap();
        io::copy(&mut io::repeat(0).take(1 << 30), &mut bomb).unwrap();
        let bomb = bomb.finish().unwrap();
        assert!(bomb.len() < 200 << 10, "{}", bomb.len());
        for content in [&bomb[..], &[&zstd::bulk::compress(b"x", 1).unwrap(), &bomb[..]].concat()] {
            let file = framed(content.to_vec());
            let mut opened = open(&*file, &Wrap::default()).unwrap();
            let error = FileError::from(opened.read(&mut [0; 1]).unwrap_err());
            let told = error.to_string();
            assert!(matches!(error, FileError::Damaged { .. }) && told.contains("262144 bytes"), "{told}");
            assert_eq!(opened.read(&mut [0; 1]).unwrap(), 0, "nothing comes after it");
        }
        assert_eq!(unwrapped(&framed(zstd::bulk::compress(b"x", 1).unwrap()), &Wrap::default()).unwrap(), b"x");
    }

    #[test]
    fn a_frame_that_unpacks_to_more_than_its_share_is_refused() {
        let small = zstd::bulk::compress(&vec![0; PART_BYTES], 1).unwrap();
        assert!(small.len() * MOST_EXPANSION < PART_BYTES, "{}", small.len());
        assert!(matches!(unwrapped(&framed(small), &Wrap::default()), Err(FileError::Damaged { .. })));
    }

    #[test]
    fn what_is_written_is_read_however_well_it_packs() {
        let zeros = vec![0; 5 * PART_BYTES + 3];
        for (name, wrap) in wraps().into_iter().filter(|(_, wrap)| wrap.compress) {
            let file = wrap_up(&zeros, &wrap);
            assert!(unwrapped(&file, &wrap).unwrap() == zeros, "{name}");
            assert!(file.len() < 2_000, "{name}: {}", file.len());
        }
        // Every length about where padding begins.
        let wrap = Wrap { compress: true, ..Wrap::default() };
        for length in (0..40_000).step_by(509).chain(PART_BYTES - 3..=PART_BYTES) {
            assert!(unwrapped(&wrap_up(&zeros[..length], &wrap), &wrap).unwrap() == zeros[..length], "{length}");
        }
        let noise: Vec<_> = (0..PART_BYTES as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
        assert!(unwrapped(&wrap_up(&noise, &wrap), &wrap).unwrap() == noise);
    }

    #[test]
    fn nonsense_with_right_checksums_is_damage() {
        for content in [&b""[..], b"x", &[0x28, 0xb5, 0x2f, 0xfd], &bytes(5_000)] {
            let result = unwrapped(&framed(content.to_vec()), &Wrap::default());
            let right = matches!(result, Err(FileError::Damaged { .. })) || content.is_empty() && result.is_ok();
            assert!(right, "{result:?}");
        }
    }
}
