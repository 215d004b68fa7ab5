//! Event streams of the older era: cut at any event, over restarts too, and gone on with.

use std::path::Path;

use crate::client::{Call, connect, mounted, mounted_with, service, somebody};
use crate::server::Probe;
use crate::sse::{Connection, Event};
use http::StatusCode;
use serde_json::{Value, json};
use sessile::mcp::{McpOptions, McpService};
use sessile::{Caller, Durability, NewSession, Principal, SessionService};

/// No time passes while a stream is silent.
fn silent(service: &SessionService, probe: &Probe) -> McpService {
    mounted_with(service, probe, McpOptions::default().sse_keep_alive(None))
}

async fn durable(folder: &Path) -> SessionService {
    SessionService::builder().snapshots(folder.to_owned()).durability(Durability::Commit).start().await.unwrap()
}

/// What a power cut would leave: the files as they are at this moment.
fn crashed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    copy
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::id).collect()
}

/// The steps that a call tells of, and its answer as the step after the last.
fn steps(events: &[Event]) -> Vec<u64> {
    let step = |event: &Event| match &event.message {
        Value::Null => 0,
        message if message["method"] == "notifications/progress" => {
            message["params"]["progress"].as_f64().unwrap() as u64
        }
        message => message["result"]["structuredContent"]["steps"].as_u64().unwrap_or_else(|| panic!("{event:?}")) + 1,
    };
    events.iter().map(step).collect()
}

/// What the standalone stream tells.
fn told(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.message["params"]["uri"].as_str().unwrap_or_else(|| panic!("{event:?}"))).collect()
}

