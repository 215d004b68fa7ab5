//! The event log against a plain vector: appends, trims, caps, gaps, replays, and the way through a file.

use super::*;
use crate::config::EventLimits;
use crate::state::events::{Continuity, EventId, EventLog, EventsPart, EventsSince, Gap};

const ROOMY: EventLimits = EventLimits { events: 100_000, bytes: 1 << 20 };
const STREAMS: [&str; 3] = ["get", "post-1", "größe"];

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// Random numbers that a seed repeats (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// As a file takes a log and gives it back: in parts of a few events.
fn parts(since: &EventsSince, of: usize) -> Vec<EventsPart> {
    let events: Vec<_> = since.events().cloned().collect();
    let part = |events: &[_]| EventsPart {
        epoch: since.epoch,
        next: since.next,
        trimmed: since.trimmed,
        oldest: since.oldest,
        events: events.to_vec(),
    };
    if events.is_empty() { vec![part(&[])] } else { events.chunks(of).map(part).collect() }
}

fn back(log: &EventLog, era: u32, of: usize) -> EventLog {
    let (mut continuity, mut restored) = (Continuity::default(), None);
    for part in parts(&log.since(0), of) {
        assert_eq!(continuity.follow([7; 32], &part), Ok(restored.is_none()));
        restored.get_or_insert_with(|| EventLog::restored(&part, era)).extend(part);
    }
    restored.unwrap()
}

/// One event that was ever appended.
#[derive(Clone)]
struct Row {
    number: u64,
    stream: &'static str,
    payload: String,
    id: EventId,
    bytes: u64,
    kept: bool,
}

#[test]
fn random_steps_agree_with_a_plain_vector() {
    let seed = getrandom::u64().unwrap();
    eprintln!("seed {seed}");
    for run in 0..60 {
        walk(&mut Random(seed.wrapping_add(run)));
    }
}

fn walk(random: &mut Random) {
    let limits = EventLimits { events: 1 + random.below(150), bytes: 1_024 + random.below(8_192) };
    let mut log = EventLog::new(u128::from(random.below(u64::MAX)), 1);
    let mut follower = log.clone();
    let (mut plain, mut era): (Vec<Row>, u32) = (Vec::new(), 1);
    for step in 0..600 {
        let stream = STREAMS[random.below(3) as usize];
        match random.below(20) {
            0..12 => {
                let payload = format!("\"{}\"", "x".repeat(random.below(300) as usize));
                let after = log.bytes_with(stream, &json(&payload), &limits).unwrap();
                let id = log.append(stream, json(&payload), at(step), &limits);
                assert_eq!(log.bytes(), after);
                let bytes = 64 + (stream.len() + payload.len()) as u64;
                plain.push(Row { number: plain.len() as u64 + 1, stream, payload, id, bytes, kept: true });
                loop {
                    let kept = plain.iter().filter(|row| row.kept);
                    let (events, bytes) = kept.fold((0, 0), |(n, sum), row| (n + 1, sum + row.bytes));
                    if events <= limits.events && bytes <= limits.bytes {
                        assert_eq!(log.bytes(), bytes);
                        break;
                    }
                    let oldest = plain.iter_mut().find(|row| row.kept).unwrap();
                    oldest.kept = false;
                }
            }
            12 if !plain.is_empty() => {
                let id = plain[random.below(plain.len() as u64) as usize].clone();
                match log.before(stream, &id.id) {
                    None => assert_ne!(id.stream, stream),
                    Some(before) => {
                        assert!(id.stream == stream && before <= id.number);
                        assert!(before == id.number || !is_known(&plain, &id, era));
                        let mut gone = 0;
                        for row in
                            plain.iter_mut().filter(|row| row.kept && row.stream == stream && row.number < before)
                        {
                            row.kept = false;
                            gone += 1;
                        }
                        assert_eq!(log.trim_stream(stream, before), gone);
                        assert_eq!(log.trim_stream(stream, before), 0);
                        follower.trim_stream(stream, before);
                    }
                }
            }
            13 => {
                // A restart of which nothing was lost.
                era += 1;
                log = back(&log, era, 1 + random.below(9) as usize);
                follower = log.clone();
            }
            14 => {
                // What follows learns of what is new, once or twice.
                let from = follower.since(0).next.saturating_sub(1 + random.below(3));
                for _ in 0..=random.below(2) {
                    let since = parts(&log.since(from), 1_000).remove(0);
                    assert!(follower.apply(since));
                }
                let all = |log: &EventLog| log.since(0).events().cloned().collect::<Vec<_>>();
                assert!(all(&follower) == all(&log) && follower.bytes() == log.bytes());
            }
            _ => look(random, &log, &plain, stream, era),
        }
    }
}

