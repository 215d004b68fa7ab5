//! What clients are told of the authorization server (RFC 9728).

use http::{HeaderValue, Uri};
use serde_json::json;

/// Where the metadata of a resource are, before the path of the resource.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The server as a protected resource: where its tokens come from, and what they have to hold.
///
/// A client that is refused is sent to its metadata, and finds the authorization server there.
///
/// ```
/// use sessile::mcp::ProtectedResource;
///
/// let resource = ProtectedResource::new("https://mcp.example.com/mcp", ["https://id.example.com"])?;
/// assert_eq!(resource.url(), "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
/// # Ok::<_, sessile::mcp::ResourceProblem>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    resource: String,
    authorization_servers: Vec<String>,
    scopes: Vec<String>,
    base: String,
    path: String,
}

/// Why a resource cannot be told of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceProblem {
    /// The resource is no address that metadata could be found from.
    #[error(
        "`{0}` cannot be a protected resource; write its address, such as https://mcp.example.com/mcp, without query and fragment"
    )]
    Resource(String),
    /// A scope that no header can hold.
    #[error("`{0}` is not a scope; write visible ASCII without spaces, quotes and backslashes")]
    Scope(String),
}

impl ProtectedResource {
    /// The resource at this address, which is also the audience of its tokens (RFC 8707), with the issuers that clients may
    /// get one from.
    ///
    /// # Errors
    ///
    /// The address is none of `http` or `https`, or has a query or a fragment.
    pub fn new<T: Into<String>>(
        resource: impl Into<String>,
        authorization_servers: impl IntoIterator<Item = T>,
    ) -> Result<Self, ResourceProblem> {
        let resource = resource.into();
        let (base, path) = taken_apart(&resource).ok_or_else(|| ResourceProblem::Resource(resource.clone()))?;
        let authorization_servers = authorization_servers.into_iter().map(Into::into).collect();
        Ok(Self { resource, authorization_servers, scopes: Vec::new(), base, path })
    }

    /// The scopes that a token has to have for everything here to work; clients ask for them.
    ///
    /// # Errors
    ///
    /// One of them is no scope.
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Result<Self, ResourceProblem> {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        match self.scopes.iter().find(|scope| !is_scope(scope)) {
            Some(wrong) => Err(ResourceProblem::Scope(wrong.clone())),
            None => Ok(self),
        }
    }

    /// The address of the metadata, as it is told to whoever is refused.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.own_path())
    }

    /// The path of the metadata on this server: the well-known one, with the path of the resource behind it.
    #[must_use]
    pub fn own_path(&self) -> String {
        format!("{WELL_KNOWN}{}", self.path)
    }

    /// The paths that metadata are to be served at: their own, and the bare one, where clients look next.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = vec![WELL_KNOWN.to_owned(), self.own_path()];
        paths.dedup();
        paths
    }

    /// The metadata, as JSON text.
    #[must_use]
    pub fn metadata(&self) -> String {
        let mut metadata = json!({
            "resource": self.resource,
            "authorization_servers": self.authorization_servers,
            "bearer_methods_supported": ["header"],
        });
        if let (Some(object), false) = (metadata.as_object_mut(), self.scopes.is_empty()) {
            object.insert("scopes_supported".to_owned(), json!(self.scopes));
        }
        metadata.to_string()
    }

    /// The scopes, by spaces; none where none are needed.
    pub(super) fn scope(&self) -> Option<String> {
        (!self.scopes.is_empty()).then(|| self.scopes.join(" "))
    }
}

/// Scheme with host, and the path where there is one: what a well-known path is put between.
fn taken_apart(resource: &str) -> Option<(String, String)> {
    let address: Uri = resource.parse().ok()?;
    let scheme = address.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let host = address.authority().filter(|host| !host.host().is_empty() && !host.as_str().contains('@'))?;
    // What a parameter of a header, and a route, are made from has to be plain.
    let plain = !resource.contains(['?', '#', '"', '\\', '{', '}', '*']) && !resource.contains("/:");
    let plain = plain && HeaderValue::from_str(resource).is_ok();
    let path = if address.path() == "/" { "" } else { address.path() };
    plain.then(|| (format!("{scheme}://{host}"), path.to_owned()))
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_lie_between_host_and_path() {
        for (resource, url) in [
            ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
            ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
            ("http://a.example:8808/mcp", "http://a.example:8808/.well-known/oauth-protected-resource/mcp"),
            ("https://a.example/x/mcp", "https://a.example/.well-known/oauth-protected-resource/x/mcp"),
        ] {
            let resource = ProtectedResource::new(resource, ["https://id.example"]).unwrap();
            assert_eq!(resource.url(), url);
        }
        let root = ProtectedResource::new("https://a.example", ["https://id.example"]).unwrap();
        assert_eq!(root.paths().len(), 1);
    }

    #[test]
    fn what_is_told_is_what_was_said() {
        let resource = ProtectedResource::new("https://a.example/mcp", ["https://id.example"]).unwrap();
        let resource = resource.scopes(["state:read", "state:write"]).unwrap();
        let told: serde_json::Value = serde_json::from_str(&resource.metadata()).unwrap();
        let expected = json!({
            "resource": "https://a.example/mcp",
            "authorization_servers": ["https://id.example"],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["state:read", "state:write"],
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_no_client_could_find_is_refused() {
        for wrong in [
            "",
            "mcp",
            "/mcp",
            "mcp.example.com",
            "ftp://a.example",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "https://u:p@a.example/",
            "https://a.example/{x}",
            "https://a.example/:x",
            "https://a.example/\"",
        ] {
            assert!(ProtectedResource::new(wrong, ["https://id.example"]).is_err(), "{wrong}");
        }
        let resource = ProtectedResource::new("https://a.example", ["https://id.example"]).unwrap();
        for wrong in ["", "a b", "a\"", "a\\", "ä"] {
            assert!(resource.clone().scopes([wrong]).is_err(), "{wrong}");
        }
    }
}