/// Resumes a stream that is complete, after each of its events.
async fn after_each(mcp: &McpService, session: &str, events: &[Event]) {
    for (at, event) in events.iter().enumerate() {
        let rest = Connection::open(mcp, Call::resume(event.id()).session(session)).await.rest().await;
        assert_eq!(rest, events[at + 1..], "after event {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_complete_stream_is_resumed_after_each_of_its_events() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    probe.step(999);
    let events = Connection::open(&mcp, Call::counting("steps", 999).session(&id)).await.rest().await;
    assert_eq!(steps(&events), (0..=1_000).collect::<Vec<_>>());
    assert_eq!((events[0].retry, events[1].retry), (Some(3_000), None));
    let unique: std::collections::HashSet<_> = ids(&events).into_iter().collect();
    assert_eq!(unique.len(), events.len());
    after_each(&mcp, &id, &events).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_drops_at_each_event_misses_nothing_and_gets_nothing_twice() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = silent(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let mut first = Connection::open(&mcp, Call::counting("steps", 999).session(&id)).await;
    let mut events = first.take(1).await;
    drop(first);
    while events.len() < 1_000 {
        // What is said while nobody listens, what is said once somebody does, and the seam between the two.
        let left = 1_000 - events.len();
        let (before, after) = [(1, 0), (0, 1), (1, 1), (2, 2)][events.len() % 4];
        let before = before.min(left);
        let after = after.min(left - before);
        probe.step(before);
        let mut connection = Connection::open(&mcp, Call::resume(events.last().unwrap().id()).session(&id)).await;
        probe.step(after);
        events.extend(connection.take(before + after).await);
    }
    let answer = Connection::open(&mcp, Call::resume(events.last().unwrap().id()).session(&id)).await.rest().await;
    events.extend(answer);
    assert_eq!(steps(&events), (0..=1_000).collect::<Vec<_>>());
    after_each(&mcp, &id, &events[990..]).await;
}

#[tokio::test]
async fn a_stream_is_resumed_after_each_of_its_events_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (service, probe) = (durable(folder.path()).await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    probe.step(999);
    let events = Connection::open(&mcp, Call::counting("steps", 999).session(&id)).await.rest().await;
    assert_eq!(steps(&events), (0..=1_000).collect::<Vec<_>>());
    drop((mcp, service));

    let service = durable(folder.path()).await;
    let mcp = mounted(&service, &probe);
    after_each(&mcp, &id, &events).await;
    drop((mcp, service));
    let service = durable(folder.path()).await;
    after_each(&mounted(&service, &probe), &id, &events[995..]).await;
}

#[tokio::test]
async fn whatever_a_client_got_is_on_disk_and_a_call_that_was_cut_tells_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let (service, probe) = (durable(folder.path()).await, Probe::new());
    let mcp = silent(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let mut connection = Connection::open(&mcp, Call::counting("steps", 50).session(&id)).await;
    let mut events = connection.take(1).await;
    for cut in 1..=8 {
        probe.step(1);
        events.extend(connection.take(1).await);
        let crashed = crashed(folder.path());
        let service = durable(crashed.path()).await;
        let mcp = mounted(&service, &probe);
        after_each(&mcp, &id, &events).await;
        assert_eq!(steps(&events), (0..=cut).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_while_nobody_listens_is_kept() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let mut connection = Connection::open(&mcp, Call::counting("steps", 100).session(&id)).await;
    let mut events = connection.take(1).await;
    drop(connection);
    probe.step(100);
    // Nobody is waited for.
    while Call::counting("steps", 0).session(&id).send(&mcp).await.status == StatusCode::BAD_REQUEST {
        tokio::task::yield_now().await;
    }
    events.extend(Connection::open(&mcp, Call::resume(events[0].id()).session(&id)).await.rest().await);
    assert_eq!(steps(&events), (0..=101).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_loses_nothing_while_it_is_connected() {
    let service = SessionService::builder().max_events(10_u64).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    probe.step(500);
    let connection = Connection::open(&mcp, Call::counting("steps", 500).session(&id)).await;
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(steps(&connection.rest().await), (0..=501).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn another_connection_to_the_stream_of_a_call_takes_over() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = silent(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let mut first = Connection::open(&mcp, Call::counting("steps", 100).session(&id)).await;
    let mut events = first.take(1).await;
    // The first one reads no more: rmcp waits for it, until it need not.
    probe.step(100);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    events.extend(Connection::open(&mcp, Call::resume(events[0].id()).session(&id)).await.rest().await);
    assert_eq!(steps(&events), (0..=101).collect::<Vec<_>>());
    let rest = first.rest().await;
    assert_eq!(rest, events[1..=rest.len()], "what it had got already, and its end");
}

#[tokio::test(start_paused = true)]
async fn past_the_cap_a_gap_is_told() {
    let service = SessionService::builder().max_events(10_u64).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    probe.step(29);
    let events = Connection::open(&mcp, Call::counting("steps", 29).session(&id)).await.rest().await;
    assert_eq!(events.len(), 31, "live, nothing is missing");
    for (at, event) in events.iter().enumerate() {
        let rest = Connection::open(&mcp, Call::resume(event.id()).session(&id)).await.rest().await;
        // Kept are 21 to 30.
        if at < 20 {
            assert_eq!((rest[0].missing(), &rest[0].id), (Some(20 - at as i64), &None));
            assert_eq!(rest[1..], events[21..], "after event {at}");
        } else {
            assert_eq!(rest, events[at + 1..], "after event {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_log_arrives_and_is_told_missing_afterwards() {
    let service = SessionService::builder().max_events_bytes(4_096_u64).start().await.unwrap();
    let probe = Probe::new();
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let events = Connection::open(&mcp, Call::counting("large", 5_000).session(&id)).await.rest().await;
    assert_eq!(events[1].message["result"]["structuredContent"]["text"].as_str().unwrap().len(), 5_000);
    let rest = Connection::open(&mcp, Call::resume(events[0].id()).session(&id)).await.rest().await;
    assert_eq!((rest.len(), rest[0].missing(), rest[0].id()), (1, Some(1), events[1].id()));
    let rest = Connection::open(&mcp, Call::resume(events[1].id()).session(&id)).await.rest().await;
    assert_eq!(rest, [], "it was there");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_refuses_arrives_without_an_id_and_is_told_missing_afterwards() {
    let service =
        SessionService::builder().max_owner_bytes(64_u64 << 10).max_session_bytes(64_u64 << 10).start().await.unwrap();
    let probe = Probe::new();
    let (mcp, alice) = (silent(&service, &probe), somebody("alice"));
    let id = connect(&mcp, &alice).await;
    let mut connection = Connection::open(&mcp, Call::counting("steps", 3).by(&alice).session(&id)).await;
    probe.step(1);
    let mut events = connection.take(2).await;
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    let other = owner.create(NewSession::default()).await.unwrap();
    let mut filled = 0;
    while other.set(&format!("{filled}"), &"x".repeat(if filled < 60 { 1_000 } else { 10 })).await.is_ok() {
        filled += 1;
    }
    probe.step(1);
    events.extend(connection.take(1).await);
    assert_eq!((events[2].id.as_deref(), steps(&events)), (None, vec![0, 1, 2]));
    let mut listening = Connection::open(&mcp, Call::resume(events[1].id()).by(&alice).session(&id)).await;
    let told = listening.take(1).await.remove(0);
    assert_eq!((told.missing(), told.id), (Some(-1), None));
    other.close().await.unwrap();
    probe.step(1);
    assert_eq!(steps(&listening.rest().await), [3, 4]);
    let rest = Connection::open(&mcp, Call::resume(events[0].id()).by(&alice).session(&id)).await;
    let rest = rest.rest().await;
    assert_eq!(steps(&rest[..1]), [1]);
    assert_eq!(rest[1].missing(), Some(1));
    assert_eq!(steps(&rest[2..]), [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_event_is_an_unknown_one() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = silent(&service, &probe);
    let (alice, bob) = (somebody("alice"), somebody("bob"));
    let (hers, other, his) = (connect(&mcp, &alice).await, connect(&mcp, &alice).await, connect(&mcp, &bob).await);
    probe.step(10);
    let events = Connection::open(&mcp, Call::counting("steps", 10).by(&alice).session(&hers)).await.rest().await;
    let mut standalone = Connection::open(&mcp, Call::get().by(&alice).session(&hers)).await;
    Call::counting("announce", 2).by(&alice).session(&hers).send(&mcp).await.structured();
    let standing = standalone.take(3).await;
    // He has streams of his own, and so has her other session.
    for (caller, session) in [(&alice, &other), (&bob, &his)] {
        probe.step(10);
        Call::counting("steps", 10).by(caller).session(session).send(&mcp).await;
        drop(Connection::open(&mcp, Call::get().by(caller).session(session)).await);
        let unknown = Call::resume("never-was").by(caller).session(session).send(&mcp).await;
        assert_eq!((unknown.status, &*unknown.body), (StatusCode::OK, b"".as_slice()));
        for event in [&events[0], &events[5], &events[11], &standing[0], &standing[2]] {
            let answer = Call::resume(event.id()).by(caller).session(session).send(&mcp).await;
            assert_eq!(answer, unknown, "{}", event.id());
        }
        assert_eq!(
            Call::resume("0-00000000-00000000000000000000000000000000").by(caller).session(session).send(&mcp).await,
            unknown
        );
    }
    let no_session = Call::resume(events[5].id()).by(&bob).session("never-was").send(&mcp).await;
    assert_eq!(no_session.status, StatusCode::NOT_FOUND);
    for event in [&events[0], &events[5], &standing[2]] {
        let answer = Call::resume(event.id()).by(&bob).session(&hers).send(&mcp).await;
        assert_eq!(answer, no_session);
    }
    after_each(&mcp, &hers, &[]).await;
    let rest = Connection::open(&mcp, Call::resume(events[5].id()).by(&alice).session(&hers)).await.rest().await;
    assert_eq!(rest, events[6..]);
}

#[tokio::test(start_paused = true)]
async fn a_modern_get_replays_nothing() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let alice = somebody("alice");
    let id = connect(&mcp, &alice).await;
    probe.step(10);
    let events = Connection::open(&mcp, Call::counting("steps", 10).by(&alice).session(&id)).await.rest().await;
    let modern = |call: Call| call.header("mcp-protocol-version", "2026-07-28").by(&alice);
    let plain = modern(Call::get()).send(&mcp).await;
    assert_eq!(plain.status, StatusCode::METHOD_NOT_ALLOWED);
    for event in [&events[0], &events[5]] {
        assert_eq!(modern(Call::resume(event.id())).send(&mcp).await, plain);
        assert_eq!(modern(Call::resume(event.id())).session(&id).send(&mcp).await, plain);
        let unknown = Call::resume(event.id()).header("mcp-protocol-version", "2099-01-01").by(&alice).session(&id);
        assert_eq!(unknown.send(&mcp).await.status, StatusCode::BAD_REQUEST);
    }
    // Of the older era, and without a session.
    assert_eq!(Call::resume(events[0].id()).by(&alice).send(&mcp).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn the_standalone_stream_is_resumed_and_says_each_thing_once() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = silent(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let announce = async |count: usize| {
        Call::counting("announce", count).session(&id).send(&mcp).await.structured();
    };
    let mut first = Connection::open(&mcp, Call::get().session(&id)).await;
    let priming = first.take(1).await.remove(0);
    assert_eq!((priming.retry, &priming.message), (Some(3_000), &Value::Null));
    drop(first);
    announce(2).await;
    // Cut before its first event, whatever came since is there.
    let mut second = Connection::open(&mcp, Call::resume(priming.id()).session(&id)).await;
    announce(2).await;
    let events = second.take(4).await;
    assert_eq!(told(&events), ["n:1", "n:2", "n:1", "n:2"]);
    // A further connection is told nothing, and can resume nothing.
    let mut spare = Connection::open(&mcp, Call::get().session(&id)).await;
    assert_eq!(spare.take(1).await[0].id, None);
    announce(1).await;
    assert_eq!(told(&second.take(1).await), ["n:1"]);
    // One that resumes takes over, though the connection before it still looks open.
    let mut third = Connection::open(&mcp, Call::resume(events[1].id()).session(&id)).await;
    announce(1).await;
    assert_eq!(told(&third.take(4).await), ["n:1", "n:2", "n:1", "n:1"]);
    drop(third);
    announce(3).await;
    // A client that knows no event gets what nobody was given.
    let mut fourth = Connection::open(&mcp, Call::get().session(&id)).await;
    assert_eq!(told(&fourth.take(4).await[1..]), ["n:1", "n:2", "n:3"]);
    Call::delete().session(&id).send(&mcp).await;
    for mut ended in [spare, second, fourth] {
        assert_eq!(ended.next().await, None);
    }
}

#[tokio::test]
async fn the_standalone_stream_goes_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (service, probe) = (durable(folder.path()).await, Probe::new());
    let mcp = silent(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let mut connection = Connection::open(&mcp, Call::get().session(&id)).await;
    Call::counting("announce", 3).session(&id).send(&mcp).await.structured();
    let events = connection.take(4).await;
    drop((connection, mcp, service));
    for _ in 0..2 {
        let service = durable(folder.path()).await;
        let mcp = silent(&service, &probe);
        for at in 0..events.len() {
            let mut connection = Connection::open(&mcp, Call::resume(events[at].id()).session(&id)).await;
            assert_eq!(connection.take(3 - at).await, events[at + 1..], "after event {at}");
        }
        let mut connection = Connection::open(&mcp, Call::resume(events[3].id()).session(&id)).await;
        let mut spare = Connection::open(&mcp, Call::get().session(&id)).await;
        assert_eq!(spare.take(1).await[0].id, None, "live, with nothing to replay");
        drop(connection);
        connection = Connection::open(&mcp, Call::resume(events[3].id()).session(&id)).await;
        drop((connection, spare));
    }
    let service = durable(folder.path()).await;
    let mcp = silent(&service, &probe);
    let mut connection = Connection::open(&mcp, Call::resume(events[3].id()).session(&id)).await;
    Call::counting("announce", 2).session(&id).send(&mcp).await.structured();
    assert_eq!(told(&connection.take(2).await), ["n:1", "n:2"]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_misses_nothing_however_much_others_say() {
    let service = SessionService::builder().max_events(10_u64).start().await.unwrap();
    let probe = Probe::new();
    let mcp = silent(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    let mut connection = Connection::open(&mcp, Call::get().session(&id)).await;
    Call::counting("announce", 1).session(&id).send(&mcp).await.structured();
    let event = connection.take(2).await.remove(1);
    drop(connection);
    for _ in 0..50 {
        Call::tool("add").session(&id).send(&mcp).await.structured();
    }
    let mut connection = Connection::open(&mcp, Call::resume(event.id()).session(&id)).await;
    Call::counting("announce", 1).session(&id).send(&mcp).await.structured();
    assert_eq!(told(&connection.take(1).await), ["n:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_short_call_is_one_event() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted(&service, &probe);
    let id = connect(&mcp, &Caller::Anonymous).await;
    for call in 1..=5 {
        let events = Connection::open(&mcp, Call::tool_as("add", call).session(&id)).await.rest().await;
        assert_eq!((events.len(), &events[0].message), (2, &Value::Null));
        let (_, event) = events[1].id().rsplit_once('/').unwrap();
        assert!(event.starts_with(&format!("{call}-")), "{event} is not event {call} of its session");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_logged_only_where_that_is_asked_for() {
    let (service, probe) = (service().await, Probe::new());
    let mcp = mounted_with(&service, &probe, McpOptions::default().resumable(false));
    let id = connect(&mcp, &Caller::Anonymous).await;
    probe.step(3);
    let events = Connection::open(&mcp, Call::counting("steps", 3).session(&id)).await.rest().await;
    assert_eq!(steps(&events), [0, 1, 2, 3, 4]);
    assert_eq!(ids(&events), ["0/0", "1/0", "2/0", "3/0", "4/0"]);
    assert_eq!(Call::tool("add").session(&id).send(&mcp).await.structured(), json!({"count": 1}));
}
