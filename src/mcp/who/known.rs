//! Callers who need not be told apart.

use http::request::Parts;

use super::{Asking, PrincipalSource};
use crate::principal::{Caller, Principal};

/// One user: whoever reaches the server is the principal `user` of the issuer `local`.
///
/// For a server that nobody else can reach. It does not separate the users of a machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl PrincipalSource for Local {
    fn caller<'a>(&'a self, _: &'a mut Parts) -> Asking<'a> {
        Box::pin(async { Ok(Caller::Principal(Principal::new("local", "user"))) })
    }
}

/// Nobody in particular, whatever is sent: what a caller may reach is what it holds the id of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

impl PrincipalSource for Anonymous {
    fn caller<'a>(&'a self, _: &'a mut Parts) -> Asking<'a> {
        Box::pin(async { Ok(Caller::Anonymous) })
    }
}
