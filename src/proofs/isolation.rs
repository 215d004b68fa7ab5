//! Owners are isolated: nobody reaches another's session.

use super::proving::{Verdict, caught, holds, service};
use crate::actor::new_session::NewSession;
use crate::actor::planted::Bug;
use crate::error::OpenError;
use crate::principal::Principal;
use crate::service::SessionService;

/// Another owner is told that the session is unknown.
fn strangers(_seed: u64, bugs: &[Bug]) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = service(SessionService::builder(), bugs).await;
        let alice = service.owner(&Principal::new("i", "alice"));
        let session = alice.create(NewSession::default()).await.unwrap();
        match service.owner(&Principal::new("i", "bob")).open(session.id().as_str()).await {
            Err(OpenError::Unknown) => Ok("1 stranger told nothing".to_owned()),
            other => Err(format!("a stranger got {other:?}")),
        }
    })
}

#[test]
fn a_stranger_is_told_nothing() {
    holds(|seed| strangers(seed, &[]));
}

#[test]
fn without_the_owner_check_it_fails() {
    caught(1, |seed| strangers(seed, &[Bug::NoOwnerCheck]));
}
