//! Tasks: whose they are, what ends them, and what a restart leaves.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sessile::mcp::{TASK_KIND, TaskOptions};
use sessile::{Caller, Durability, ListQuery, NewSession, Principal, SessionService};

use crate::client::{service, somebody};
use crate::task_server::Server;

async fn at_commit(folder: &Path) -> SessionService {
    SessionService::builder().snapshots(folder.to_owned()).durability(Durability::Commit).start().await.unwrap()
}

async fn server() -> (SessionService, Server) {
    let service = service().await;
    let server = Server::on(&service, TaskOptions::default());
    (service, server)
}

#[tokio::test(start_paused = true)]
async fn a_task_is_there_before_its_answer_and_its_result_is_what_the_tool_returned() {
    let ((service, server), alice) = (server().await, somebody("alice"));
    let answer = server.tool(&alice, "stubborn", json!({})).await["result"].clone();
    let id = answer["taskId"].as_str().unwrap();
    assert_eq!((&answer["resultType"], &answer["status"]), (&json!("task"), &json!("working")));
    assert_eq!((&answer["ttlMs"], &answer["pollIntervalMs"]), (&json!(300_000), &json!(1_000)));
    assert_eq!(answer["statusMessage"], "begun");
    assert!(answer["createdAt"].as_str().unwrap().ends_with('Z'), "{answer}");
    let first = server.get(&alice, id).await;
    for field in ["taskId", "status", "createdAt", "ttlMs", "statusMessage"] {
        assert_eq!(first[field], answer[field]);
    }
    // What a client lists of its own tasks.
    let page = service.owner(&Principal::new("https://id.example", "alice"));
    let page = page.list(&ListQuery::default().kind(TASK_KIND)).await.unwrap();
    assert_eq!(page.sessions[0].id.as_ref().unwrap().as_str(), id);
    assert_eq!(page.sessions[0].metadata.label.as_deref(), Some("stubborn"));

    server.bench.release.add_permits(1);
    let ended = server.status(&alice, id, "completed").await;
    assert_eq!(ended["result"]["structuredContent"], json!({"cancelled": false}));
    assert_eq!(ended["resultType"], "complete");
    // What has ended is told nothing any more.
    assert_eq!(server.cancel(&alice, id).await.message()["result"]["resultType"], "complete");
    assert_eq!(server.get(&alice, id).await, ended);

    let id = server.begin(&alice, "error", json!({})).await;
    let failed = server.status(&alice, &id, "failed").await;
    assert_eq!(failed["error"], json!({"code": -32602, "message": "no such thing", "data": {"thing": 7}}));
}

#[tokio::test]
async fn results_survive_a_restart_and_what_ran_is_called_interrupted() {
    let (folder, alice) = (tempfile::tempdir().unwrap(), somebody("alice"));
    let service = at_commit(folder.path()).await;
    let server = Server::on(&service, TaskOptions::default());
    let mut ids = Vec::new();
    for who in [&alice, &Caller::Anonymous] {
        let done = server.begin(who, "large", json!({"bytes": 100})).await;
        let result = server.status(who, &done, "completed").await;
        let runs = server.begin(who, "stubborn", json!({})).await;
        let asks = server.begin(who, "ask", json!({"keys": ["one"]})).await;
        server.status(who, &asks, "input_required").await;
        ids.push((who, done, result, runs, asks));
    }
    // As a kill leaves it: no drain.
    let started = server.bench.clone();
    drop((server, service));

    for restart in 0..2 {
        let service = at_commit(folder.path()).await;
        let server = Server::on(&service, TaskOptions::default());
        for (who, done, result, runs, asks) in &ids {
            assert_eq!(server.get(who, done).await, *result);
            // Whatever is asked first finds it out.
            if restart == 0 {
                assert!(server.cancel(who, runs).await.message()["result"].is_object());
                assert!(server.update(who, asks, json!({"one": {}})).await.message()["result"].is_object());
            }
            for id in [runs, asks] {
                let cut = server.get(who, id).await;
                assert_eq!(cut["status"], "failed", "{cut}");
                assert_eq!(cut["error"]["data"], json!({"interrupted": true}));
                assert!(cut["error"]["message"].as_str().unwrap().contains("call the tool again"));
                assert!(cut.get("inputRequests").is_none());
            }
        }
        drop((server, service));
    }
    drop(started);
}

