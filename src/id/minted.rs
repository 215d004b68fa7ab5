//! A minted id as a session keeps it: half the size of its text.

use super::{CHECK_BITS, DIGITS, SessionId, from_digits, spell, to_digits, value};

/// What a minted id is spelled from, beside its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Minted {
    random: [u8; 16],
    /// Kept, not reckoned anew: lists and files spell every id.
    check: [u8; 3],
}

impl Minted {
    /// The parts of an id, if it is spelled just as [`Minted::id`] will spell it.
    pub(crate) fn of(kind: &str, text: &str) -> Option<Self> {
        let digits = text.strip_prefix(kind)?.strip_prefix('_')?;
        let values: [u8; DIGITS] = digits.as_bytes().try_into().ok()?;
        let (random, check) = from_digits(&values.map(value));
        let check = check & ((1 << CHECK_BITS) - 1);
        let [_, check @ ..] = check.to_be_bytes();
        let minted = Self { random: random.to_be_bytes(), check };
        (minted.id(kind).as_str() == text).then_some(minted)
    }

    /// The id, spelled out.
    pub(crate) fn id(&self, kind: &str) -> SessionId {
        let [high, middle, low] = self.check;
        let check = u32::from_be_bytes([0, high, middle, low]);
        SessionId(spell(kind, &to_digits(u128::from_be_bytes(self.random), check)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;

    #[test]
    fn a_minted_id_is_spelled_as_it_was() {
        for kind in ["session", "cart", "a-b-9"] {
            let id = SessionId::generate(&Kind::new(kind).unwrap()).unwrap();
            let minted = Minted::of(kind, id.as_str()).unwrap();
            assert_eq!(minted.id(kind), id);
            assert_eq!(size_of_val(&minted), 19);
        }
    }

    #[test]
    fn what_is_spelled_otherwise_is_kept_as_text() {
        let id = SessionId::generate(&Kind::new("cart").unwrap()).unwrap();
        let upper = id.as_str().replace("cart", "CART").to_uppercase().replace("CART", "cart");
        assert_eq!(Minted::of("cart", &upper).is_some(), upper == id.as_str());
        assert_eq!(Minted::of("session", id.as_str()), None);
        for text in
            ["", "_", "cart", "cart_", "cart_0", "2f1f3a3e-7b7d-4c1e-9f6b-0d6f5e8a9b1c", &format!("{}0", id.as_str())]
        {
            assert_eq!(Minted::of("cart", text), None, "{text}");
        }
        assert_eq!(Minted::of("cart", &format!("cart_{}", "!".repeat(DIGITS))), None);
    }
}
