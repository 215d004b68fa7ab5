//! Which era a request speaks: decided by protocol version, as rmcp decides it.
//!
//! Where the two should ever disagree nothing is lost: what is taken for modern has its session id stripped, what is
//! taken for legacy has it checked against its owner, so no tool and no session manager sees an unproven one.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use rmcp::model::ProtocolVersion;
use serde::Deserialize;
use serde::de::IgnoredAny;

const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// What a request is, as far as sessions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Stands alone.
    Modern,
    /// Opens a protocol session.
    Initialize,
    /// Belongs to a protocol session.
    Legacy,
}

/// The part of a message that tells its era.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    id: Option<IgnoredAny>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'a, str>>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<IgnoredAny>,
}

/// Classifies a request. `body` is empty for anything but POST.
pub(super) fn classify(method: &Method, headers: &HeaderMap, body: &[u8]) -> Kind {
    let message = (method == Method::POST).then(|| serde_json::from_slice::<Message<'_>>(body).ok()).flatten();
    // Notifications and answers carry no version of their own: their header speaks for them.
    let request = message.filter(|message| message.id.is_some());
    let Some(request) = request else { return by_header(headers) };
    if request.method.as_deref() == Some("initialize") {
        // The handshake is of the older era whatever version it names: it is negotiated down.
        return Kind::Initialize;
    }
    let Some(meta) = request.params.and_then(|params| params.meta) else { return by_header(headers) };
    match meta.version {
        // A request that brings all it needs is served alone, even if it names an old version.
        Some(_) if meta.capabilities.is_some() => Kind::Modern,
        Some(version) => by_version(&version),
        None => by_header(headers),
    }
}

/// Whether the version header names a known version of the modern era.
pub(super) fn is_modern(headers: &HeaderMap) -> bool {
    headers.contains_key(PROTOCOL_VERSION) && by_header(headers) == Kind::Modern && known(headers)
}

fn known(headers: &HeaderMap) -> bool {
    let version = headers.get(PROTOCOL_VERSION).and_then(|version| version.to_str().ok());
    version.is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| known.as_str() == version))
}

fn by_header(headers: &HeaderMap) -> Kind {
    match headers.get(PROTOCOL_VERSION).map(|version| version.to_str()) {
        None => Kind::Legacy,
        Some(Ok(version)) => by_version(version),
        Some(Err(_)) => Kind::Modern,
    }
}

fn by_version(version: &str) -> Kind {
    if version < ProtocolVersion::NO_INITIALIZE.as_str() { Kind::Legacy } else { Kind::Modern }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::{Kind, classify};

    const OLD: &str = r#""io.modelcontextprotocol/protocolVersion":"2025-11-25""#;
    const NEW: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    const CAPABILITIES: &str = r#""io.modelcontextprotocol/clientCapabilities":{}"#;

    fn kind(method: Method, version: Option<&'static str>, body: &str) -> Kind {
        let mut headers = HeaderMap::new();
        let name: http::HeaderName = super::PROTOCOL_VERSION.parse().unwrap();
        headers.extend(version.map(|v| (name, HeaderValue::from_static(v))));
        // A session id says nothing about the era.
        headers.insert("mcp-session-id", HeaderValue::from_static("x"));
        classify(&method, &headers, body.as_bytes())
    }

    fn call(meta: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","_meta":{{{meta}}}}}}}"#)
    }

    #[test]
    fn the_version_tells_the_era() {
        let (old, new) = (Some("2025-11-25"), Some("2026-07-28"));
        let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2026-07-28"}}"#;
        let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let post = |version, body: &str| kind(Method::POST, version, body);
        let table = [
            (post(None, initialize), Kind::Initialize),
            (post(new, initialize), Kind::Initialize),
            (post(None, &call("")), Kind::Legacy),
            (post(old, &call("")), Kind::Legacy),
            (post(new, &call("")), Kind::Modern),
            (post(old, &call(OLD)), Kind::Legacy),
            (post(old, &call(&format!("{OLD},{CAPABILITIES}"))), Kind::Modern),
            (post(new, &call(&format!("{NEW},{CAPABILITIES}"))), Kind::Modern),
            (post(new, &call(OLD)), Kind::Legacy),
            (post(None, &call(NEW)), Kind::Modern),
            (post(old, notification), Kind::Legacy),
            (post(new, notification), Kind::Modern),
            (post(old, "[1]"), Kind::Legacy),
            (post(new, "not json"), Kind::Modern),
            (post(Some("2099-01-01"), &call("")), Kind::Modern),
            (kind(Method::GET, None, ""), Kind::Legacy),
            (kind(Method::GET, new, initialize), Kind::Modern),
            (kind(Method::DELETE, old, ""), Kind::Legacy),
        ];
        for (row, (found, expected)) in table.into_iter().enumerate() {
            assert_eq!(found, expected, "row {row}");
        }
    }
}
