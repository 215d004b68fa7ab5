//! What must not be found, and where it was.

use std::collections::HashMap;

use super::super::random::Random;

/// Bytes by which a secret is known: the odds that other text has them by chance are one in 2^80.
const LENGTH: usize = 16;

/// Secrets, each by its first bytes in lower case, with what it is.
#[derive(Default)]
pub(super) struct Needles(HashMap<[u8; LENGTH], String>);

/// Sixteen letters and digits that are nobody else's.
pub(super) fn secret(random: &mut Random) -> String {
    (0..LENGTH).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[random.below(32) as usize])).collect()
}

impl Needles {
    /// Plants a secret: the random part of it alone, if it is a minted id.
    pub(super) fn plant(&mut self, what: &str, text: &str) {
        let random = text.rsplit_once('_').map_or(text, |(_, digits)| digits);
        let head = random.as_bytes().first_chunk::<LENGTH>().unwrap();
        self.0.insert(head.to_ascii_lowercase().try_into().unwrap(), what.to_owned());
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Which secret is in these bytes, in whatever case, and beside what.
    pub(super) fn find(&self, place: &str, bytes: &[u8]) -> Result<(), String> {
        let lower = bytes.to_ascii_lowercase();
        for (at, window) in lower.windows(LENGTH).enumerate() {
            if let Some(what) = self.0.get(window) {
                let line = &bytes[at.saturating_sub(80)..(at + LENGTH).min(bytes.len())];
                return Err(format!("{what} is in {place}: {}", String::from_utf8_lossy(line)));
            }
        }
        Ok(())
    }
}

#[test]
fn a_secret_is_found_wherever_it_begins() {
    let mut needles = Needles::default();
    needles.plant("an id", "cart_0123456789abcdefghjkmnpqrstvwx");
    assert!(needles.find("a text", b"session=CART_0123456789ABCDEFGH gone").is_err());
    assert!(needles.find("a text", b"session=CART_0123456789ABCDEF").is_err());
    assert!(needles.find("a text", b"session=123456789abcdefg").is_ok());
}
