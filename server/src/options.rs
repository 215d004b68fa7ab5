//! Options of `serve`: flags, environment and configuration file become one checked value.

mod exposure;
mod file;
mod jwt;
mod keys;
mod near;
mod parse;
mod problems;
mod source;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use exposure::AuthOption;
pub(crate) use jwt::{JwtOption, KeySet};
pub(crate) use keys::for_command as keys_for_command;
pub(crate) use problems::Problems;
#[cfg(test)]
pub(crate) use source::NAMES;
pub(crate) use source::Variable;

use sessile::defaults::{DEFAULT_FLUSH_EVERY, MAX_FLUSH_EVERY, MIN_FLUSH_EVERY};
use sessile::{AtCapacity, Durability, Format, KeyRing};

use crate::cli::Flags;
use crate::log;
use source::Sources;

const DEFAULT_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8808);
const DEFAULT_SNAPSHOTS: &str = "./snapshots";
const DEFAULT_SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
const DEFAULT_SWEEP_EVERY: Duration = Duration::from_secs(5 * 60);
const DEFAULT_MAX_SESSIONS: u64 = 10_000;
const DEFAULT_MAX_CONNECTIONS: u64 = 1_024;
const DEFAULT_MAX_REQUESTS: u64 = 256;
const DEFAULT_MAX_STREAMS: u64 = 512;
const DEFAULT_REQUEST_WAIT: Duration = Duration::from_secs(1);
const DEFAULT_MAX_BODY_BYTES: u64 = 4 << 20;
const MOST_SESSIONS: u64 = 1 << 32;
const MOST_CONNECTIONS: u64 = 1_000_000;
const MOST_BODY_BYTES: u64 = 1 << 30;

const FORMATS: &[(&str, Format)] = &[("bincode", Format::Bincode), ("json", Format::Json)];
const LEVELS: &[(&str, Durability)] = &[
    ("snapshot", Durability::Snapshot),
    ("journal", Durability::Journal { flush_every: DEFAULT_FLUSH_EVERY }),
    ("commit", Durability::Commit),
];
const POLICIES: &[(&str, AtCapacity)] = &[("reject", AtCapacity::Reject), ("evict", AtCapacity::Evict)];

/// Everything `serve` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServeOptions {
    /// Where to listen.
    pub(crate) addr: SocketAddr,
    /// Where metrics are, when not on `addr`.
    pub(crate) metrics_addr: Option<SocketAddr>,
    /// Folder of the snapshots.
    pub(crate) snapshots: PathBuf,
    /// Time between two snapshots.
    pub(crate) snapshot_every: Duration,
    /// When a change is on disk.
    pub(crate) durability: Durability,
    /// How long snapshots are kept beyond the newest few.
    pub(crate) keep_for: Option<Duration>,
    /// Encoding of snapshots.
    pub(crate) format: Format,
    /// Whether snapshots are compressed.
    pub(crate) compress: bool,
    /// What snapshots are sealed under and opened with.
    pub(crate) keys: Option<KeyRing>,
    /// Idle timeout of a session; `None` for never.
    pub(crate) idle_timeout: Option<Duration>,
    /// Max lifetime of a session; `None` for never.
    pub(crate) max_lifetime: Option<Duration>,
    /// Time between two sweeps.
    pub(crate) sweep_every: Duration,
    /// Sessions in all.
    pub(crate) max_sessions: u64,
    /// What a new session meets when there are that many.
    pub(crate) at_capacity: AtCapacity,
    /// Starts with no sessions where the snapshots cannot be used.
    pub(crate) start_empty: bool,
    /// What to log.
    pub(crate) log: String,
    /// Who callers are.
    pub(crate) auth: AuthOption,
    /// Hosts that requests may name, besides those of `hosts`.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of web pages that may call.
    pub(crate) allowed_origins: Vec<String>,
    /// Connections at a time.
    pub(crate) max_connections: usize,
    /// MCP requests at a time.
    pub(crate) max_requests: usize,
    /// Event streams at a time.
    pub(crate) max_streams: usize,
    /// How long a request may wait for its place.
    pub(crate) request_wait: Duration,
    /// Bytes of one request's body.
    pub(crate) max_body_bytes: usize,
    /// What is odd, to be logged once the log is up.
    pub(crate) warnings: Vec<String>,
}

