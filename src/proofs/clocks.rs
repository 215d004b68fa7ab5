//! Clocks: a wall clock that is anywhere at a restart lengthens no life, and thirty days pass as they should.

use std::collections::BTreeMap;
use std::time::Duration;

use super::hand::{Hand, START, folder, paused};
use super::proving::{Verdict, caught, holds, service};
use super::random::Random;
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::error::{EndReason, Ended, OpenError};
use crate::principal::Principal;
use crate::service::{Builder, SessionService};
use crate::state::Ttl;
use crate::time::{Clock, Timestamp};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const YEAR: u64 = 8_766 * HOUR;
const SESSIONS: u64 = 40;
const TEN_DAYS: u64 = 10 * 86_400;

/// What is known of a session when the service stops; microseconds.
struct Kept {
    created: u64,
    idle: u64,
    ends_at: u64,
    last: u64,
    /// The ttl of its sliding entry, and when that was last used.
    sliding: (u64, u64),
    /// When its entry with an absolute ttl expires.
    stands: u64,
    /// Whether its end was found before the stop.
    noticed: bool,
}

fn alice() -> Principal {
    Principal::new("https://id.example", "alice")
}

fn builder() -> Builder {
    SessionService::builder().idle_timeout(Duration::from_secs(7_200)).max_lifetime(Duration::from_secs(86_400))
}

/// Sessions in all states of age, a stop, and a start at another time.
async fn restart(seed: u64, shift: i64, bugs: &[Bug]) -> Verdict {
    let (mut random, hand, folder) = (Random(seed), Hand::new(), folder());
    let first = service(builder().clock(hand.clock()).snapshots(folder.path()), bugs).await;
    let mut kept = BTreeMap::new();
    for number in 0..SESSIONS {
        let (idle, lifetime) = (60 + random.below(7_100), 600 + random.below(85_000));
        let new = NewSession::default().idle_timeout(secs(idle)).max_lifetime(secs(lifetime));
        let (id, now, ttl) = (format!("s{number}"), hand.micros(), 30 + random.below(3_000));
        let session = first.owner(&alice()).create_with_id(&id, new).await.unwrap();
        session.set_with("slides", &1, Ttl::Sliding(secs(ttl))).await.unwrap();
        let stands = 30 + random.below(3_000);
        session.set_with("stands", &1, Ttl::Absolute(secs(stands))).await.unwrap();
        let (idle, ends_at, stands) = (idle * SECOND, now + lifetime * SECOND, now + stands * SECOND);
        let one = Kept { created: now, idle, ends_at, last: now, sliding: (ttl * SECOND, now), stands, noticed: false };
        kept.insert(id, one);
        hand.advance(secs(random.below(120)));
        // Some earlier one is read, and lives on for that.
        let earlier = format!("s{}", random.below(number + 1));
        let kept = kept.get_mut(&earlier).unwrap();
        match first.owner(&alice()).open(&earlier).await {
            Ok(session) => {
                let used = session.get::<u8>("slides").unwrap().is_some();
                kept.last = hand.micros();
                kept.sliding.1 = if used { hand.micros() } else { kept.sliding.1 };
            }
            Err(_) => kept.noticed = true,
        }
    }
    let stopped = hand.micros();
    // What has expired by now stays ended, however far the clock goes back: whether it is found now or at the restart.
    if random.below(2) == 0 {
        first.operator().sweep().await.unwrap();
        kept.values_mut().for_each(|kept| kept.noticed |= deadline(kept.last + kept.idle, kept.ends_at).0 <= stopped);
    }
    first.drain().await.unwrap();
    drop(first);
    let now = stopped.saturating_add_signed(shift);
    hand.set(now);
    let second = service(builder().clock(hand.clock()).snapshots(folder.path()), bugs).await;
    let behind = stopped.checked_sub(now).filter(|behind| *behind > 0).map(Duration::from_micros);
    expect("how far the clock is behind", second.restored().clock_behind, behind)?;
    // As far back as the clock went.
    let back = |at: u64| at.saturating_sub(stopped.saturating_sub(now));
    let carried = |at: u64| if now < stopped { now + at.saturating_sub(stopped) } else { at };
    let (mut lived, mut unnoticed, later) = (0, 0, now + random.below(2 * 3_600) * SECOND);
    let mut standing = Vec::new();
    for (id, kept) in kept {
        let here = format!("{id}, restarted {shift} us later");
        let before = deadline(kept.last + kept.idle, kept.ends_at);
        // What was left at the stop is left now, at most; time spent down counts.
        let after = deadline(back(kept.last) + kept.idle, carried(kept.ends_at));
        let at_stop = (back(before.0), before.1);
        let ended = if before.0 <= stopped { Some(at_stop) } else { Some(after).filter(|after| after.0 <= now) };
        if let Some((at, reason)) = ended {
            unnoticed += u64::from(before.0 <= stopped && !kept.noticed);
            let expected = Ended { reason, at: Timestamp::from_micros(at) };
            let found = second.owner(&alice()).open(&id).await.map(|_| ());
            expect(&here, found, Err(OpenError::Ended(expected)))?;
            continue;
        }
        lived += 1;
        // The operator's look is no use.
        let session = second.operator().session(&id).await.map_err(|error| format!("{here}: {error}"))?;
        let expires_at = session.info().map(|info| info.expires_at);
        expect(&here, expires_at, Ok(Some(Timestamp::from_micros(after.0))))?;
        let created = session.info().map(|info| info.created_at);
        expect(&format!("the creation of {here}"), created, Ok(Timestamp::from_micros(back(kept.created))))?;
        let (ttl, last) = kept.sliding;
        let slides = last + ttl > stopped && back(last) + ttl > now;
        expect(&format!("the sliding entry of {here}"), session.get::<u8>("slides").unwrap().is_some(), slides)?;
        let stands = Some(carried(kept.stands)).filter(|stands| kept.stands > stopped && *stands > now);
        expect(
            &format!("the absolute entry of {here}"),
            session.get::<u8>("stands").unwrap().is_some(),
            stands.is_some(),
        )?;
        if after.0 > later {
            standing.push((here, session, stands));
        }
    }
    hand.set(later.max(now));
    for (here, session, stands) in standing {
        let found = session.get::<u8>("stands").map_err(|error| format!("{here}: {error}"))?.is_some();
        expect(&format!("the absolute entry of {here}, later"), found, stands.is_some_and(|stands| stands > later))?;
    }
    Ok(format!("{lived} of {SESSIONS}, {unnoticed} found ended"))
}

