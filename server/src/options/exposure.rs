//! Who may reach the server, and as whom: the checks across options.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Local,
    Anonymous,
    Tokens,
}

const MODES: &[(&str, Mode)] = &[("local", Mode::Local), ("anonymous", Mode::Anonymous), ("tokens", Mode::Tokens)];

impl AuthOption {
    /// Reads `auth` and `tokens`; `None` when they are wrong, which is then a problem.
    pub(super) fn read(sources: &mut Sources) -> Option<Self> {
        let named = sources.has("auth");
        let mode = sources.one("auth", parse::choice(MODES));
        let given = sources.has("tokens");
        let file = sources.one("tokens", parse::path);
        match (mode, file) {
            (None, _) if named => None,
            (_, None) if given => None,
            (None | Some(Mode::Tokens), Some(file)) => Some(Self::Tokens(file)),
            (None | Some(Mode::Local), None) => Some(Self::Local),
            (Some(Mode::Anonymous), None) => Some(Self::Anonymous),
            (Some(Mode::Tokens), None) => {
                sources.problems.add(
                    "auth is tokens, and no tokens file is named; give --tokens FILE \
                     (`sessile token add NAME --tokens FILE` makes one)",
                );
                None
            }
            (Some(Mode::Local | Mode::Anonymous), Some(_)) => {
                sources.problems.add("a tokens file is named, and auth is not tokens; leave out one of the two");
                None
            }
        }
    }

    /// The idle timeout and the max lifetime that suit these callers.
    pub(super) fn lifetimes(&self) -> (Option<Duration>, Option<Duration>) {
        match self {
            Self::Local => (Some(7 * DAY), None),
            Self::Tokens(_) => (Some(DAY), Some(30 * DAY)),
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
                 --tokens FILE), or let strangers in on purpose with --auth anonymous"
            ));
        } else if addr.ip().is_unspecified() && allowed_hosts.is_empty() {
            sources.warnings.push(format!(
                "listening on {addr}, but only requests for localhost are answered: name the host that clients use \
                 with --allowed-host, such as --allowed-host mcp.example.com"
            ));
        }
    }
}
