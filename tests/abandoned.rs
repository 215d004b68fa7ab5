//! A million sessions are created and abandoned, and the process grows by nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test's panic is its verdict, and figures are told"
)]

#[cfg(target_os = "linux")]
#[path = "promises/common.rs"]
#[allow(dead_code, reason = "shared with the tests of promises")]
mod common;

#[cfg(target_os = "linux")]
mod memory {
    use super::common::{Hand, secs};
    use sessile::{Builder, NewSession, Principal, SessionService};

    const WAVES: u64 = 20;
    const SESSIONS: u64 = 50_000;
    const OWNERS: u64 = 500;
    const TOMBSTONES: usize = 10_000;

    /// KiB that this process keeps in memory.
    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn builder(hand: &Hand, tombstones: usize) -> Builder {
        SessionService::builder()
            .clock(hand.clock())
            .max_sessions(SESSIONS)
            .max_tombstones(tombstones)
            .max_tombstones_per_owner(tombstones)
    }

    async fn wave(service: &SessionService, hand: &Hand, number: u64) {
        for place in 0..SESSIONS {
            let session = if place % 10 == 0 {
                service.anonymous().create(NewSession::default()).await.unwrap()
            } else {
                let subject = format!("{number}-{}", place % OWNERS);
                service
                    .owner(&Principal::new("https://id.example", subject))
                    .create(NewSession::default())
                    .await
                    .unwrap()
            };
            match place % 16 {
                0 => drop(session.set("state", &"left behind").await.unwrap()),
                // Asked for, and its caller gone before it was ever polled.
                1 => drop(session.increment("n", 1)),
                2 => drop(session.close().await.unwrap()),
                _ => {}
            }
        }
        hand.advance(secs(3_600));
        service.operator().sweep().await.unwrap();
        let stats = service.operator().stats();
        assert_eq!((stats.sessions, stats.owners, stats.bytes), (0, 0, 0), "after wave {number}");
    }

    #[tokio::test]
    async fn a_million_abandoned_sessions_leave_nothing_behind() {
        let hand = Hand::new();
        let service = builder(&hand, TOMBSTONES).start().await.unwrap();
        let mut after_three = 0;
        for number in 0..WAVES {
            wave(&service, &hand, number).await;
            after_three = if number == 2 { resident() } else { after_three };
        }
        assert_eq!(service.operator().stats().tombstones, TOMBSTONES as u64);
        let last = resident();
        println!("{} sessions: {after_three} KiB after wave 3, {last} KiB after wave {WAVES}", WAVES * SESSIONS);
        assert!(last < after_three + after_three / 10 + 4_096, "{after_three} KiB grew to {last} KiB");

        // The same measure sees ends that are remembered without a cap.
        let service = builder(&hand, 100_000_000).start().await.unwrap();
        let before = resident();
        for number in 0..6 {
            wave(&service, &hand, number).await;
        }
        let grown = resident();
        println!("without a cap on ends: {before} KiB grew to {grown} KiB");
        assert!(grown > before + before / 10 + 4_096, "{before} KiB and {grown} KiB: this measure sees nothing");
    }
}