fn deadline(idle: u64, end: u64) -> (u64, EndReason) {
    if idle < end { (idle, EndReason::Idle) } else { (end, EndReason::Lifetime) }
}

fn restarts(seed: u64, bugs: &[Bug]) -> Verdict {
    let mut random = Random(seed);
    let (hour, years) = (HOUR as i64, 10 * YEAR as i64);
    let mut shifts = vec![-hour, hour, -years, years, 0, -1, 1, i64::MIN, -(START as i64)];
    shifts.extend((0..32).map(|_| random.below(4 * HOUR) as i64 - 2 * hour));
    let mut figures = Vec::new();
    for (case, shift) in shifts.into_iter().enumerate() {
        figures.push(paused(restart(seed.wrapping_add(case as u64), shift, bugs))?);
    }
    Ok(format!("{} restarts: {}", figures.len(), figures.join(", ")))
}

/// Thirty days of tokio's paused time: reads 25 minutes apart, sweeps and snapshots as they come, a restart each week.
fn thirty_days(_seed: u64, bugs: &[Bug]) -> Verdict {
    paused(async {
        let (folder, started) = (folder(), tokio::time::Instant::now());
        let elapsed = || started.elapsed().as_micros() as u64;
        let start = || {
            let clock = Clock::starting_at(Timestamp::from_micros(START + elapsed()));
            let builder = SessionService::builder().clock(clock).snapshots(folder.path());
            service(builder.max_lifetime(None).snapshot_every(secs(3_600)), bugs)
        };
        let mut running = start().await;
        let owner = running.owner(&alice());
        let mut read = owner.create_with_id("read", NewSession::default()).await.unwrap();
        read.set_with("slides", &1, Ttl::Sliding(secs(5_400))).await.unwrap();
        read.set_with("stands", &1, Ttl::Absolute(secs(TEN_DAYS))).await.unwrap();
        let ten = NewSession::default().max_lifetime(secs(TEN_DAYS));
        let ten = owner.create_with_id("ten-days", ten).await.unwrap().info().unwrap().expires_at;
        let left = owner.create_with_id("left-alone", NewSession::default()).await.unwrap();
        let left = left.info().unwrap().expires_at.unwrap();
        let tenth = START + TEN_DAYS * SECOND;
        expect("when thirty minutes are over", ten.into_iter().chain([left]).all(|at| at.as_micros() < tenth), true)?;
        const READS: u64 = 30 * 86_400 / 1_500;
        for number in 1..=READS {
            tokio::time::sleep(secs(1_500)).await;
            if number % (READS / 4) == 0 {
                running.drain().await.map_err(|error| error.to_string())?;
                running = start().await;
                read = running.owner(&alice()).open("read").await.map_err(|error| error.to_string())?;
            }
            let owner = running.owner(&alice());
            let slides = read.get::<u8>("slides").map_err(|error| format!("{error} after {number} reads"))?;
            expect("the sliding entry", slides, Some(1))?;
            let young = START + elapsed() < tenth;
            expect("the absolute entry", read.get::<u8>("stands").unwrap().is_some(), young)?;
            let ended = Ended { reason: EndReason::Lifetime, at: Timestamp::from_micros(tenth) };
            let expected = if young { Ok(()) } else { Err(OpenError::Ended(ended)) };
            expect("ten days", owner.open("ten-days").await.map(|_| ()), expected)?;
        }
        let ended = Ended { reason: EndReason::Idle, at: left };
        let found = running.owner(&alice()).open("left-alone").await.map(|_| ());
        expect("the one left alone", found, Err(OpenError::Ended(ended)))?;
        let stats = running.operator().stats();
        expect("sessions and remembered ends", (stats.sessions, stats.tombstones), (1, 2))?;
        Ok(format!("{READS} reads in thirty days"))
    })
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_clock_that_is_anywhere_at_a_restart_lengthens_no_life() {
    holds(|seed| restarts(seed, &[]));
}

#[test]
fn thirty_days_pass_as_they_should() {
    holds(|seed| thirty_days(seed, &[]));
}

#[test]
fn each_planted_bug_lengthens_or_shortens_a_life() {
    for bug in [Bug::DeadlineFromRestore, Bug::LastUseNotPersisted, Bug::RestoreRevives, Bug::RestoreTrustsClock] {
        println!("{bug:?}");
        caught(1, |seed| restarts(seed, &[bug]));
    }
    caught(1, |seed| thirty_days(seed, &[Bug::ReadsDoNotSlide]));
}
