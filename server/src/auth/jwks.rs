//! Keys from an authorization server, over HTTPS.

use std::time::Duration;

use sessile::mcp::{Fetching, JwksSource};
use ureq::Agent;

/// Less than the library waits, so that the reason is told and no thread is left behind.
const PATIENCE: Duration = Duration::from_secs(8);
/// Bytes of a key set: one more than the library reads.
const MAX_BYTES: u64 = (1 << 20) + 1;

/// The key set at an address.
pub(super) struct JwksUrl {
    url: String,
    agent: Agent,
}

impl JwksUrl {
    /// Follows no redirect: the keys come from where the operator says, or not at all.
    pub(super) fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .max_redirects_will_error(true)
            .user_agent(concat!("sessile/", env!("CARGO_PKG_VERSION")));
        // Options let plain HTTP through for this machine alone, and there is no proxy on the way to that.
        let config = if url.starts_with("https:") { config.https_only(true) } else { config.proxy(None) };
        Self { url: url.to_owned(), agent: config.build().into() }
    }
}

impl JwksSource for JwksUrl {
    fn fetch(&self) -> Fetching<'_> {
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let read = move || {
            let mut answer = agent.get(&url).header("accept", "application/jwk-set+json, application/json").call()?;
            answer.body_mut().with_config().limit(MAX_BYTES).read_to_vec()
        };
        Box::pin(async move { Ok(tokio::task::spawn_blocking(read).await??) })
    }
}
