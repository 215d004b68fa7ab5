//! MCP by hand, in both eras: what a test needs to see every byte of.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{Answer, Caller, Reply, Server, Wire};

/// Where the ids of the next resumed connection begin.
static RESUMED: AtomicU64 = AtomicU64::new(1_000_000);

/// The two ways to speak MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// `initialize` and `Mcp-Session-Id`.
    Legacy,
    /// Every request stands alone.
    Modern,
}

impl Era {
    pub(crate) const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];

    const fn version(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }
}

/// One caller.
pub(crate) struct Raw {
    wire: Wire,
    era: Era,
    token: Option<String>,
    /// The protocol session; sent in either era, since a modern request may try.
    pub(crate) session: Option<String>,
    id: u64,
}

impl Raw {
    /// Connects: in the older era with the whole handshake.
    #[track_caller]
    pub(crate) fn connect(server: &Server, era: Era, token: Option<&str>) -> Self {
        let mut raw = Self { wire: Wire::new(server.addr()), era, token: token.map(Into::into), session: None, id: 0 };
        if era == Era::Legacy {
            let hello = raw.initialize();
            assert_eq!(hello.status, 200, "{hello:?}");
            raw.session = Some(hello.header("mcp-session-id").unwrap().to_owned());
            let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
            let ready = raw.send("POST", &[], Some(&ready)).unwrap();
            assert_eq!(ready.status, 202, "{ready:?}");
        }
        raw
    }

    /// Goes on with a protocol session that another made. Ids of requests must not meet in one session.
    pub(crate) fn resume(server: &Server, token: Option<&str>, session: &str) -> Self {
        let (mut wire, token) = (Wire::new(server.addr()), token.map(Into::into));
        wire.connect().unwrap();
        let id = RESUMED.fetch_add(1_000, Ordering::Relaxed);
        Self { wire, era: Era::Legacy, token, session: Some(session.to_owned()), id }
    }

    fn initialize(&mut self) -> Answer {
        let client = json!({"name": "raw", "version": "1"});
        let params = json!({"protocolVersion": self.era.version(), "capabilities": {}, "clientInfo": client});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
        self.send("POST", &[], Some(&body)).unwrap()
    }

    /// Sends one message as it is, with the headers of the era.
    pub(crate) fn send(
        &mut self,
        method: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> std::io::Result<Answer> {
        let accept = if method == "GET" { "text/event-stream" } else { "application/json, text/event-stream" };
        let token = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut all = vec![("accept", accept)];
        all.extend(token.as_deref().map(|token| ("authorization", token)));
        all.extend(self.session.as_deref().map(|session| ("mcp-session-id", session)));
        if self.era == Era::Modern || self.session.is_some() {
            all.push(("mcp-protocol-version", self.era.version()));
        }
        all.extend_from_slice(headers);
        self.wire.send(method, "/mcp", &all, body)
    }

    /// Sends one request and gives the whole answer.
    pub(crate) fn ask(&mut self, method: &str, mut params: Value) -> std::io::Result<Answer> {
        self.id += 1;
        let name = params["name"].as_str().map(str::to_owned);
        let mut headers = Vec::new();
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.era.version(),
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
            });
            headers.push(("mcp-method", method));
            headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        }
        let body = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}).to_string();
        self.send("POST", &headers, Some(&body))
    }

    /// Calls a tool and gives the whole answer.
    pub(crate) fn answer(&mut self, tool: &str, arguments: Value) -> std::io::Result<Answer> {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// The result in an answer to the last request, whether it came as JSON or as an event.
    pub(crate) fn result(&self, answer: &Answer) -> Result<Value, String> {
        let stream = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let events = answer.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let texts: Vec<&str> = if stream { events.collect() } else { vec![answer.body.as_str()] };
        let messages = texts.into_iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let mine = messages.into_iter().find(|message| message["id"] == self.id);
        match mine {
            Some(message) if answer.status == 200 && message.get("result").is_some() => Ok(message["result"].clone()),
            _ => Err(format!("{answer:?}")),
        }
    }
}

impl Caller for Raw {
    fn try_call(&mut self, tool: &str, arguments: Value) -> Result<Reply, String> {
        let answer = self.answer(tool, arguments).map_err(|error| error.to_string())?;
        self.result(&answer).map(|result| Reply::of(&result))
    }
}
