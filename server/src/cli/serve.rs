//! Flags of `serve`, kept as text: they are checked together with the environment and the configuration file.

use std::collections::BTreeMap;

use clap::Args;

/// Flags that were given: name to values, as written.
pub(crate) type Flags = BTreeMap<&'static str, Vec<String>>;

/// Arguments of `serve`.
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Each flag is also an environment variable (--max-sessions: SESSILE_MAX_SESSIONS) and a key of the \
configuration file (max-sessions = 500). A flag goes before the environment, the environment before the file."
)]
pub(crate) struct ServeArgs {
    /// Configuration file (TOML); its keys are the names of these flags.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Where to listen [default: 127.0.0.1:8808].
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// Where to serve /metrics, /healthz and /readyz; /metrics then leaves the main address.
    #[arg(long, value_name = "HOST:PORT")]
    metrics_addr: Option<String>,
    /// Folder of the snapshots and journals [default: ./snapshots].
    #[arg(long, value_name = "DIR")]
    snapshots: Option<String>,
    /// Time between two snapshots [default: 60s].
    #[arg(long, value_name = "TIME")]
    snapshot_every: Option<String>,
    /// When a change is on disk: with the next snapshot (snapshot), soon in a journal (journal), or before it is answered
    /// (commit) [default: journal].
    #[arg(long, value_name = "LEVEL")]
    durability: Option<String>,
    /// Time between two writes of the journal, 1ms to 1h, which a crash may lose; for journal alone [default: 1s].
    #[arg(long, value_name = "TIME")]
    flush_every: Option<String>,
    /// Keeps snapshots of that age, at most 1000, besides the newest 3 [default: those 3 alone].
    #[arg(long, value_name = "TIME")]
    keep_for: Option<String>,
    /// Format of snapshots: bincode or json [default: bincode].
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Compresses snapshots.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    compress: Option<String>,
    /// Seals files of state under the first key of this file (64 hex digits a line), opens them with any; SESSILE_KEY is a key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// Ends a session that nobody used for so long, or never [default: local 7d, tokens and jwt 24h, anonymous 30m].
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<String>,
    /// Ends a session of that age, or never [default: local never, tokens and jwt 30d, anonymous 24h].
    #[arg(long, value_name = "TIME")]
    max_lifetime: Option<String>,
    /// Time between two sweeps for what has expired [default: 5m].
    #[arg(long, value_name = "TIME")]
    sweep_every: Option<String>,
    /// Sessions in all [default: 10000].
    #[arg(long, value_name = "NUMBER")]
    max_sessions: Option<String>,
    /// What happens at a cap on sessions or bytes: reject, or evict the least recently used sessions [default: reject].
    #[arg(long, value_name = "POLICY")]
    at_capacity: Option<String>,
    /// Starts with no sessions where the snapshots are damaged or newer; files that cannot be used stay where they are.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    start_empty: Option<String>,
    /// What to log, as `level` or `target=level`, comma separated [default: info].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Who callers are: local (one user), anonymous, tokens, or jwt [default: tokens with --tokens, jwt with --jwks, else local].
    #[arg(long, value_name = "MODE")]
    auth: Option<String>,
    /// Tokens file: lines of `subject = "SHA-256 of the token"`; `sessile token add` makes it.
    #[arg(long, value_name = "FILE")]
    tokens: Option<String>,
    /// For jwt: who issues the tokens, as their `iss` has it.
    #[arg(long, value_name = "URL")]
    jwt_issuer: Option<String>,
    /// For jwt: whom they are for, as their `aud` has it: this server's address, which clients are then told of.
    #[arg(long, value_name = "TEXT")]
    jwt_audience: Option<String>,
    /// For jwt: the keys that they are signed with (JWKS), a file or an address of https.
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// A Host that requests may name, besides the loopback ones; may be given again.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allowed_host: Vec<String>,
    /// A web page's Origin that may call; may be given again.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origin: Vec<String>,
    /// Connections at a time; one more is answered 503 [default: 1024].
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<String>,
    /// MCP requests at a time; one more waits, then is answered 503 [default: 256].
    #[arg(long, value_name = "NUMBER")]
    max_requests: Option<String>,
    /// How long a request may wait for its place among them [default: 1s].
    #[arg(long, value_name = "TIME")]
    request_wait: Option<String>,
    /// Event streams at a time, which take no place of a request; one more is answered 503 [default: 512].
    #[arg(long, value_name = "NUMBER")]
    max_streams: Option<String>,
    /// Bytes of one request's body; a longer one is answered 413 [default: 4194304].
    #[arg(long, value_name = "NUMBER")]
    max_body_bytes: Option<String>,
}

impl ServeArgs {
    /// The flags that were given.
    #[must_use]
    pub(crate) fn into_flags(self) -> Flags {
        let one = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
        [
            ("config", one(self.config)),
            ("addr", one(self.addr)),
            ("metrics-addr", one(self.metrics_addr)),
            ("snapshots", one(self.snapshots)),
            ("snapshot-every", one(self.snapshot_every)),
            ("durability", one(self.durability)),
            ("flush-every", one(self.flush_every)),
            ("keep-for", one(self.keep_for)),
            ("format", one(self.format)),
            ("compress", one(self.compress)),
            ("key-file", one(self.key_file)),
            ("idle-timeout", one(self.idle_timeout)),
            ("max-lifetime", one(self.max_lifetime)),
            ("sweep-every", one(self.sweep_every)),
            ("max-sessions", one(self.max_sessions)),
            ("at-capacity", one(self.at_capacity)),
            ("start-empty", one(self.start_empty)),
            ("log", one(self.log)),
            ("auth", one(self.auth)),
            ("tokens", one(self.tokens)),
            ("jwt-issuer", one(self.jwt_issuer)),
            ("jwt-audience", one(self.jwt_audience)),
            ("jwks", one(self.jwks)),
            ("allowed-host", self.allowed_host),
            ("allowed-origin", self.allowed_origin),
            ("max-connections", one(self.max_connections)),
            ("max-requests", one(self.max_requests)),
            ("request-wait", one(self.request_wait)),
            ("max-streams", one(self.max_streams)),
            ("max-body-bytes", one(self.max_body_bytes)),
        ]
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_an_option_and_every_option_a_flag() {
        let command = ServeArgs::augment_args(clap::Command::new("serve"));
        let mut flags: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
        let mut names: Vec<_> = crate::options::NAMES.iter().copied().chain(["config"]).collect();
        flags.sort_unstable();
        names.sort_unstable();
        assert_eq!(flags, names);
    }
}