/// Whether the log can know that an id is of its history: none later of its era is needed where it is the era of today.
fn is_known(plain: &[Row], asked: &Row, era: u32) -> bool {
    let later = |row: &Row| row.kept && row.id.era == asked.id.era && row.number >= asked.number;
    asked.id.era == era || plain.iter().any(later)
}

fn look(random: &mut Random, log: &EventLog, plain: &[Row], stream: &str, era: u32) {
    let kept: Vec<_> = plain.iter().filter(|row| row.kept && row.stream == stream).collect();
    let count = random.below(12) as usize;
    let told: Vec<_> = log.recent(stream, count).into_iter().map(|event| (event.id, event.payload)).collect();
    let last = &kept[kept.len().saturating_sub(count)..];
    assert_eq!(told, last.iter().map(|row| (row.id, json(&row.payload))).collect::<Vec<_>>());
    if plain.is_empty() {
        return;
    }
    let asked = &plain[random.below(plain.len() as u64) as usize];
    assert_eq!(asked.id.to_string().parse(), Ok(asked.id));
    let Some(replay) = log.replay_after(stream, &asked.id) else {
        assert_ne!(asked.stream, stream, "an id is unknown to its own stream");
        return;
    };
    assert_eq!(asked.stream, stream, "an id of another stream found something");
    let told: Vec<_> = replay.events.iter().map(|event| event.id).collect();
    let later: Vec<_> = kept.iter().filter(|row| row.number > asked.number).map(|row| row.id).collect();
    let missing = plain.iter().filter(|row| row.stream == stream && row.number > asked.number && !row.kept).count();
    let known = is_known(plain, asked, era);
    assert!(told == later || !known && told.ends_with(&later));
    // No gap is left out; one may be told where nobody can know.
    match replay.gap {
        None => assert_eq!(missing, 0),
        Some(Gap { at_most, first }) => {
            assert!(at_most.is_none_or(|at_most| at_most >= missing as u64 && at_most > 0));
            assert_eq!(first, told.first().copied());
            assert_eq!(at_most.is_some(), known, "whether it is of this history");
            assert!(missing > 0 || !asked.kept || at_most.is_none(), "a gap that is none");
        }
    }
}

#[test]
fn an_id_of_another_log_or_stream_or_of_nobody_finds_nothing() {
    let logs = [EventLog::new(1, 9), EventLog::new(2, 9)];
    let [(mut one, a), (_, b)] = logs.map(|mut log| {
        let id = log.append("s", json("1"), at(1), &ROOMY);
        (log, id)
    });
    assert_eq!((a.number, a.era), (b.number, b.era), "of the same number");
    assert!(one.replay_after("s", &a).is_some());
    assert!(one.replay_after("s", &b).is_none() && one.replay_after("t", &a).is_none());
    assert!(one.before("s", &b).is_none());
    let next = one.append("s", json("1"), at(1), &ROOMY);
    let text = a.to_string();
    for other in [text.replacen('1', "2", 1), text.replacen('1', "0", 1), text.replacen("00000009", "00000008", 1)] {
        assert!(one.replay_after("s", &other.parse().unwrap()).is_none(), "{other}");
    }
    for spelled in
        ["", "1", "1-2-3", &text.to_uppercase(), &format!("0{text}"), &format!("{text}-0"), &format!("+{text}")]
    {
        if *spelled != text {
            assert!(spelled.parse::<EventId>().is_err(), "{spelled}");
        }
    }
    assert_ne!(next.to_string(), text);
    assert_eq!(format!("{a:?}"), "EventId(1)", "its seal is not told");
}

