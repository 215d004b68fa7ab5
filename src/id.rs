//! Session ids: made from the operating system's random numbers, printed so that a typing error shows.

mod digest;
mod kind;
mod minted;

use std::fmt;

pub(crate) use digest::{SessionDigest, SessionKey, chosen_digest, generated_digest};
pub use kind::{DEFAULT_KIND, Kind};
pub(crate) use kind::{OWN_KINDS, OwnKind};
pub(crate) use minted::Minted;
use sha2::{Digest, Sha256};

use crate::error::IdError;

/// Crockford's base32 alphabet in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 random bits and 22 check bits are 150 bits: thirty digits of five.
const DIGITS: usize = 30;
const CHECK_BITS: u32 = 22;
/// The longest foreign id or chosen name, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// The name of a session: minted here, or a foreign one kept verbatim.
///
/// The id of an anonymous session is a bearer secret, so `Debug` shows a short tag only; [`SessionId::as_str`] gives the whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// Mints a new id: 128 bits from the operating system, after `kind_`.
    pub(crate) fn generate(kind: &Kind) -> Result<Self, IdError> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|source| IdError::NoRandomness { detail: source.to_string() })?;
        Ok(Self::from_random(kind, u128::from_be_bytes(random)))
    }

    fn from_random(kind: &Kind, random: u128) -> Self {
        Self(spell(kind.as_str(), &to_digits(random, check_part(kind.as_str(), random))))
    }

    /// An id of ours or of others that was checked when it was first taken in.
    pub(crate) fn kept(text: &str) -> Self {
        Self(text.into())
    }

    /// The whole id. A secret when the session is anonymous.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads an id that came from outside.
    ///
    /// # Errors
    /// [`IdError::Mistyped`] when it looks like one of ours and its check part is wrong, [`IdError::Invalid`] when it
    /// is empty, over 256 bytes, or holds anything but visible ASCII.
    pub(crate) fn parse(text: &str) -> Result<ParsedId, IdError> {
        let visible =
            text.len() <= MAX_ID_BYTES && text.bytes().fold(true, |visible, byte| visible & byte.is_ascii_graphic());
        if text.is_empty() || !visible {
            return Err(IdError::Invalid { max: MAX_ID_BYTES });
        }
        let Some((kind, digits)) = text.rsplit_once('_') else {
            return Ok(ParsedId::Foreign(Self(text.into())));
        };
        // One digit too many or too few is the commonest typing error; shorter and longer ids are somebody else's.
        let ours =
            digits.len().abs_diff(DIGITS) <= 1 && digits.bytes().fold(0, |all, byte| all | value(byte)) != NO_DIGIT;
        let Some(kind) = Kind::new(kind).ok().filter(|_| ours) else {
            return Ok(ParsedId::Foreign(Self(text.into())));
        };
        let Some(mut digits) = digits.as_bytes().first_chunk().copied().filter(|_| digits.len() == DIGITS) else {
            return Err(IdError::Mistyped);
        };
        for digit in &mut digits {
            *digit = value(*digit);
        }
        let (random, check) = from_digits(&digits);
        if check != check_part(kind.as_str(), random) {
            return Err(IdError::Mistyped);
        }
        Ok(ParsedId::Generated(Self(spell(kind.as_str(), &digits))))
    }

    /// A short tag for logs: names the session to nobody who does not know it.
    #[must_use]
    pub fn tag(&self) -> String {
        generated_digest(self).tag()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.tag())
    }
}

/// An id from outside, told apart by who made it.
pub(crate) enum ParsedId {
    /// Minted by us: spelled as we spell it, its check part right.
    Generated(SessionId),
    /// Anything else, kept verbatim; a name in its owner's own space.
    Foreign(SessionId),
}

fn check_part(kind: &str, random: u128) -> u32 {
    let mut hash = Sha256::new();
    hash.update(b"sessile check v1\0");
    hash.update(kind.as_bytes());
    hash.update(random.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let head = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    head >> (32 - CHECK_BITS)
}

/// The thirty digits of the 150-bit number random * 2^22 + check, the highest first.
fn to_digits(random: u128, check: u32) -> [u8; DIGITS] {
    // In two halves of 75 bits, as no integer holds all of it.
    let high = random >> (75 - CHECK_BITS);
    let low = (random & ((1 << (75 - CHECK_BITS)) - 1)) << CHECK_BITS | u128::from(check);
    let mut digits = [0; DIGITS];
    let (first, last) = digits.split_at_mut(DIGITS / 2);
    for (mut half, places) in [(high, first), (low, last)] {
        for place in places.iter_mut().rev() {
            *place = (half & 31) as u8;
            half >>= 5;
        }
    }
    digits
}

/// The random and the check part that thirty digits are made of.
fn from_digits(digits: &[u8; DIGITS]) -> (u128, u32) {
    let half = |places: &[u8]| places.iter().fold(0_u128, |half, &digit| half << 5 | u128::from(digit));
    let (first, last) = digits.split_at(DIGITS / 2);
    let (high, low) = (half(first), half(last));
    (high << (75 - CHECK_BITS) | low >> CHECK_BITS, (low & ((1 << CHECK_BITS) - 1)) as u32)
}

/// Digits as we spell them, after their kind.
fn spell(kind: &str, digits: &[u8; DIGITS]) -> Box<str> {
    let spelled = digits.map(|digit| ALPHABET.get(usize::from(digit)).copied().unwrap_or(b'0'));
    let mut text = String::with_capacity(kind.len() + 1 + DIGITS);
    text.push_str(kind);
    text.push('_');
    text.push_str(str::from_utf8(&spelled).unwrap_or_default());
    text.into()
}

/// In place of a value: the byte is no digit. All bits, so that one of these among values shows in their union.
const NO_DIGIT: u8 = u8::MAX;

/// The values of all bytes: a restore reads thirty digits of every session, and no branch foretells random ones.
const VALUES: [u8; 256] = {
    let (mut values, mut byte) = ([NO_DIGIT; 256], 0_u8);
    let mut rest: &mut [u8] = &mut values;
    while let [place, after @ ..] = rest {
        if let Some(value) = digit_value(byte) {
            *place = value;
        }
        byte = byte.wrapping_add(1);
        rest = after;
    }
    values
};

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
}

