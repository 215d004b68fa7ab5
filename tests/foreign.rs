//! What strangers wrote takes no more memory than its due, read by every reader of foreign bytes.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test's panic is its verdict, and figures are told"
)]

use std::fs;
use std::sync::Arc;

use sessile::fuzzing;

const MIB: usize = 1 << 20;
/// Bytes of what is hostile.
const SIZE: usize = 8 * MIB;
/// What a process takes and gives back for reasons of its own.
const SLACK: usize = 3 * MIB;

/// Bytes that this process keeps in memory now (`VmRSS`), or kept at most since the last reset (`VmHWM`).
fn memory(what: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    let kib: usize = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// How much memory a run takes at most beyond what there is before it.
fn taken(run: impl FnOnce()) -> usize {
    // Resets the mark: see proc(5).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS");
    run();
    memory("VmHWM").saturating_sub(before)
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(format!("{}/snapshots/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A readable file with something else in place of a part of it.
fn readable(part: &str, instead: &str) -> Vec<u8> {
    let text = String::from_utf8(golden("v1.json")).unwrap();
    assert!(text.contains(part), "{part}");
    mended(text.replacen(part, instead, 1).into_bytes())
}

fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    fuzzing::mend(&mut bytes);
    bytes
}

/// Members or elements until they have so many bytes.
fn many(each: impl Fn(usize) -> String) -> String {
    let mut text = each(0);
    for number in 1.. {
        if text.len() >= SIZE {
            break;
        }
        text.push(',');
        text.push_str(&each(number));
    }
    text
}

/// A binary file whose first session has so many empty tags.
fn tags(count: usize) -> Vec<u8> {
    let mut bytes = golden("v1.bin");
    let told = b"\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0one\x03\0\0\0\0\0\0\0two";
    let at = bytes.windows(told.len()).position(|window| window == told).unwrap();
    let mut instead = (count as u64).to_le_bytes().to_vec();
    instead.resize(8 + 8 * count, 0);
    let more = (instead.len() - told.len()) as u32;
    bytes.splice(at..at + told.len(), instead);
    let block = 16 + 12 + u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    for place in [block, block + 13] {
        let length = u32::from_le_bytes(bytes[place..place + 4].try_into().unwrap()) + more;
        bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
    }
    mended(bytes)
}

/// A binary file that promises a block of a gigabyte.
fn promised() -> Vec<u8> {
    let mut bytes = golden("v1.bin");
    let block = 16 + 12 + u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    let sums = |bytes: &mut [u8]| {
        let sum = crc32c::crc32c(&bytes[block..block + 8]).to_le_bytes();
        bytes[block + 8..block + 12].copy_from_slice(&sum);
    };
    bytes[block..block + 4].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    sums(&mut bytes);
    bytes
}

/// A journal whose first frame has these records alone, each with its sort.
fn journal<'a>(records: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut bytes = golden("journal-v1.log");
    bytes.truncate(512 + 32);
    for (sort, record) in records {
        bytes.push(sort);
        bytes.extend((record.len() as u32).to_le_bytes());
        bytes.extend(record);
    }
    let length = (bytes.len() - 512 - 32) as u32;
    bytes[516..520].copy_from_slice(&length.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    mended(bytes)
}

/// The first record of the golden journal.
fn first_record() -> Vec<u8> {
    let bytes = golden("journal-v1.log");
    let length = u32::from_le_bytes(bytes[545..549].try_into().unwrap()) as usize;
    bytes[549..549 + length].to_vec()
}

/// The same session with one large value: entries are packed, and stand before times of use and keys.
fn large_session() -> Vec<u8> {
    let (mut record, value) = (first_record(), format!("\"{}\"", "x".repeat(SIZE)));
    let mut entries = vec![1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    entries.extend(7_u64.to_le_bytes());
    for number in [1, value.len() as u32, 0] {
        entries.extend(number.to_le_bytes());
    }
    entries.push(b'k');
    entries.extend(value.as_bytes());
    let packed = [1, 0, 0, 0, 3, 0, 0, 0];
    let at = record.windows(8).position(|window| window == packed).unwrap();
    let length = u64::from_le_bytes(record[at - 8..at].try_into().unwrap()) as usize;
    let with_length = (entries.len() as u64).to_le_bytes().into_iter().chain(entries);
    record.splice(at - 8..at + length, with_length.collect::<Vec<_>>());
    record
}

/// When somebody used each of so many entries, or what was in so many streams: lists whose elements are told in a few bytes.
fn list(before: &[u8], count: usize, element: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut record = before.to_vec();
    record.extend((count as u64).to_le_bytes());
    (0..count).for_each(|number| record.extend(element(number)));
    record
}

fn text(text: &str) -> Vec<u8> {
    [(text.len() as u64).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

/// What is hostile, by its name.
const CASES: [&str; 19] = [
    "tags",
    "entries",
    "a large value",
    "members",
    "elements",
    "brackets",
    "digits",
    "one word",
    "unknown members",
    "keyed updates",
    "events",
    "tags in binary",
    "a block of a gigabyte that is not there",
    "a large session in a journal",
    "uses in a journal",
    "uses of nothing in a journal",
    "streams in a journal",
    "used sessions in a journal",
    "a frame of a gigabyte that is not there",
];

/// Its bytes, and how many elements of lists it may have in memory at most.
fn case(what: &str) -> (usize, Vec<u8>) {
    let entry = "{\"key\":\"n\",\"value\":-0.50,\"revision\":7}";
    let colour = "{\"colour\":\"red\"}";
    // When somebody used a session, without the uses of its entries.
    let touched = |number: u64| [&number.to_le_bytes()[..], &[7; 24], &1_u64.to_le_bytes()].concat();
    match what {
        "tags" => (0, readable("\"one\",\"two\"", &many(|_| "\"\"".to_owned()))),
        "entries" => {
            let entries = many(|number| format!("{{\"key\":\"x{number}\",\"value\":1,\"revision\":7}}"));
            (entries.matches("key").count(), readable(entry, &entries))
        }
        "a large value" => (0, readable("-0.50", &format!("\"{}\"", "x".repeat(SIZE)))),
        "members" => (0, readable(colour, &format!("{{{}}}", many(|number| format!("\"{number}\":0"))))),
        "elements" => (0, readable(colour, &format!("[{}]", many(|_| "0".to_owned())))),
        "brackets" => (0, readable(colour, &"[".repeat(SIZE))),
        "digits" => (0, readable("-0.50", &"9".repeat(SIZE))),
        "one word" => (0, readable("alice", &"x".repeat(SIZE))),
        "unknown members" => (0, readable("\"kind\":\"cart\"", &many(|number| format!("\"u{number}\":0")))),
        "keyed updates" => {
            let row = "{\"key\":\"00000000000000000000000000000007\",\"revision\":6,\"at\":\"2023-11-14T22:13:20Z\"}";
            (0, later("\"idempotency\":[", &format!("\"idempotency\":[{},", many(|_| row.to_owned()))))
        }
        "events" => {
            let event = |number: usize| {
                let stream = format!("\"era\":1,\"stream\":\"s{number}\",\"at\":\"2023-11-14T22:13:20Z\"");
                format!("{{\"number\":{},\"before\":0,{stream},\"payload\":0}}", number + 1)
            };
            let instead = format!("\"events\":[{},{{\"number\":4", many(event));
            (100_000, later("\"events\":[{\"number\":4", &instead))
        }
        "tags in binary" => (0, tags(SIZE / 8)),
        "a block of a gigabyte that is not there" => (0, promised()),
        "a large session in a journal" => (0, journal([(1, &large_session()[..])])),
        "uses in a journal" => {
            let used = |number: usize| [text(&format!("{number:08}")), vec![0; 8]].concat();
            (SIZE / 24, journal([(4, &list(&touched(7), SIZE / 24, used)[..])]))
        }
        "uses of nothing in a journal" => {
            (SIZE / 16, journal([(4, &list(&touched(7), SIZE / 16, |_| vec![0; 16])[..])]))
        }
        "streams in a journal" => {
            // Oldest event, digest, epoch, next event, greatest that was trimmed; then streams, and no event.
            let log = [&[0; 8][..], &[7; 32], &[1; 16], &9_u64.to_le_bytes(), &[0; 8]].concat();
            let streams = list(&log, SIZE / 16, |number| text(&format!("{number:08}")));
            (100_000, journal([(5, &[&streams[..], &[0; 8]].concat()[..])]))
        }
        "used sessions in a journal" => {
            let touches: Vec<_> = (0..SIZE as u64 / 53).map(|number| list(&touched(number), 0, |_| vec![])).collect();
            (touches.len(), journal(touches.iter().map(|touch| (4, &touch[..]))))
        }
        "a frame of a gigabyte that is not there" => {
            let mut bytes = golden("journal-v1.log");
            bytes[516..520].copy_from_slice(&(1_u32 << 30).to_le_bytes());
            (0, mended(bytes))
        }
        _ => panic!("no such case"),
    }
}

/// A readable file of version 2 with something else in place of a part of it.
fn later(part: &str, instead: &str) -> Vec<u8> {
    let text = String::from_utf8(golden("v2.json")).unwrap();
    assert!(text.contains(part), "{part}");
    mended(text.replacen(part, instead, 1).into_bytes())
}

/// The limit of a reader is the largest record that it keeps: a gibibyte of text, and of lists at most a million entries, each
/// of which counts as so many bytes beside its text. Of journals a start keeps all, sessions that were used among them.
const ELEMENT: usize = 192;

fn alone(what: &str) {
    let (elements, bytes) = case(what);
    let limit = bytes.len() + ELEMENT * elements;
    let (mut answer, bytes): (_, Arc<[u8]>) = (Ok(()), bytes.into());
    let most = taken(|| answer = fuzzing::built(&bytes));
    let answer = answer.err().unwrap_or_else(|| "taken".to_owned());
    println!("\n{what}: {} bytes, limit {limit}, {most} in memory, {answer:.80}", bytes.len());
    assert!(most <= 2 * limit + SLACK, "{what}: {most} are more than twice {limit}");
}

#[test]
fn what_is_hostile_takes_at_most_twice_its_limit_in_memory() {
    if let Ok(what) = std::env::var("SESSILE_CASE") {
        return alone(&what);
    }
    let mut greedy = Vec::new();
    for what in CASES {
        // What one run gave back would hide what the next one takes: each has a process of its own.
        let own = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_is_hostile_takes_at_most_twice_its_limit_in_memory", "--nocapture"])
            .env("SESSILE_CASE", what)
            // What is over 32 MiB goes back to the system when it is freed; at the size tried here glibc would keep it.
            .env("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=131072")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&own.stdout).into_owned();
        println!("{}", told.lines().find(|line| line.contains(" in memory")).unwrap_or("nothing"));
        if !own.status.success() {
            greedy.push(format!("{what}: {told}"));
        }
    }
    assert!(greedy.is_empty(), "{greedy:#?}");
}

#[test]
fn a_patch_that_doubles_the_state_takes_no_more_than_twice_what_a_session_may_hold() {
    let copies: Vec<_> =
        (0..60).map(|number| format!("{{\"op\":\"copy\",\"from\":\"\",\"path\":\"/{number}\"}}")).collect();
    let text = format!("[{}]\n{{\"k\":\"{}\"}}", copies.join(","), "x".repeat(100_000));
    let mut answer = Ok(());
    let most = taken(|| answer = fuzzing::patch(&text));
    println!("{most} bytes in memory, {answer:?}");
    assert!(answer.is_err());
    assert!(most <= 2 * MIB + SLACK, "{most}");
}
