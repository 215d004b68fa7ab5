//! The tools against a running service, in one process and on paused time.

mod arguments;
mod changes;
mod checker;
mod foreign;
mod once;
mod owners;
mod read;
mod schemas;
mod sessions;
mod wire;
mod write;

use std::time::Duration;

use rmcp::model::CallToolResult;
use serde_json::Value;
use sessile::mcp::Era;
use sessile::{Builder, Caller, Clock, Principal, Session, SessionService};

use super::call::Call;
use super::{Lifetimes, StateServer};

const IDLE: Duration = Duration::from_secs(30 * 60);
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A service, its tools and its clock.
struct World {
    service: SessionService,
    server: StateServer,
    clock: Clock,
}

impl World {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(options: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Clock::system();
        let builder = SessionService::builder().clock(clock.clone()).idle_timeout(IDLE).max_lifetime(MAX);
        let service = options(builder).start().await.unwrap();
        let lifetimes = Lifetimes { idle_timeout: Some(IDLE), max_lifetime: Some(MAX) };
        Self { service, server: StateServer::new(lifetimes, clock.clone()), clock }
    }

    fn caller(&self, caller: &Caller, era: Era, protocol_session: Option<Session>) -> Client<'_> {
        Client { world: self, caller: caller.clone(), era, protocol_session }
    }

    /// Somebody, in the newer era.
    fn client(&self, subject: &str) -> Client<'_> {
        self.caller(&Caller::Principal(Principal::new("test", subject)), Era::Modern, None)
    }

    /// Nobody in particular, in the newer era.
    fn anonymous(&self) -> Client<'_> {
        self.caller(&Caller::Anonymous, Era::Modern, None)
    }
}

/// One caller of the tools.
#[derive(Clone)]
struct Client<'a> {
    world: &'a World,
    caller: Caller,
    era: Era,
    protocol_session: Option<Session>,
}

/// What a tool execution error said.
#[derive(Debug, PartialEq)]
struct Refusal {
    code: String,
    message: String,
    error: Value,
}

impl Client<'_> {
    fn call(&self) -> Call {
        Call {
            owner: self.world.service.caller(&self.caller),
            era: self.era,
            protocol_session: self.protocol_session.clone(),
            now: self.world.clock.now(),
        }
    }

    /// The whole result, checked against everything that holds for every result.
    async fn result(&self, tool: &str, arguments: Value) -> CallToolResult {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let result = self.world.server.run(tool, Some(arguments), &self.call()).await.expect("the tool is there");
        let texts: Vec<&str> = result.content.iter().map(|block| block.as_text().unwrap().text.as_str()).collect();
        if result.is_error == Some(true) {
            assert_eq!(result.structured_content, None, "errors have no structured content");
            let json: Value = serde_json::from_str(texts[1]).unwrap();
            assert_eq!(json["error"]["message"], texts[0]);
        } else {
            let structured = result.structured_content.as_ref().expect("an answer is structured");
            assert_eq!(serde_json::from_str::<Value>(texts[0]).unwrap(), *structured);
            let schema = self.world.server.tool(tool).unwrap().output_schema.clone().unwrap();
            let problems = checker::check(&Value::Object((*schema).clone()), structured);
            assert!(problems.is_empty(), "{tool}: {problems:?} in {structured}");
        }
        result
    }

    async fn ok(&self, tool: &str, arguments: Value) -> Value {
        let result = self.result(tool, arguments).await;
        assert_eq!(result.is_error, Some(false), "{:?}", result.content);
        result.structured_content.unwrap()
    }

    async fn refused(&self, tool: &str, arguments: Value) -> Refusal {
        let result = self.result(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{:?}", result.structured_content);
        let text = |index: usize| result.content[index].as_text().unwrap().text.clone();
        let error = serde_json::from_str::<Value>(&text(1)).unwrap()["error"].clone();
        Refusal { code: error["code"].as_str().unwrap().to_owned(), message: text(0), error }
    }

    /// A new session's handle.
    async fn session(&self) -> String {
        let made = self.ok("create_session", serde_json::json!({})).await;
        made["session"].as_str().unwrap().to_owned()
    }
}
