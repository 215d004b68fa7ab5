//! What a run does, as data: drawn from a seed, and still a run when some of it is left out.

use super::super::random::Random;

/// How long an entry is to live: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lives {
    Never,
    Absolute(u64),
    Sliding(u64),
}

/// One step. Subjects, references and exports are drawn from what there is by then: any number names one.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        owner: usize,
        idle: u64,
        lifetime: u64,
    },
    Chosen {
        owner: usize,
        id: u64,
        idle: u64,
    },
    Named {
        owner: usize,
        name: u64,
        idle: u64,
    },
    Bucket {
        owner: usize,
    },
    Open {
        by: usize,
        subject: u64,
    },
    List {
        owner: usize,
    },
    Set {
        by: u64,
        key: u64,
        value: i64,
        lives: Lives,
    },
    Remove {
        by: u64,
        key: u64,
    },
    Increment {
        by: u64,
        key: u64,
        more: i64,
    },
    Merge {
        by: u64,
        set: (u64, i64),
        unset: u64,
    },
    UpdateIf {
        by: u64,
        behind: u64,
        key: u64,
        value: i64,
    },
    Rejected {
        by: u64,
        key: u64,
        value: i64,
    },
    /// The session is closed from inside an update, which so comes too late.
    CloseWithin {
        by: u64,
        key: u64,
        value: i64,
    },
    Read {
        by: u64,
        key: u64,
    },
    Touch {
        by: u64,
    },
    Extend {
        by: u64,
        seconds: u64,
    },
    Close {
        by: u64,
    },
    CloseAll {
        owner: usize,
    },
    Pass {
        millis: u64,
    },
    Sweep,
    Snapshot,
    Restart {
        drain: bool,
        json: bool,
        down: u64,
    },
    Export {
        json: bool,
    },
    Import {
        export: u64,
        policy: u64,
    },
}

/// The steps of a run.
pub(super) fn draw(seed: u64, count: usize) -> Vec<Step> {
    let mut random = Random(seed);
    (0..count).map(|_| one(&mut random)).collect()
}

fn one(random: &mut Random) -> Step {
    let kind = random.below(200);
    let mut r = |end: u64| random.below(end);
    // Of so many references most steps go by one of the latest.
    let by = if r(3) == 0 { r(64) } else { r(5) };
    let (owner, key, value) = (r(3) as usize, r(4), r(9) as i64);
    match kind {
        0..8 => Step::Create { owner, idle: 10 + r(90), lifetime: 60 + r(190) },
        8..20 => Step::Chosen { owner: owner % 2, id: r(5), idle: 10 + r(90) },
        20..28 => Step::Named { owner: owner % 2, name: r(3), idle: 10 + r(90) },
        28..33 => Step::Bucket { owner: [0, 1, 3][owner] },
        33..48 => Step::Open { by: owner, subject: r(64) },
        48..53 => Step::List { owner: owner % 2 },
        53..71 => {
            let lives = match r(3) {
                0 => Lives::Never,
                1 => Lives::Absolute(5 + r(60)),
                _ => Lives::Sliding(5 + r(40)),
            };
            Step::Set { by, key, value, lives }
        }
        71..79 => Step::Remove { by, key },
        79..91 => Step::Increment { by, key, more: r(4) as i64 - 1 },
        91..99 => Step::Merge { by, set: (key, value), unset: r(4) },
        99..107 => Step::UpdateIf { by, behind: r(2), key, value },
        107..112 => Step::Rejected { by, key, value },
        112..115 => Step::CloseWithin { by, key, value },
        115..133 => Step::Read { by, key },
        133..137 => Step::Touch { by },
        137..142 => Step::Extend { by, seconds: 1 + r(260) },
        142..148 => Step::Close { by },
        148..150 => Step::CloseAll { owner: owner % 2 },
        150..174 => Step::Pass { millis: if r(6) == 0 { r(120_000) } else { r(15_000) } },
        174..181 => Step::Sweep,
        181..187 => Step::Snapshot,
        187..191 => Step::Restart { drain: r(2) == 0, json: r(2) == 0, down: r(40_000) },
        191..195 => Step::Export { json: r(2) == 0 },
        _ => Step::Import { export: r(8), policy: r(3) },
    }
}
