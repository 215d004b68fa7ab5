//! Callers who do everything, much of it wrong, and all that the server tells meanwhile.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Caller, Era, Needles, Raw, Server, Wire, with};

/// Callers at a time.
const THREADS: usize = 4;
/// One caller in so many has a token that is known, or needs none.
const KNOWN: usize = 5;

/// What was told to anybody, and what must not be in it.
#[derive(Default)]
pub(super) struct Told {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) metrics: String,
    /// Errors, with the number of whoever they were told to.
    pub(super) errors: Vec<(usize, String)>,
    /// Tokens and session ids: nowhere at all.
    pub(super) credentials: Needles,
    /// Keys and values: nowhere but in answers to whoever they belong to.
    pub(super) contents: Needles,
}

impl Told {
    /// What is where it must not be.
    pub(super) fn leak(&self) -> Option<String> {
        let told = [("stdout", &self.stdout), ("stderr", &self.stderr), ("metrics", &self.metrics)];
        let told = told.into_iter().map(|(place, text)| (place, text, None));
        let errors = self.errors.iter().map(|(to, text)| ("an error", text, Some(*to)));
        told.chain(errors).find_map(|(place, text, to)| {
            let found = self.credentials.find(text, None).or_else(|| self.contents.find(text, to));
            found.map(|what| format!("{place} holds {what}"))
        })
    }