#[test]
fn an_event_larger_than_a_log_is_refused_and_trims_nothing() {
    let limits = EventLimits { events: 10, bytes: 1_024 };
    let mut log = EventLog::new(1, 1);
    log.append("s", json("1"), at(1), &limits);
    let large = json(&format!("\"{}\"", "x".repeat(1_024)));
    let refused = log.bytes_with("s", &large, &limits).unwrap_err();
    assert_eq!((refused.limit, refused.allowed), (crate::error::Limit::EventBytes, 1_024));
    assert_eq!(log.recent("s", 9).len(), 1);
    // One that fills the log alone is taken.
    let full = json(&format!("\"{}\"", "x".repeat(1_024 - 64 - 1 - 2)));
    assert_eq!(log.bytes_with("s", &full, &limits), Ok(1_024));
    log.append("s", full, at(1), &limits);
    assert_eq!((log.recent("s", 9).len(), log.bytes()), (1, 1_024));
}

#[test]
fn no_id_stands_for_two_events_after_a_restart_that_lost_some() {
    let mut log = EventLog::new(5, 1);
    let seen = log.append("s", json("1"), at(1), &ROOMY);
    let file = log.clone();
    let lost: Vec<_> = (2..5).map(|n| log.append("s", json(&n.to_string()), at(1), &ROOMY)).collect();
    let mut log = back(&file, 2, 9);
    for id in &lost {
        let replay = log.replay_after("s", id).unwrap();
        assert_eq!(replay.gap, Some(Gap { at_most: None, first: None }));
        assert_eq!(log.before("s", id), Some(2), "what the client saw of this history");
    }
    let anew = log.append("s", json("\"other\""), at(2), &ROOMY);
    assert_eq!((anew.number, lost[0].number), (2, 2));
    assert_ne!(anew, lost[0]);
    for id in &lost {
        let replay = log.replay_after("s", id).unwrap();
        assert_eq!(replay.gap, Some(Gap { at_most: None, first: Some(anew) }));
        assert_eq!(replay.events.iter().map(|event| event.id).collect::<Vec<_>>(), [anew]);
    }
    let replay = log.replay_after("s", &seen).unwrap();
    assert_eq!((replay.gap, replay.events.len()), (None, 1));
    assert!(log.replay_after("t", &lost[0]).is_none());
}

#[test]
fn a_gap_is_told_though_its_stream_was_trimmed_to_nothing_in_between() {
    let limits = EventLimits { events: 2, ..ROOMY };
    let mut log = EventLog::new(5, 1);
    let seen = log.append("s", json("1"), at(1), &limits);
    log.append("s", json("2"), at(1), &limits);
    for n in 3..5 {
        log.append("t", json(&n.to_string()), at(1), &limits);
    }
    let anew = log.append("s", json("5"), at(1), &limits);
    let replay = log.replay_after("s", &seen).unwrap();
    assert_eq!(replay.gap, Some(Gap { at_most: Some(2), first: Some(anew) }));
}

#[test]
fn a_snapshot_holds_what_was_there_when_it_was_taken() {
    let mut log = EventLog::new(5, 1);
    for n in 0..200 {
        log.append("s", json(&n.to_string()), at(1), &ROOMY);
    }
    let since = log.since(0);
    log.append("s", json("\"later\""), at(2), &EventLimits { events: 3, ..ROOMY });
    assert_eq!(since.events().count(), 200);
    assert_eq!(log.since(0).events().count(), 3);
    assert_eq!(log.since(199).events().count(), 2);
}