/// Every request about a task, as who.
async fn all_about(server: &Server, who: &Caller, id: &str) -> [Vec<u8>; 3] {
    let answers =
        [server.get_raw(who, id).await, server.update(who, id, json!({"one": {}})).await, server.cancel(who, id).await];
    answers.map(|answer| {
        assert_eq!(answer.message()["error"]["code"], -32602, "{answer:?}");
        answer.body.to_vec()
    })
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_task_and_what_is_over_are_unknown_to_the_byte() {
    let ((service, server), alice, bob) = (server().await, somebody("alice"), somebody("bob"));
    let hers = server.begin(&alice, "ask", json!({"keys": ["one"]})).await;
    server.status(&alice, &hers, "input_required").await;
    let nobodys = server.begin(&Caller::Anonymous, "stubborn", json!({})).await;
    let never = all_about(&server, &bob, "task_that_never_was").await;
    for (who, id) in [(&bob, &hers), (&Caller::Anonymous, &hers), (&bob, &nobodys), (&alice, &nobodys)] {
        assert_eq!(all_about(&server, who, id).await, never);
    }
    // A session of hers that is no task, and one of the kind that holds none.
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    let cart = owner.create(NewSession::of_kind("cart").unwrap()).await.unwrap();
    let empty = owner.create(NewSession::of_kind(TASK_KIND).unwrap()).await.unwrap();
    empty.set("task", "working").await.unwrap();
    // What could be a task, in a session that is for something else.
    cart.set("task", &json!({"status": "working", "updated_at": 0, "poll_interval_ms": 1})).await.unwrap();
    let mistyped = format!("{}{}", &hers[..hers.len() - 1], if hers.ends_with('x') { 'y' } else { 'x' });
    for id in [cart.id().as_str(), empty.id().as_str(), &mistyped, "no id at all", ""] {
        assert_eq!(all_about(&server, &alice, id).await, never, "{id}");
    }
    // Nobody else's word counted.
    assert_eq!(server.get(&alice, &hers).await["status"], "input_required");
    let closed = server.begin(&alice, "stubborn", json!({})).await;
    owner.open(&closed).await.unwrap().close().await.unwrap();
    assert_eq!(all_about(&server, &alice, &closed).await, never);
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(all_about(&server, &alice, &hers).await, never);
    assert_eq!(all_about(&server, &Caller::Anonymous, &nobodys).await, never);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_input_is_answered_once_and_its_key_used_once() {
    let ((_service, server), alice) = (server().await, somebody("alice"));
    let id = server.begin(&alice, "ask", json!({"keys": ["one", "two", "one"]})).await;
    let asked = server.status(&alice, &id, "input_required").await;
    assert_eq!(asked["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["one"]);
    assert_eq!(asked["inputRequests"]["one"]["params"]["message"], "Which one?");
    // What is not outstanding is ignored, what is beside it counts.
    for responses in [json!({"two": {"n": 9}}), json!({}), json!({"": 1, "task": 1, "\u{0}": 1})] {
        assert!(server.update(&alice, &id, responses).await.message()["result"].is_object());
    }
    assert_eq!(server.get(&alice, &id).await["status"], "input_required");
    server.update(&alice, &id, json!({"one": {"n": 1}, "two": {"n": 8}})).await;
    let asked = server.until(&alice, &id, |task| task["inputRequests"]["two"].is_object()).await;
    assert_eq!(asked["inputRequests"].as_object().unwrap().len(), 1);
    server.update(&alice, &id, json!({"one": {"n": 7}})).await;
    server.update(&alice, &id, json!({"two": {"n": 2}})).await;
    // The third is the first again.
    let failed = server.status(&alice, &id, "failed").await;
    assert!(failed["error"]["message"].as_str().unwrap().contains("once"), "{failed}");

    let id = server.begin(&alice, "ask", json!({"keys": ["one"]})).await;
    server.status(&alice, &id, "input_required").await;
    let mut all = tokio::task::JoinSet::new();
    for n in 0..64 {
        let (server, alice, id) = (server.clone(), alice.clone(), id.clone());
        all.spawn(async move { server.update(&alice, &id, json!({"one": {"n": n}})).await.message() });
    }
    for answer in all.join_all().await {
        assert!(answer["result"].is_object(), "{answer}");
    }
    let done = server.status(&alice, &id, "completed").await;
    assert_eq!(done["result"]["structuredContent"]["answers"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_input_that_nobody_waits_for_is_taken_back() {
    let ((_service, server), alice) = (server().await, somebody("alice"));
    let id = server.begin(&alice, "fickle", json!({})).await;
    server.status(&alice, &id, "input_required").await;
    server.bench.release.add_permits(1);
    server.bench.begins().await;
    assert!(server.status(&alice, &id, "working").await.get("inputRequests").is_none());
    server.bench.release.add_permits(1);
    server.status(&alice, &id, "completed").await;
}

#[tokio::test(start_paused = true)]
async fn cancelling_asks_the_work_to_stop_and_the_work_says_how_it_ended() {
    let ((_service, server), alice) = (server().await, somebody("alice"));
    let ids = [
        server.begin(&alice, "polite", json!({})).await,
        server.begin(&alice, "stubborn", json!({})).await,
        server.begin(&alice, "ask", json!({"keys": ["one"]})).await,
    ];
    server.status(&alice, &ids[2], "input_required").await;
    for id in &ids {
        assert_eq!(server.cancel(&alice, id).await.message()["result"]["resultType"], "complete");
        // Nothing is asked of anybody from here on.
        assert!(server.get(&alice, id).await.get("inputRequests").is_none());
    }
    // One that goes on after its question was taken from it.
    let asks = server.begin(&alice, "fickle", json!({})).await;
    server.status(&alice, &asks, "input_required").await;
    server.cancel(&alice, &asks).await;
    assert_eq!(server.get(&alice, &asks).await["status"], "working");
    assert!(server.get(&alice, &asks).await.get("inputRequests").is_none());
    server.status(&alice, &ids[0], "cancelled").await;
    server.status(&alice, &ids[2], "cancelled").await;
    assert_eq!(server.get(&alice, &ids[1]).await["status"], "working");
    server.bench.release.add_permits(1);
    let done = server.status(&alice, &ids[1], "completed").await;
    assert_eq!(done["result"]["structuredContent"], json!({"cancelled": true}));
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_result_that_does_not_fit_are_failures_that_say_so() {
    let (alice, options) = (somebody("alice"), TaskOptions::default().max_running(1));
    let service = SessionService::builder().max_owner_bytes(20_000_u64).start().await.unwrap();
    let server = Server::on(&service, options);
    // Each finds the one place free that the one before it had.
    let id = server.begin(&alice, "panic", json!({})).await;
    let failed = server.status(&alice, &id, "failed").await;
    assert_eq!(failed["error"], json!({"code": -32603, "message": "the tool panicked; its result is lost"}));
    // More than a value may have.
    free(&server).await;
    let id = server.begin(&alice, "large", json!({"bytes": 300_000})).await;
    let failed = server.status(&alice, &id, "failed").await;
    let told = failed["error"]["message"].as_str().unwrap();
    assert!(told.contains("cannot be kept") && told.contains("bytes of one value"), "{told}");
    // More than its owner has left, when that is nothing at all: there is room to say so.
    free(&server).await;
    let id = server.begin(&alice, "large", json!({"bytes": 2_000, "wait": true})).await;
    server.bench.begins().await;
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    let cart = owner.create(NewSession::of_kind("cart").unwrap()).await.unwrap();
    for bytes in (0..15).rev().map(|bits| 1_usize << bits).chain([1; 8]) {
        let filler = "x".repeat(bytes);
        let filled = cart.update(move |draft| {
            let all: String = draft.get("f")?.unwrap_or_default();
            draft.set("f", &format!("{all}{filler}"))
        });
        let _ = filled.await;
    }
    server.bench.release.add_permits(1);
    let failed = server.status(&alice, &id, "failed").await;
    let told = failed["error"]["message"].as_str().unwrap();
    assert!(told.contains("cannot be kept") && told.contains("bytes of one owner"), "{told}");
    assert!(cart.set("g", &"x".repeat(1_000)).await.is_err(), "nothing was left");
}

/// Returns once no task runs.
async fn free(server: &Server) {
    running(server, 0).await;
}

/// Returns once no more tasks run than so many.
async fn running(server: &Server, most: usize) {
    let started = std::time::Instant::now();
    while server.tasks.running() > most {
        assert!(started.elapsed() < Duration::from_secs(60), "{} run", server.tasks.running());
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_counts_from_the_creation_and_takes_the_work_with_it() {
    let ((service, server), alice) = (server().await, somebody("alice"));
    let id = server.begin(&alice, "stubborn", json!({"ttl": 10})).await;
    server.bench.begins().await;
    assert_eq!(server.get(&alice, &id).await["ttlMs"], 10_000);
    tokio::time::advance(Duration::from_millis(9_900)).await;
    assert_eq!(server.get(&alice, &id).await["status"], "working");
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(server.get_raw(&alice, &id).await.message()["error"]["code"], -32602);
    // The work hears of it, and is let go though it does not listen.
    tokio::time::timeout(Duration::from_secs(3), gone(&server, 1)).await.unwrap();
    // More than a task may have, and more than the service lets a session have: the lesser of both.
    let id = server.begin(&alice, "stubborn", json!({"ttl": 1_000_000})).await;
    assert_eq!(server.get(&alice, &id).await["ttlMs"], 86_400_000);
    // The idle timeout of sessions is none of a task's.
    tokio::time::advance(Duration::from_secs(40_000)).await;
    assert_eq!(server.get(&alice, &id).await["status"], "working");
    // An owner that closes its task's session stops it.
    let owner = service.owner(&Principal::new("https://id.example", "alice"));
    owner.close_all().await.unwrap();
    tokio::time::timeout(Duration::from_secs(3), gone(&server, 2)).await.unwrap();
}

/// Returns once so many works were let go; time passes where it is paused.
async fn gone(server: &Server, works: usize) {
    while server.bench.gone.load(std::sync::atomic::Ordering::SeqCst) < works {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_drain_tells_tasks_to_stop_and_writes_down_what_it_cut_off() {
    let (folder, alice) = (tempfile::tempdir().unwrap(), somebody("alice"));
    let service = at_commit(folder.path()).await;
    let server = Server::on(&service, TaskOptions::default());
    let polite = server.begin(&alice, "polite", json!({})).await;
    assert!(server.tasks.drain(Duration::from_secs(30)).await);
    let refused = server.tool(&alice, "polite", json!({})).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("shutting down"), "{refused}");
    drop((server, service));

    let service = at_commit(folder.path()).await;
    let server = Server::on(&service, TaskOptions::default());
    assert_eq!(server.get(&alice, &polite).await["status"], "cancelled");
    let stubborn = server.begin(&alice, "stubborn", json!({})).await;
    server.bench.begins().await;
    assert!(!server.tasks.drain(Duration::from_millis(1)).await);
    let cut = server.get(&alice, &stubborn).await;
    assert_eq!((&cut["status"], &cut["error"]["data"]), (&json!("failed"), &json!({"interrupted": true})));
    server.bench.have_gone(1).await;
    assert!(cut["error"]["message"].as_str().unwrap().contains("stop of the server"));
    service.drain().await.unwrap();
    drop((server, service));
    let server = Server::on(&at_commit(folder.path()).await, TaskOptions::default());
    assert_eq!(server.get(&alice, &stubborn).await, cut);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_status_messages_are_few_commits_and_the_last_one_counts() {
    let ((service, server), alice) = (server().await, somebody("alice"));
    let id = server.begin(&alice, "chatty", json!({})).await;
    server.bench.begins().await;
    let session = service.owner(&Principal::new("https://id.example", "alice")).open(&id).await.unwrap();
    let revision = || session.info().unwrap().revision.get();
    assert!(revision() <= 3, "{} commits at once", revision());
    // The next second brings the last one.
    tokio::time::advance(Duration::from_millis(1_100)).await;
    server.until(&alice, &id, |task| task["statusMessage"] == "1000 of 1000").await;
    assert!(revision() <= 4, "{} commits in two seconds", revision());
    server.bench.release.add_permits(1);
    assert_eq!(server.status(&alice, &id, "completed").await["statusMessage"], "1000 of 1000");
}

#[tokio::test(start_paused = true)]
async fn no_more_tasks_run_than_may_and_one_owner_leaves_places_to_others() {
    let (service, alice, bob) = (service().await, somebody("alice"), somebody("bob"));
    let server = Server::on(&service, TaskOptions::default().max_running(3).max_running_per_owner(2));
    let told = |message: &Value| message["error"]["message"].as_str().unwrap_or_default().to_owned();
    for _ in 0..2 {
        server.begin(&alice, "stubborn", json!({})).await;
    }
    assert!(told(&server.tool(&alice, "stubborn", json!({})).await).contains("tasks of yours"));
    server.begin(&bob, "stubborn", json!({})).await;
    assert!(told(&server.tool(&Caller::Anonymous, "stubborn", json!({})).await).contains("too many tasks are running"));
    server.bench.release.add_permits(1);
    server.bench.have_gone(1).await;
    running(&server, 2).await;
    server.begin(&Caller::Anonymous, "stubborn", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_drained_first_cuts_off_what_runs() {
    let ((service, server), alice) = (server().await, somebody("alice"));
    let ids = [server.begin(&alice, "stubborn", json!({})).await, server.begin(&alice, "polite", json!({})).await];
    service.drain().await.unwrap();
    // They are told, and have time to go, but nothing can be written any more.
    tokio::time::timeout(Duration::from_secs(3), gone(&server, 2)).await.unwrap();
    free(&server).await;
    for id in &ids {
        assert_eq!(server.get(&alice, id).await["error"]["data"], json!({"interrupted": true}));
        assert!(server.cancel(&alice, id).await.message()["result"].is_object());
    }
}
