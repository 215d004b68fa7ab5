//! The official clients, one process for each client and era.

use serde_json::{Value, json};

use super::{Caller, Reply, Server, skip};
use crate::clients::{self, ClientKind, Driver};

/// A client object that outlives the server it talks to.
pub(crate) struct Official {
    driver: Driver,
    pub(crate) kind: ClientKind,
    pub(crate) era: &'static str,
}

impl Official {
    /// One of each client and era that this machine can run.
    pub(crate) fn all() -> Vec<Self> {
        let kinds = ClientKind::ALL.into_iter();
        kinds.flat_map(|kind| kind.eras().iter().filter_map(move |era| Self::of(kind, era))).collect()
    }

    /// One client; `None`, loudly, where it cannot run here.
    pub(crate) fn of(kind: ClientKind, era: &'static str) -> Option<Self> {
        let driver = clients::driver(kind);
        if driver.is_none() {
            skip(&format!("{kind:?} in era {era} cannot run here"));
        }
        driver.map(|driver| Self { driver, kind, era })
    }

    /// Which one it is: a key of its own.
    pub(crate) fn name(&self) -> String {
        format!("{:?}-{}", self.kind, self.era)
    }

    pub(crate) fn is_legacy(&self) -> bool {
        self.era == "legacy"
    }

    /// Connects a new client object; gives what the server said.
    #[track_caller]
    pub(crate) fn connect(&mut self, server: &Server, token: Option<&str>) -> Value {
        let mut command = json!({"op": "connect", "url": server.url(), "era": self.era});
        if let Some(token) = token {
            command["headers"] = json!({"Authorization": format!("Bearer {token}")});
        }
        let hello = self.request(command);
        assert_eq!(hello["ok"], true, "{}: {hello}", self.name());
        hello
    }

    pub(crate) fn request(&mut self, command: Value) -> Value {
        self.driver.request(command)
    }

    /// The tools as the client hands them out.
    #[track_caller]
    pub(crate) fn tools(&mut self) -> Value {
        let answer = self.request(json!({"op": "tools"}));
        assert_eq!(answer["ok"], true, "{}: {answer}", self.name());
        answer["tools"].clone()
    }
}

impl Caller for Official {
    fn try_call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String> {
        let answer = self.request(json!({"op": "call", "name": tool, "arguments": arguments}));
        match answer["ok"].as_bool() {
            Some(true) => Ok(Reply {
                is_error: answer["is_error"].as_bool().unwrap(),
                structured: answer["structured"].clone(),
                content: answer["content"].clone(),
            }),
            _ => Err(format!("{}: {answer}", self.name())),
        }
    }
}
