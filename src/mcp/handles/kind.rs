//! Kinds of state: what an author says of one, and what follows from it for tools and texts.

use std::time::Duration;

use garde::Validate;
use rmcp::schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::mcp::words;

/// A kind of typed state behind handles, such as a cart.
///
/// Its fields are the entries of a session. Its rules (`garde`) hold for every commit: an update that would break one is
/// refused by the field's path, and changes nothing. Give fields a default: what a session does not have yet reads as that.
///
/// ```
/// use std::time::Duration;
/// use garde::Validate;
/// use rmcp::schemars::{self, JsonSchema};
/// use serde::{Deserialize, Serialize};
/// use sessile::mcp::StateKind;
///
/// #[derive(Default, Serialize, Deserialize, JsonSchema, Validate)]
/// #[serde(default)]
/// struct Cart {
///     #[garde(length(max = 100))]
///     items: Vec<String>,
/// }
///
/// impl StateKind for Cart {
///     const KIND: &'static str = "cart";
///     const ABOUT: &'static str = "a shopping cart";
///     const IDLE_TIMEOUT: Option<Duration> = Some(Duration::from_secs(24 * 60 * 60));
///     const MAX_LIFETIME: Option<Duration> = None;
/// }
/// ```
pub trait StateKind:
    Serialize + DeserializeOwned + JsonSchema + Validate<Context = ()> + Default + Send + Sync + 'static
{
    /// Matches `[a-z][a-z0-9-]{0,31}`. Handles begin with it, tools are named after it, arguments for handles should be.
    const KIND: &'static str;
    /// What it is, with its article: models read it in descriptions.
    const ABOUT: &'static str;
    /// How long it lives without use; `None` for as long as the service's sessions do. No longer than that either: the
    /// service refuses to create what would outlive its own timeout.
    const IDLE_TIMEOUT: Option<Duration>;
    /// How long it lives in all; `None` as above.
    const MAX_LIFETIME: Option<Duration>;
}

/// The tools of a kind, by name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) create: String,
    pub(super) list: String,
    pub(super) close: String,
}

impl Names {
    pub(super) fn of<K: StateKind>() -> Self {
        let noun = noun::<K>();
        Self { create: format!("create_{noun}"), list: format!("list_{noun}s"), close: format!("close_{noun}") }
    }
}

/// The kind as a name in JSON and of tools.
pub(super) fn noun<K: StateKind>() -> String {
    K::KIND.replace('-', "_")
}

/// How long state of a kind lives, as a sentence.
pub(super) fn lifetime<K: StateKind>() -> String {
    let close = Names::of::<K>().close;
    match (K::IDLE_TIMEOUT, K::MAX_LIFETIME) {
        (None, None) => {
            format!("It ends when nobody has used it for as long as this server keeps state; {close} ends it.")
        }
        (idle, max) => format!("It {}.", words::lifetime(idle, max, &close)),
    }
}