#[test]
fn parts_that_do_not_follow_each_other_are_refused() {
    let log = |epoch| {
        let mut log = EventLog::new(epoch, 1);
        for n in 0..6 {
            log.append("s", json(&n.to_string()), at(1), &ROOMY);
        }
        parts(&log.since(0), 2)
    };
    let follow = |parts: &[(u8, &EventsPart)]| {
        let mut continuity = Continuity::default();
        parts.iter().try_for_each(|(session, part)| continuity.follow([*session; 32], part).map(drop))
    };
    let (one, two) = (log(1), log(2));
    assert_eq!(follow(&[(1, &one[0]), (1, &one[1]), (1, &one[2]), (2, &two[0])]), Ok(()));
    assert!(follow(&[(1, &one[1]), (1, &one[0])]).unwrap_err().contains("order"));
    assert!(follow(&[(1, &one[0]), (1, &one[0])]).unwrap_err().contains("order"));
    assert!(follow(&[(1, &one[0]), (1, &two[1])]).unwrap_err().contains("fit"));
    assert!(follow(&[(1, &one[0]), (2, &two[0]), (1, &one[1])]).unwrap_err().contains("together"));
    let mut large = EventsPart { events: Vec::new(), ..log(3).remove(0) };
    let event = log(3).remove(0).events.remove(0);
    large.events = (1..=crate::config::MAX_EVENTS + 1)
        .map(|number| crate::state::EventEntry { number, ..event.clone() })
        .collect();
    assert!(follow(&[(1, &large)]).unwrap_err().contains("larger"));
    large.events.pop();
    assert_eq!(follow(&[(1, &large)]), Ok(()));
    // The bytes of all parts count together. Every event shares one payload here.
    let payload = |bytes: u64| json(&format!("\"{}\"", "x".repeat(bytes as usize - 64 - 1 - 2)));
    let half = |first: u64, last: u64| {
        let (even, last) = (payload(1 << 20), payload(last));
        let number = first..first + 128;
        let entry = |number| {
            let payload = if number == first + 127 { &last } else { &even };
            crate::state::EventEntry { number, payload: payload.clone(), ..event.clone() }
        };
        EventsPart { events: number.map(entry).collect(), ..log(3).remove(0) }
    };
    assert_eq!(crate::config::MAX_EVENTS_BYTES, 256 << 20);
    assert_eq!(follow(&[(1, &half(1, 1 << 20)), (1, &half(129, 1 << 20))]), Ok(()));
    let over = half(129, (1 << 20) + 1);
    assert!(follow(&[(1, &half(1, 1 << 20)), (1, &over)]).unwrap_err().contains("larger"));
    assert!(follow(&[(1, &half(1, 1 << 20)), (1, &half(129, 2 << 20))]).unwrap_err().contains("larger"));
}

#[test]
fn a_gap_is_told_where_something_is_missing_and_nowhere_else() {
    let mut log = EventLog::new(5, 1);
    let [one, two] = [1, 2].map(|n| log.append("s", json(&n.to_string()), at(1), &ROOMY));
    log.append("t", json("3"), at(1), &ROOMY);
    assert_eq!(log.trim_stream("t", 4), 1);
    let gap = |log: &EventLog, id| log.replay_after("s", id).unwrap().gap;
    // The last of a stream is kept, and what was trimmed after it is of another.
    assert_eq!(gap(&log, &two), None);
    assert_eq!(log.trim_stream("s", 3), 2);
    assert_eq!(gap(&log, &one), Some(Gap { at_most: Some(2), first: None }));
    // After a restart too, as long as the log knows where the id stands.
    log.append("t", json("4"), at(1), &ROOMY);
    assert_eq!(gap(&back(&log, 2, 9), &one), Some(Gap { at_most: Some(2), first: None }));
    let mut alone = EventLog::new(6, 1);
    let [first, last] = [1, 2].map(|n| alone.append("s", json(&n.to_string()), at(1), &ROOMY));
    assert_eq!(alone.trim_stream("s", 3), 2);
    assert_eq!(gap(&alone, &first), Some(Gap { at_most: Some(1), first: None }));
    assert_eq!(gap(&alone, &last), None);
}

#[test]
fn a_log_settles_under_lower_caps() {
    let mut log = EventLog::new(5, 1);
    for n in 0..200 {
        log.append("s", json(&n.to_string()), at(1), &ROOMY);
    }
    log.settle(&ROOMY);
    assert_eq!(log.recent("s", 999).len(), 200);
    log.settle(&EventLimits { events: 150, ..ROOMY });
    assert_eq!((log.recent("s", 999).len(), log.oldest(), log.next()), (150, 51, 201));
    log.settle(&EventLimits { bytes: 2 * (64 + 1 + 3), ..ROOMY });
    assert_eq!((log.recent("s", 999).len(), log.bytes(), log.epoch()), (2, 2 * (64 + 1 + 3), 5));
}