    /// Keeps an answer that has to be an error, without the asker's own protocol session where the server repeats it.
    #[track_caller]
    fn refused(&mut self, to: usize, own: Option<&str>, mut answer: Answer) {
        answer.headers.retain(|(name, value)| name != "mcp-session-id" || Some(value.as_str()) != own);
        let refused =
            answer.status >= 400 || answer.body.contains(r#""isError":true"#) || answer.body.contains(r#""error":{"#);
        assert!(refused, "{answer:?}");
        self.errors.push((to, format!("{answer:?}")));
    }

    /// Asks for what has to be refused.
    #[track_caller]
    fn refuses(&mut self, to: usize, client: &mut Raw, tool: &str, arguments: Value) {
        let answer = client.answer(tool, arguments).unwrap();
        self.refused(to, client.session.as_deref(), answer);
    }

    fn extend(&mut self, more: Self) {
        self.errors.extend(more.errors);
        self.credentials.extend(more.credentials);
        self.contents.extend(more.contents);
    }
}

/// Runs a server that logs as told, has so many callers at it, stops it, and gives all that it told.
pub(super) fn told(callers: usize, log: &str, tokens: bool) -> Told {
    let (mut all, home) = (Told::default(), tempfile::tempdir().unwrap());
    let callers: Vec<String> = (0..callers).map(|number| all.credentials.secret("a token", number)).collect();
    let auth = if tokens {
        let known = callers.iter().step_by(KNOWN).enumerate();
        let line = |(number, token): (usize, &String)| {
            let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("caller-{number} = \"{hash}\"\n")
        };
        std::fs::write(home.path().join("tokens.toml"), known.map(line).collect::<String>()).unwrap();
        ["--tokens", "tokens.toml"]
    } else {
        ["--auth", "anonymous"]
    };
    let mut server = Server::start_in(home, &[&auth[..], &["--log", log]].concat()).unwrap();
    std::thread::scope(|scope| {
        let size = callers.len().div_ceil(THREADS).next_multiple_of(KNOWN);
        let (parts, running) = (callers.chunks(size).enumerate(), &server);
        let start = |(part, tokens)| scope.spawn(move || several(running, part * size, tokens));
        let threads: Vec<_> = parts.map(start).collect();
        threads.into_iter().for_each(|thread| all.extend(thread.join().unwrap()));
    });
    for path in ["/metrics", "/healthz", "/readyz"] {
        all.metrics += &server.get(path).body;
    }
    server.stop();
    (all.stdout, all.stderr) = (server.stdout(), server.log().text());
    all
}

fn several(server: &Server, first: usize, tokens: &[String]) -> Told {
    let mut told = Told::default();
    let mut before = None;
    for (number, token) in (first..).zip(tokens) {
        if number.is_multiple_of(KNOWN) {
            before = Some(known(server, (number, token), before, &mut told));
        } else {
            wrong(server, (number, token), &mut told);
        }
    }
    told
}

/// Headers, addresses and bodies that nobody should send.
fn wrong(server: &Server, (number, token): (usize, &str), told: &mut Told) {
    let id = told.credentials.secret("an id that nobody minted", number);
    let (mut raw, mut wire) = (Raw::resume(server, None, &id), Wire::new(server.addr()));
    let header = match number % KNOWN {
        1 => format!("Bearer {token}"),
        2 => format!("Basic {token}"),
        3 => token.to_owned(),
        _ => format!("bearer  {token}, Bearer {token}"),
    };
    let headers = [("authorization", header.as_str()), ("last-event-id", &id), ("x-token", token)];
    for method in ["POST", "GET", "DELETE"] {
        told.refused(number, None, raw.send(method, &headers, (method == "POST").then_some("{}")).unwrap());
    }
    let body = format!(r#"{{"jsonrpc": "2.0", "id": "{id}", "token": "{token}""#);
    told.refused(number, None, wire.send("POST", &format!("/mcp?token={token}"), &headers, Some(&body)).unwrap());
    told.refused(number, None, wire.send("GET", &format!("/{token}?session={id}"), &headers, None).unwrap());
}

/// A caller who is let in: what it does, and what it gets wrong in either era. Gives its handle and its protocol session.
fn known(
    server: &Server,
    (number, token): (usize, &str),
    before: Option<(Value, String)>,
    told: &mut Told,
) -> (Value, String) {
    let [key, value, label] = ["a key", "a value", "a label"].map(|what| told.contents.secret(what, number));
    let mut legacy = Raw::connect(server, Era::Legacy, Some(token));
    let handle = legacy.done("create_session", json!({"kind": "cart", "label": label}))["session"].clone();
    let (id, own) = (handle.as_str().unwrap().to_owned(), legacy.session.clone().unwrap());
    told.credentials.plant("a handle", number, &id);
    told.credentials.plant("a protocol session", number, &own);
    legacy.set(&Value::Null, &key, json!(value));
    let foreign = told.credentials.secret("a handle that nobody minted", number);
    let (rest, last) = id.split_at(id.len() - 1);
    let mistyped = format!("{rest}{}", if last == "7" { "z" } else { "7" });
    let (hers, connected) = before.unwrap_or_else(|| (json!(foreign), foreign.clone()));
    for era in Era::BOTH {
        let mut raw = if era == Era::Legacy {
            Raw::resume(server, Some(token), &own)
        } else {
            Raw::connect(server, era, Some(token))
        };
        raw.set(&handle, &key, json!(value));
        assert_eq!(raw.value(&handle, &key), value.as_str());
        for session in [&handle, &hers, &json!(foreign), &json!(mistyped), &json!(id.repeat(9)), &json!([token])] {
            for (tool, arguments) in [
                ("increment_state", json!({"key": key})),
                ("append_state", json!({"key": key, "value": value})),
                ("write_state", json!({"set": [{"key": format!("{key}\n"), "value": value}]})),
                ("merge_state", json!({"patch": value})),
            ] {
                told.refuses(number, &mut raw, tool, with(session, arguments));
            }
            // Where nobody has an identity, whoever has a handle has the session.
            if session != &handle && session != &hers {
                told.refuses(number, &mut raw, "read_state", json!({"session": session, "keys": [key]}));
                told.refuses(number, &mut raw, "close_session", json!({"session": session}));
            }
        }
        told.refuses(number, &mut raw, "read_state", json!({"session": id, "token": token}));
        told.refuses(number, &mut raw, "create_session", json!({"kind": value, "label": [label]}));
    }
    for session in [foreign, mistyped, connected] {
        let mut stranger = Raw::resume(server, Some(token), &session);
        // A tool error at least: its value is text.
        told.refuses(number, &mut stranger, "increment_state", json!({"session": handle, "key": key}));
    }
    legacy.done("close_session", json!({"session": handle}));
    told.refuses(number, &mut legacy, "read_state", json!({"session": handle}));
    let set = json!({"session": handle, "set": [{"key": key, "value": value}]});
    told.refuses(number, &mut legacy, "write_state", set);
    (handle, own)
}
