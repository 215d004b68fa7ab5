//! Callers who have paid: the address that a payment was verified for.

use http::request::Parts;

use super::{Asking, PrincipalSource, Refusal};
use crate::principal::{Caller, Principal};

/// Who has paid for a request, as the middleware that verified the payment says: put into the request's extensions.
///
/// A hexadecimal address (`0x…`) is the same in either case, and is shown as it was given. Other addresses, such as
/// base58 ones, are compared letter by letter: there two cases are two keys.
#[derive(Clone, Debug)]
pub struct Payer {
    network: Box<str>,
    address: Box<str>,
}

impl Payer {
    /// The payer with this address on `network` (such as `eip155:8453`, as x402 writes it). One address on two networks
    /// is two payers: a contract may belong to somebody else on each.
    #[must_use]
    pub fn new(network: impl Into<Box<str>>, address: impl Into<Box<str>>) -> Self {
        Self { network: network.into(), address: address.into() }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whom sessions belong to: the issuer `x402:` and the network, the address in the form that is compared.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let hexadecimal = self.address.starts_with("0x") || self.address.starts_with("0X");
        let address = if hexadecimal { self.address.to_ascii_lowercase().into() } else { self.address.clone() };
        Principal::new(format!("x402:{}", self.network), address)
    }
}

/// Callers by the [`Payer`] that a middleware outside has put into the request's extensions once the payment was
/// verified. A request without one is refused; that the price is told (402) is up to that middleware.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payers;

impl PrincipalSource for Payers {
    fn caller<'a>(&'a self, parts: &'a mut Parts) -> Asking<'a> {
        Box::pin(async move {
            let payer = parts.extensions.get::<Payer>().ok_or(Refusal::Missing)?;
            if payer.address.is_empty() {
                return Err(Refusal::Malformed);
            }
            Ok(Caller::Principal(payer.principal()))
        })
    }
}
