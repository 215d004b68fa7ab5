//! Random updates and reads against a plain `BTreeMap`, with time moving on.

use std::collections::BTreeMap;

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Row {
    value: String,
    revision: u64,
    life: Life,
}

#[derive(Clone, Debug, PartialEq)]
enum Life {
    Never,
    At(u64),
    Sliding { ttl: u64, last: u64 },
}

impl Life {
    /// Without what reads change.
    fn asked(&self) -> Self {
        match *self {
            Self::Sliding { ttl, .. } => Self::Sliding { ttl, last: 0 },
            ref other => other.clone(),
        }
    }
}

impl Row {
    fn ends(&self) -> Option<u64> {
        match self.life {
            Life::Never => None,
            Life::At(at) => Some(at),
            Life::Sliding { ttl, last } => Some(last + ttl),
        }
    }

    fn is_live(&self, now: u64) -> bool {
        self.ends().is_none_or(|end| end > now)
    }

    fn touch(&mut self, now: u64) {
        if let Life::Sliding { last, .. } = &mut self.life {
            *last = now;
        }
    }
}

type Model = BTreeMap<String, Row>;

fn run(random: &mut Random, keys: usize, size: usize, steps: usize) -> [usize; 3] {
    let (mut model, mut committed, mut now, mut revision) = (Model::new(), empty(), 1_u64, 0);
    let (mut packed, mut mapped, mut amends, mut amendments) = (0, 0, 0, Vec::new());
    for _ in 0..steps {
        now += random.below(4) as u64;
        model.retain(|_, row| row.is_live(now));
        let mut draft = Draft::stage(Arc::clone(&committed), at(now), LIMITS);
        let mut staged = model.clone();
        for _ in 0..random.below(4) {
            change(random, &mut draft, &mut staged, keys, size, now);
            compare(&draft, &staged);
        }
        if random.below(8) == 0 {
            // An update that is dropped changes nothing; what it used stays used.
            for (key, row) in &mut model {
                if staged.get(key).is_none_or(|new| new.life != row.life) {
                    let _ = view(&committed, at(now)).json(key);
                    row.touch(now);
                }
            }
            continue;
        }
        let mut changed = staged.len() != model.len();
        for (key, row) in &mut staged {
            match model.get(key) {
                Some(old) if old.value == row.value && old.life.asked() == row.life.asked() => {
                    row.revision = old.revision
                }
                _ => {
                    row.revision = revision + 1;
                    changed = true;
                }
            }
        }
        let draft = match draft.amendment() {
            Ok((base, amendment)) => {
                let mut amended = Committed::clone(&base);
                assert!(amended.amend(&amendment) && !amended.amend(&amendment));
                let draft = amendment.onto(Draft::stage(base, at(now), LIMITS));
                assert!(changed);
                amendments.push(amended);
                draft
            }
            Err(draft) => draft,
        };
        let next = draft.finish().unwrap();
        assert_eq!(next.is_some(), changed);
        if let Some(next) = next {
            revision += 1;
            // What is changed where it lies is what would have been made anew, to the byte.
            if let Some(amended) = amendments.pop() {
                assert_eq!((amended.revision, amended.bytes), (next.revision, next.bytes));
                assert_eq!(amended.entries.to_packed(), next.entries.to_packed());
                amends += 1;
            }
            committed = Arc::new(next);
        }
        model = staged;
        read(random, &committed, &mut model, keys, now, revision);
        if random.below(10) == 0 {
            // Through a file and back.
            let entries = Entries::from_packed(committed.entries.to_packed()).unwrap();
            let uses: BTreeMap<String, Timestamp> =
                committed.sliding().last_uses().map(|(key, last)| (key.to_owned(), last)).collect();
            committed = Arc::new(Committed::restored(
                committed.revision,
                entries,
                Metadata::default(),
                committed.lifetime(),
                at(now),
                |key| uses.get(key).copied(),
            ));
        }
        if committed.entries.is_packed() { packed += 1 } else { mapped += 1 }
    }
    [packed, mapped, amends]
}