impl ServeOptions {
    /// Reads the options: a flag goes before the environment, the environment before the configuration file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub(crate) fn read(flags: Flags, environment: impl IntoIterator<Item = Variable>) -> Result<Self, Problems> {
        let mut from = Sources::new(flags, environment);
        let addr = from.one("addr", parse::address);
        let auth = AuthOption::read(&mut from);
        let allowed_hosts = from.many("allowed-host", parse::host);
        if let (Some(auth), true) = (&auth, addr.is_some() || !from.has("addr")) {
            auth.check(addr.unwrap_or(DEFAULT_ADDR), &allowed_hosts, &mut from);
        }
        let auth = auth.unwrap_or(AuthOption::Local);
        let (idle_timeout, max_lifetime) = auth.lifetimes();
        let mut count = |name, most, default| {
            let given = from.one(name, parse::count(most)).unwrap_or(default);
            usize::try_from(given).unwrap_or(usize::MAX)
        };
        let max_connections = count("max-connections", MOST_CONNECTIONS, DEFAULT_MAX_CONNECTIONS);
        let max_requests = count("max-requests", MOST_CONNECTIONS, DEFAULT_MAX_REQUESTS);
        let max_streams = count("max-streams", MOST_CONNECTIONS, DEFAULT_MAX_STREAMS);
        let max_body_bytes = count("max-body-bytes", MOST_BODY_BYTES, DEFAULT_MAX_BODY_BYTES);
        let options = Self {
            addr: addr.unwrap_or(DEFAULT_ADDR),
            metrics_addr: from.one("metrics-addr", parse::address),
            snapshots: from.one("snapshots", parse::path).unwrap_or_else(|| DEFAULT_SNAPSHOTS.into()),
            snapshot_every: from.one("snapshot-every", parse::time).unwrap_or(DEFAULT_SNAPSHOT_EVERY),
            durability: durability(&mut from),
            keep_for: from.one("keep-for", parse::time),
            format: from.one("format", parse::choice(FORMATS)).unwrap_or(Format::Bincode),
            compress: from.one("compress", parse::switch).unwrap_or_default(),
            keys: keys::read(&mut from),
            idle_timeout: from.one("idle-timeout", parse::limit).unwrap_or(idle_timeout),
            max_lifetime: from.one("max-lifetime", parse::limit).unwrap_or(max_lifetime),
            sweep_every: from.one("sweep-every", parse::time).unwrap_or(DEFAULT_SWEEP_EVERY),
            max_sessions: from.one("max-sessions", parse::count(MOST_SESSIONS)).unwrap_or(DEFAULT_MAX_SESSIONS),
            at_capacity: from.one("at-capacity", parse::choice(POLICIES)).unwrap_or(AtCapacity::Reject),
            start_empty: from.one("start-empty", parse::switch).unwrap_or_default(),
            log: from.one("log", log::check).unwrap_or_else(|| log::DEFAULT.to_owned()),
            auth,
            allowed_hosts,
            allowed_origins: from.many("allowed-origin", parse::origin),
            max_connections,
            max_requests,
            max_streams,
            request_wait: from.one("request-wait", parse::time).unwrap_or(DEFAULT_REQUEST_WAIT),
            max_body_bytes,
            warnings: Vec::new(),
        };
        if options.metrics_addr == Some(options.addr) && options.addr.port() != 0 {
            from.problems.add(format!("metrics-addr is addr itself ({}); leave it out, or name another", options.addr));
        }
        from.problems.check(Self { warnings: from.warnings, ..options })
    }

    /// Every host a request may name: the loopback ones, the address itself where it is one, and those given.
    #[must_use]
    pub(crate) fn hosts(&self) -> Vec<String> {
        let ip = self.addr.ip();
        let itself = (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string());
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        loopback.into_iter().chain(itself).chain(self.allowed_hosts.iter().cloned()).collect()
    }
}

/// The level of durability, and how often its journal is written.
fn durability(from: &mut Sources) -> Durability {
    let level = from.one("durability", parse::choice(LEVELS));
    let every = from.one("flush-every", parse::between(MIN_FLUSH_EVERY, MAX_FLUSH_EVERY));
    match (level.unwrap_or(Durability::Journal { flush_every: DEFAULT_FLUSH_EVERY }), every) {
        (Durability::Journal { .. }, Some(flush_every)) => Durability::Journal { flush_every },
        (level, Some(_)) => {
            from.problems.add("flush-every is for the durability journal; leave it out".to_owned());
            level
        }
        (level, None) => level,
    }
}
