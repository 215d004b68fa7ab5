//! What the logs say: tags of sessions, never their ids.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::client::{Call, connect, initialize, mounted, service, somebody};
use crate::server::Probe;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_log_holds_a_session_id() {
    let log = Log::default();
    let writer = log.clone();
    // rmcp's INFO and below do hold ids: whoever embeds it silences them.
    let targets = Targets::new().with_target("sessile", LevelFilter::TRACE).with_target("rmcp", LevelFilter::WARN);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    // For the whole process: with a subscriber of this thread alone, whether an event is recorded would depend on which
    // test came to it first. So the lines of the other tests are read here, too.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(lines)).unwrap();

    let (service, probe) = (service().await, Probe::new());
    let (alice, bob) = (somebody("alice"), somebody("bob"));
    let id = connect(&mounted(&service, &probe), &alice).await;
    let tag = service.operator().session(&id).await.unwrap().id().tag();
    Call::tool("read").by(&bob).session(&id).send(&mounted(&service, &probe)).await;
    // A refused replay, a replay, a passivation, a handshake that cannot be kept, a fault in a tool, an end.
    let mcp = mounted(&service, &probe);
    probe.refuse(true);
    Call::tool("read").by(&alice).session(&id).send(&mcp).await;
    Call::initialize().by(&alice).send(&mcp).await;
    probe.refuse(false);
    Call::tool("read").by(&alice).session(&id).send(&mcp).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    Call::get().by(&alice).session(&id).header("last-event-id", "no event").send(&mcp).await;
    let mut large = initialize("2025-11-25");
    large["params"]["clientInfo"]["title"] = "x".repeat(65 << 10).into();
    Call::post(&large).by(&alice).send(&mcp).await;
    Call::tool("nonsense").by(&alice).session(&id).send(&mcp).await;
    Call::delete().by(&alice).session(&id).send(&mcp).await;
    tokio::time::sleep(Duration::from_secs(600)).await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("protocol session opened") && log.contains(&tag), "{log}");
    assert!(log.contains("a handshake could not be kept"), "{log}");
    // Ids of ours begin with their kind; a tag does not.
    assert!(!log.contains(&id) && !log.contains("mcp_"), "{log}");
}