/// The value of a Crockford digit: either case, i and l read as 1, o read as 0.
const fn digit_value(byte: u8) -> Option<u8> {
    let byte = byte.to_ascii_lowercase();
    Some(match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'h' => byte - b'a' + 10,
        b'j' | b'k' => byte - b'j' + 18,
        b'm' | b'n' => byte - b'm' + 20,
        b'p'..=b't' => byte - b'p' + 22,
        b'v'..=b'z' => byte - b'v' + 27,
        b'i' | b'l' => 1,
        b'o' => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_id_reads_back_in_any_spelling_crockford_allows() {
        let id = SessionId::generate(&Kind::new("cart").unwrap()).unwrap();
        let upper = format!("cart_{}", id.as_str()[5..].to_uppercase().replace('0', "O").replace('1', "I"));
        for text in [id.as_str(), &upper] {
            let Ok(ParsedId::Generated(read)) = SessionId::parse(text) else { panic!("{text} was not read as ours") };
            assert_eq!(read, id);
        }
    }

    #[test]
    fn every_digit_has_its_place_in_the_alphabet() {
        for byte in 0..=u8::MAX {
            let digit = match byte.to_ascii_lowercase() {
                b'i' | b'l' => b'1',
                b'o' => b'0',
                other => other,
            };
            let place = ALPHABET.iter().position(|&found| found == digit);
            assert_eq!(place.unwrap_or(usize::from(NO_DIGIT)), usize::from(value(byte)), "{byte}");
        }
    }

    #[test]
    fn digits_are_fives_of_bits_and_nothing_is_lost_on_the_way() {
        let (random, check) = (0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128, 0x2a_5a5a_u32);
        let bit = |place: u32| match place.checked_sub(CHECK_BITS) {
            Some(place) => random >> place & 1,
            None => u128::from(check) >> place & 1,
        };
        let digits = to_digits(random, check);
        for (place, digit) in digits.iter().rev().enumerate() {
            let expected = (0..5).fold(0, |value, of| value | bit(place as u32 * 5 + of) << of);
            assert_eq!(u128::from(*digit), expected, "digit {place} from the right");
        }
        for (random, check) in
            [(random, check), (u128::MAX, 0), (0, (1 << CHECK_BITS) - 1), (1, 1), (1 << 127, 1 << 21)]
        {
            assert_eq!(from_digits(&to_digits(random, check)), (random, check));
        }
    }

    #[test]
    fn every_single_typing_error_is_called_mistyped() {
        let id = SessionId::generate(&Kind::default()).unwrap();
        let start = DEFAULT_KIND.len() + 1;
        for place in start..id.as_str().len() {
            let mut text = id.as_str().to_owned();
            let old = text.as_bytes()[place];
            let new = if old == b'7' { "8" } else { "7" };
            text.replace_range(place..=place, new);
            // 22 bits of check: one wrong digit in four million would pass; none of thirty does but by that chance.
            assert!(matches!(SessionId::parse(&text), Err(IdError::Mistyped)), "{text}");
            let mut short = id.as_str().to_owned();
            short.remove(place);
            assert!(matches!(SessionId::parse(&short), Err(IdError::Mistyped)), "{short}");
        }
    }

    #[test]
    fn foreign_ids_are_kept_verbatim() {
        for text in ["2f1f3a3e-7b7d-4c1e-9f6b-0d6f5e8a9b1c", "sess_0123456789abcdef0123456789abcdef", "X", "a_b"] {
            assert!(matches!(SessionId::parse(text), Ok(ParsedId::Foreign(id)) if id.as_str() == text), "{text}");
        }
        for text in ["", "with space", "\u{e4}", &"x".repeat(257)] {
            assert!(matches!(SessionId::parse(text), Err(IdError::Invalid { .. })), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_id() {
        let id = SessionId::generate(&Kind::default()).unwrap();
        assert!(!format!("{id:?}").contains(&id.as_str()[8..]));
    }
}
