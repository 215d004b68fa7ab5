//! Events of streams as clients see them: their ids, and messages as a log keeps them.

use std::time::Duration;

use rmcp::model::{
    CustomNotification, CustomRequest, CustomResult, RequestId, ServerJsonRpcMessage, ServerNotification,
    ServerRequest, ServerResult,
};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use serde_json::{Value, json};

use crate::state::{Event, EventId, Gap, Json};

/// The stream that a GET opens, in the log of its session.
pub(super) const STANDALONE: &str = "mcp/get";
/// What the name of each call's stream begins with. Whatever else an author logs there, no client is replayed it.
const OF_CALLS: &str = "mcp/post/";
/// How long a client that lost its connection waits before it comes back, as rmcp tells it by default.
const RETRY: Duration = Duration::from_secs(3);

/// A name for the stream of one call. Ids of calls come again, so it is of random digits.
pub(super) fn stream_of_a_call() -> Option<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).ok()?;
    Some(format!("{OF_CALLS}{:016x}", u64::from_be_bytes(random)))
}

/// What a client sends back as `Last-Event-ID`: the id says nothing of its stream, so the name goes with it.
fn spelled(stream: &str, id: &EventId) -> String {
    format!("{stream}/{id}")
}

/// The stream and the event that a `Last-Event-ID` names; none where it is not of our making.
pub(super) fn named(last_event_id: &str) -> Option<(&str, EventId)> {
    let (stream, id) = last_event_id.rsplit_once('/')?;
    let ours = stream == STANDALONE || stream.starts_with(OF_CALLS);
    Some((stream, id.parse().ok().filter(|_| ours)?))
}

/// The first event of a stream: nothing is said yet, and this is where a resume begins.
pub(super) fn priming(stream: &str, at: &EventId) -> ServerSseMessage {
    ServerSseMessage::priming(spelled(stream, at), RETRY)
}

/// The first event of a stream that gives out no ids.
pub(super) fn priming_without_id() -> ServerSseMessage {
    ServerSseMessage::retry(RETRY)
}

/// A message on its way to its client; without an id where no log holds it.
pub(super) fn sent(
    stream: &str,
    id: Option<&EventId>,
    message: std::sync::Arc<ServerJsonRpcMessage>,
) -> ServerSseMessage {
    let mut event = ServerSseMessage::default();
    event.event_id = id.map(|id| spelled(stream, id));
    event.message = Some(message);
    event
}

/// An event out of the log.
pub(super) fn replayed(stream: &str, event: &Event) -> ServerSseMessage {
    let message = message(&event.payload).unwrap_or_else(|| missing(Some(1)));
    sent(stream, Some(&event.id), message.into())
}

/// That events may be missing here. It has no id: until the next event a resume begins where this one did.
pub(super) fn gap(gap: Gap) -> ServerSseMessage {
    ServerSseMessage::from_message(missing(gap.at_most))
}

/// That nobody knows what is missing here.
pub(super) fn unknown_gap() -> ServerSseMessage {
    ServerSseMessage::from_message(missing(None))
}

/// What stands in a log for a message that does not fit in: a message is an object.
pub(super) fn unlogged() -> Option<Json> {
    Json::of(&Value::Null).ok()
}

/// A log message, the one thing that every client of the older era can show.
fn missing(at_most: Option<u64>) -> ServerJsonRpcMessage {
    let told = "events of this stream may be missing here, which are kept no longer: read again what you need to know";
    let data = json!({ "message": told, "missing": { "atMost": at_most } });
    let params = json!({ "level": "warning", "logger": "sessile", "data": data });
    let notification = CustomNotification::new("notifications/message", Some(params));
    ServerJsonRpcMessage::notification(ServerNotification::CustomNotification(notification))
}

/// A message as it was, to the last member. rmcp's own types would read some results as others and drop what those lack.
fn message(payload: &Json) -> Option<ServerJsonRpcMessage> {
    let Ok(Value::Object(mut members)) = payload.to() else { return None };
    let id = match members.remove("id") {
        Some(id) => Some(serde_json::from_value::<RequestId>(id).ok()?),
        None => None,
    };
    if let Some(method) = members.remove("method") {
        let (method, params) = (method.as_str()?.to_owned(), members.remove("params"));
        return Some(match id {
            Some(id) => ServerJsonRpcMessage::request(request(method, params)?, id),
            None => ServerJsonRpcMessage::notification(notification(method, params)?),
        });
    }
    if let Some(result) = members.remove("result") {
        return Some(ServerJsonRpcMessage::response(ServerResult::CustomResult(CustomResult(result)), id?));
    }
    let error = serde_json::from_value(members.remove("error")?).ok()?;
    Some(ServerJsonRpcMessage::error(error, id))
}

fn request(method: String, params: Option<Value>) -> Option<ServerRequest> {
    match params {
        Some(_) => Some(ServerRequest::CustomRequest(CustomRequest::new(method, params))),
        // rmcp spells a custom one without parameters with `null`, which no client takes for parameters.
        None => serde_json::from_value(json!({ "method": method })).ok(),
    }
}

fn notification(method: String, params: Option<Value>) -> Option<ServerNotification> {
    match params {
        Some(_) => Some(ServerNotification::CustomNotification(CustomNotification::new(method, params))),
        None => serde_json::from_value(json!({ "method": method })).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::{message, named};
    use crate::state::{EventId, Json};

    #[test]
    fn a_message_comes_out_of_the_log_as_it_went_in() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{"content":[{"text":"x","type":"text"}],"isError":true,"ours":[1.5,null]}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"model":"m","role":"assistant","tools":[]}}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"roots/list"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"elicitation/create","params":{"_meta":{"a":1},"message":"?"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"progressToken":"t"}}"#,
            r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"data":{"a":[]},"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#,
        ] {
            let read = message(&Json::parse(text).unwrap()).unwrap_or_else(|| panic!("{text}"));
            let (read, whole): (serde_json::Value, serde_json::Value) =
                (serde_json::to_value(&read).unwrap(), serde_json::from_str(text).unwrap());
            assert_eq!(read, whole);
        }
        for text in ["null", "[]", r#"{"id":1}"#, r#"{"id":[],"method":"x"}"#, r#"{"result":{}}"#] {
            assert!(message(&Json::parse(text).unwrap()).is_none(), "{text}");
        }
    }

    #[test]
    fn an_id_names_a_stream_of_ours_and_an_event() {
        let id = format!("1-00000002-{:032x}", 3);
        let event: EventId = id.parse().unwrap();
        assert_eq!(named(&format!("mcp/get/{id}")), Some(("mcp/get", event)));
        assert_eq!(named(&format!("mcp/post/0a/{id}")), Some(("mcp/post/0a", event)));
        for strange in ["", "0", "1/2", &id, &format!("updates/{id}"), &format!("mcp/get/{id}0"), "mcp/get/"] {
            assert_eq!(named(strange), None, "{strange}");
        }
    }
}
