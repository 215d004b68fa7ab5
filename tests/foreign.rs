//! What strangers wrote takes no more memory than its due, read by every reader of foreign bytes.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test's panic is its verdict, and figures are told"
)]

use std::fs;

use sessile::fuzzing;

const MIB: usize = 1 << 20;
/// Bytes of what is hostile.
const SIZE: usize = 8 * MIB;
/// What a process takes and gives back for reasons of its own.
const SLACK: usize = 2 * MIB;

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

#[test]
fn what_is_hostile_takes_no_more_than_its_due_in_memory() {
    let entry = "{\"key\":\"n\",\"value\":-0.50,\"revision\":7}";
    // Twice its own size, but for what is parsed one by one: an entry takes 190 bytes beside its text, and a record has a
    // million of them at most; names of members are kept to find one that is there twice.
    let files: [(&str, usize, Vec<u8>); 10] = [
        ("tags", 2, readable("\"one\",\"two\"", &many(|_| "\"\"".to_owned()))),
        (
            "entries",
            9,
            readable(entry, &many(|number| format!("{{\"key\":\"x{number}\",\"value\":1,\"revision\":7}}"))),
        ),
        ("members", 5, readable("{\"colour\":\"red\"}", &format!("{{{}}}", many(|number| format!("\"{number}\":0"))))),
        ("elements", 2, readable("{\"colour\":\"red\"}", &format!("[{}]", many(|_| "0".to_owned())))),
        ("brackets", 2, readable("{\"colour\":\"red\"}", &"[".repeat(SIZE))),
        ("digits", 2, readable("-0.50", &"9".repeat(SIZE))),
        ("one word", 2, readable("alice", &"x".repeat(SIZE))),
        ("unknown members", 2, readable("\"kind\":\"cart\"", &many(|number| format!("\"u{number}\":0")))),
        ("tags in binary", 2, tags(SIZE / 8)),
        ("a block of a gigabyte that is not there", 2, promised()),
    ];
    let mut greedy = Vec::new();
    for (what, times, bytes) in &files {
        let of_this = std::env::var("SESSILE_CASE").unwrap_or_default();
        if of_this.is_empty() {
            // What one run gave back would hide what the next one takes: each has a process of its own.
            let own = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "what_is_hostile_takes_no_more_than_its_due_in_memory", "--nocapture"])
                .env("SESSILE_CASE", what)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&own.stdout).into_owned();
            println!("{}", told.lines().find(|line| line.contains(" in memory")).unwrap_or("nothing"));
            if !own.status.success() {
                greedy.push(told);
            }
        } else if of_this == *what {
            let mut answer = Ok(());
            let most = taken(|| answer = fuzzing::file(bytes, true));
            println!(
                "\n{what}: {} bytes, {most} in memory, {:.80}",
                bytes.len(),
                answer.err().unwrap_or_else(|| "taken".to_owned())
            );
            assert!(most <= times * bytes.len() + SLACK, "{what}: {} bytes take {most}", bytes.len());
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
