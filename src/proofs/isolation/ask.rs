//! One road, asked once, and what came of it in words that two services can be compared by.

use std::fmt::{Debug, Display};
use std::time::Duration;

use super::cursor_text;
use crate::actor::new_session::NewSession;
use crate::error::{Revision, UpdateError};
use crate::owner::{Cursor, ListQuery};
use crate::principal::Caller;
use crate::service::{CallerOwner, SessionService};
use crate::session::Session;
use crate::state::Ttl;

/// What a stranger knows of somebody's sessions: a minted id, a chosen one, the bucket's, an anonymous one; a name, and
/// a place in a list.
pub(super) struct Target {
    pub(super) ids: [String; 4],
    pub(super) name: String,
    pub(super) cursor: Cursor,
}

/// Every answer to this caller by this road.
pub(super) async fn ask(
    service: &SessionService,
    caller: &Caller,
    file: &str,
    name: &str,
    target: &Target,
) -> Vec<String> {
    let named = NewSession::default().name(target.name.as_str());
    match (service.caller(caller), file, name) {
        (CallerOwner::Owner(owner), "owner.rs", route) => match route {
            "create" => vec![shown(owner.create(named).await)],
            "create_with_id" => {
                let mut answers = Vec::new();
                for id in &target.ids {
                    answers.push(shown(owner.create_with_id(id, NewSession::default()).await));
                }
                answers
            }
            "get_or_create" => vec![both(owner.get_or_create(&target.name).await)],
            "get_or_create_with" => vec![both(owner.get_or_create_with(named).await)],
            "open" => {
                let mut answers = Vec::new();
                for id in &target.ids {
                    answers.push(shown(owner.open(id).await));
                }
                answers
            }
            "bucket" => vec![shown(owner.bucket().await)],
            "list" => {
                let mut answers = Vec::new();
                let query = ListQuery::default;
                for query in [query(), query().kind("cart"), query().cursor(cursor_text(target.cursor))] {
                    let page = owner.list(&query).await.unwrap();
                    answers.extend(page.sessions.iter().map(|info| {
                        let (name, label) = (&info.name, &info.metadata.label);
                        format!("{} {name:?} {label:?} {} {}", info.kind, info.revision, info.entries)
                    }));
                    answers.push(format!("{} of them, more: {}", page.sessions.len(), page.next.is_some()));
                }
                answers
            }
            "close_all" => vec![format!("{:?}", owner.close_all().await)],
            _ => panic!("{file} {name} is said to be asked, and is not: ask it here"),
        },
        (CallerOwner::Anonymous(owner), "owner/anonymous.rs", route) => match route {
            "create" => vec![shown(owner.create(named).await)],
            "open" => {
                let mut answers = Vec::new();
                // Whoever holds the id of an anonymous session is no stranger to it.
                for id in &target.ids[..3] {
                    answers.push(shown(owner.open(id).await));
                }
                answers
            }
            _ => panic!("{file} {name} is said to be asked, and is not: ask it here"),
        },
        // This caller has no such road.
        _ => Vec::new(),
    }
}

/// The answer of a session that has ended, by one road.
pub(super) async fn held(file: &str, name: &str, session: &Session) -> String {
    let keep = |draft: &mut crate::state::Draft| draft.set("k", &1);
    let key = crate::state::IdempotencyKey::new("one").unwrap();
    let event = "1-00000000-00000000000000000000000000000000".parse().unwrap();
    let merge = serde_json::json!({"k": 1});
    match (file, name) {
        ("session.rs", "read") => told(session.read().map(|_| ())),
        ("session.rs", "get") => told(session.get::<u8>("k")),
        ("session.rs", "refresh") => told(session.refresh().await.map(|_| ())),
        ("session.rs", "update") => told(session.update(keep).await),
        ("session.rs", "update_if") => told(session.update_if(Revision::ZERO, keep).await),
        ("session.rs", "try_update") => told(session.try_update(keep).await),
        ("session.rs", "update_blocking") => told(session.update_blocking(keep).await),
        ("session.rs", "touch") => told(session.touch()),
        ("session.rs", "extend") => told(session.extend(Duration::from_secs(1)).await),
        ("session.rs", "describe") => told(session.describe(|_| ()).await),
        ("session.rs", "close") => format!("{:?}", session.close().await),
        ("session.rs", "info") => told(session.info().map(|_| ())),
        ("session/events.rs", "append") => {
            told(session.events().append("s", &crate::state::Json::of(&1).unwrap()).await)
        }
        ("session/events.rs", "position") => told(session.events().position("s").await),
        ("session/events.rs", "replay_after") => told(session.events().replay_after("s", &event).await),
        ("session/events.rs", "recent") => told(session.events().recent("s", 1).await),
        ("session/events.rs", "trim_before") => told(session.events().trim_before("s", &event).await),
        ("session/once.rs", "update_once") => told(session.update_once(key, keep).await),
        ("session/once.rs", "update_once_if") => told(session.update_once_if(key, Revision::ZERO, keep).await),
        ("session/once.rs", "outcome") => told(session.outcome(key)),
        ("session/operations.rs", "set") => told(session.set("k", &1).await),
        ("session/operations.rs", "set_with") => told(session.set_with("k", &1, Ttl::Never).await),
        ("session/operations.rs", "remove") => told(session.remove("k").await),
        ("session/operations.rs", "increment") => told(session.increment("k", 1).await),
        ("session/operations.rs", "append") => told(session.append("k", &1).await),
        ("session/operations.rs", "merge_patch") => told(session.merge_patch(merge).await),
        ("session/operations.rs", "json_patch") => told(session.json_patch(serde_json::json!([])).await),
        ("session/operations.rs", "clear") => told(session.clear().await),
        ("session/typed.rs", "read") => told(session.state::<serde_json::Value>().read()),
        ("session/typed.rs", "update") => {
            let updated: Result<_, UpdateError> = session.state::<serde_json::Value>().update(|_| ()).await;
            told(updated)
        }
        _ => panic!("{file} {name} is said to need a session, and is not tried: try it here"),
    }
}

fn told<T: Debug, E: Debug + Display>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}

/// A session in words that hold no minted id.
fn shown<E: Debug + Display>(result: Result<Session, E>) -> String {
    told(result.map(|session| {
        let id = session.id().as_str();
        let id = if id.contains('_') { "minted" } else { id };
        let view = session.read().map(|view| (view.revision(), view.len()));
        format!("{id} {} {:?} {view:?}", session.kind(), session.name())
    }))
}

fn both<E: Debug + Display>(result: Result<(Session, bool), E>) -> String {
    match result {
        Ok((session, created)) => format!("{} {created}", shown::<std::fmt::Error>(Ok(session))),
        Err(error) => shown(Err(error)),
    }
}
