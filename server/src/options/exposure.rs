//! Who may reach the server, and as whom: the checks across options.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::jwt::{self, JwtOption};
use super::parse;
use super::source::Sources;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who callers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthOption {
    /// Whoever reaches the port is the one local user.
    Local,
    /// Nobody has an identity: an id is a bearer secret.
    Anonymous,
    /// Each caller presents a token of this file.
    Tokens(PathBuf),
    /// Each caller presents a token that an authorization server has signed.
    Jwt(JwtOption),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Local,
    Anonymous,
    Tokens,
    Jwt,
}

const MODES: &[(&str, Mode)] =
    &[("local", Mode::Local), ("anonymous", Mode::Anonymous), ("tokens", Mode::Tokens), ("jwt", Mode::Jwt)];

impl AuthOption {
    /// Reads `auth` and what belongs to it; `None` when they are wrong, which is then a problem.
    pub(super) fn read(sources: &mut Sources) -> Option<Self> {
        let (named, tokens_named) = (sources.has("auth"), sources.has("tokens"));
        let jwt_named = jwt::is_named(sources);
        let mode = sources.one("auth", parse::choice(MODES));
        let file = sources.one("tokens", parse::path);
        if named && mode.is_none() {
            return None;
        }
        let mode = mode.unwrap_or(match (tokens_named, jwt_named) {
            (true, _) => Mode::Tokens,
            (false, true) => Mode::Jwt,
            (false, false) => Mode::Local,
        });
        if tokens_named && mode != Mode::Tokens {
            sources.problems.add("a tokens file is named, and auth is not tokens; leave out one of the two");
            return None;
        }
        if jwt_named && mode != Mode::Jwt {
            sources
                .problems
                .add("jwt-issuer, jwt-audience and jwks are for auth jwt; leave them out, or give --auth jwt");
            return None;
        }
        match mode {
            Mode::Local => Some(Self::Local),
            Mode::Anonymous => Some(Self::Anonymous),
            // What is wrong with the path has been told.
            Mode::Tokens if tokens_named => file.map(Self::Tokens),
            Mode::Tokens => {
                sources.problems.add(
                    "auth is tokens, and no tokens file is named; give --tokens FILE \
                     (`sessile token add NAME --tokens FILE` makes one)",
                );
                None
            }
            Mode::Jwt => JwtOption::read(sources).map(Self::Jwt),
        }
    }

    /// The idle timeout and the max lifetime that suit these callers.
    pub(super) fn lifetimes(&self) -> (Option<Duration>, Option<Duration>) {
        match self {
            Self::Local => (Some(7 * DAY), None),
            Self::Tokens(_) | Self::Jwt(_) => (Some(DAY), Some(30 * DAY)),
            Self::Anonymous => (Some(30 * MINUTE), Some(DAY)),
        }
    }

    /// Refuses one shared user on a network, and warns where nobody could come in.
    pub(super) fn check(&self, addr: SocketAddr, allowed_hosts: &[String], sources: &mut Sources) {
        if addr.ip().is_loopback() {
            return;
        }
        if *self == Self::Local {
            sources.problems.add(format!(
                "addr {addr} can be reached from other machines, and with auth local everyone who reaches it is the \
                 same user; listen on 127.0.0.1, or give each user a token (`sessile token add NAME`, then \
                 --tokens FILE), or tell users apart by signed tokens (--auth jwt), or let strangers in on purpose with \
                 --auth anonymous"
            ));
        } else if addr.ip().is_unspecified() && allowed_hosts.is_empty() {
            sources.warnings.push(format!(
                "listening on {addr}, but only requests for localhost are answered: name the host that clients use \
                 with --allowed-host, such as --allowed-host mcp.example.com"
            ));
        }
    }
}