fn change(random: &mut Random, draft: &mut Draft, model: &mut Model, keys: usize, size: usize, now: u64) {
    let key = format!("key{}", random.below(keys));
    let number = random.below(3).to_string();
    match random.below(10) {
        0..=4 => {
            let value = if random.below(2) == 0 { number } else { format!("\"{}\"", "x".repeat(random.below(size))) };
            let duration = 1 + random.below(12) as u64;
            let (ttl, life) = match random.below(4) {
                0 => (Ttl::Absolute(seconds(duration)), Life::At(now + duration)),
                1 => (Ttl::Sliding(seconds(duration)), Life::Sliding { ttl: duration, last: now }),
                _ => (Ttl::Never, Life::Never),
            };
            draft.set_json_with(&key, Json::parse(&value).unwrap(), ttl).unwrap();
            model.insert(key, Row { value, revision: 0, life });
        }
        5 | 6 => assert_eq!(draft.remove(&key), model.remove(&key).is_some()),
        7 | 8 => {
            let old = model.get_mut(&key);
            if old.as_ref().is_none_or(|row| !row.value.starts_with('"')) {
                let sum = draft.increment(&key, 1).unwrap();
                let row = model.entry(key).or_insert(Row { value: "0".into(), revision: 0, life: Life::Never });
                row.value = (row.value.parse::<i64>().unwrap() + 1).to_string();
                row.touch(now);
                assert_eq!(sum.to_string(), row.value);
            } else {
                assert!(draft.increment(&key, 1).is_err());
                model.get_mut(&key).unwrap().touch(now);
            }
        }
        _ if random.below(30) == 0 => {
            draft.clear();
            model.clear();
        }
        _ => {
            assert_eq!(draft.contains(&key), model.contains_key(&key));
            if let Some(row) = model.get_mut(&key) {
                row.touch(now);
            }
        }
    }
}

fn compare(draft: &Draft, model: &Model) {
    assert!(draft.entries().eq(model.iter().map(|(key, row)| (&**key, &*row.value))));
    assert_eq!(draft.len(), model.len());
}

fn read(random: &mut Random, committed: &Arc<Committed>, model: &mut Model, keys: usize, now: u64, revision: u64) {
    let view = view(committed, at(now));
    assert_eq!((view.revision().get(), view.len()), (revision, model.len()));
    let key = format!("key{}", random.below(keys));
    assert_eq!(view.json(&key), model.get(&key).map(|row| &*row.value));
    if let Some(row) = model.get_mut(&key) {
        row.touch(now);
    }
    let shown = view.entries().map(|entry| {
        let ends = entry.expires_at.map(|at| at.as_micros() / 1_000_000);
        (entry.key, entry.value, entry.revision.get(), ends)
    });
    let expected: Vec<_> = model.iter().map(|(key, row)| (&**key, &*row.value, row.revision, row.ends())).collect();
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    let start = format!("key{}", random.below(keys));
    let after: Vec<_> = view.entries_from("key", Some(&start)).map(|entry| entry.key.to_owned()).collect();
    assert_eq!(after, model.keys().filter(|key| **key > start).cloned().collect::<Vec<_>>());
    let payload: u64 = committed.entries.iter().map(|entry| (entry.key.len() + entry.value.len()) as u64).sum();
    assert_eq!((committed.entries.payload_bytes(), committed.bytes), (payload, payload));
    assert_eq!(committed.entries.iter().count(), committed.entries.len());
    assert_eq!(committed.entries.to_packed(), super::super::packed::encode(|| committed.entries.iter()));
    let purged = committed.purged(at(now));
    assert_eq!(purged.as_ref().map_or(committed.entries.len(), |purged| purged.entries.len()), model.len());
    let live = purged.as_ref().unwrap_or(committed);
    assert_eq!(live.next_deadline(), model.values().filter_map(Row::ends).min().map(at));
}

#[test]
fn packed_sessions_match_the_model() {
    let mut random = Random::new();
    let mut all = 0;
    for _ in 0..20 {
        let [packed, mapped, amends] = run(&mut random, 12, 20, 400);
        assert!(packed > 0 && mapped == 0);
        all += amends;
    }
    assert!(all > 20, "{all} amendments");
}

#[test]
fn mapped_sessions_match_the_model() {
    let mut random = Random::new();
    let (mut packed, mut mapped) = (0, 0);
    for _ in 0..10 {
        let [small, large, _] = run(&mut random, 60, 3_000, 600);
        packed += small;
        mapped += large;
    }
    assert!(packed > 100 && mapped > 100, "{packed} {mapped}");
}
