//! What must not be found in what others read, and where it was.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Bytes by which a secret is known: the odds that other text has them by chance are one in 2^80.
const LENGTH: usize = 16;

/// Secrets, each by the first and by the last of its bytes, in lower case, with what it is and whose, by number.
#[derive(Default)]
pub(crate) struct Needles {
    known: HashMap<[u8; LENGTH], (&'static str, usize)>,
    count: usize,
}

impl Needles {
    /// Thirty-two letters and digits that are nobody else's, planted.
    pub(crate) fn secret(&mut self, what: &'static str, whose: usize) -> String {
        let mut text = String::new();
        while text.len() < 2 * LENGTH {
            // Keyed by the system, once a thread, and another one each time.
            let mut bits = RandomState::new().build_hasher().finish();
            for _ in 0..8 {
                text.push(char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(bits % 32) as usize]));
                bits /= 32;
            }
        }
        self.plant(what, whose, &text);
        text
    }

    /// Plants a secret: the random part of it alone, if it is a minted id.
    pub(crate) fn plant(&mut self, what: &'static str, whose: usize, text: &str) {
        let random = text.rsplit_once('_').map_or(text, |(_, digits)| digits).to_ascii_lowercase();
        for end in [random.as_bytes().first_chunk(), random.as_bytes().last_chunk()] {
            self.known.insert(*end.unwrap(), (what, whose));
        }
        self.count += 1;
    }

    pub(crate) fn extend(&mut self, more: Self) {
        self.known.extend(more.known);
        self.count += more.count;
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The first secret that is in a text, in whatever case, and is not `own`: what it is, and the line that it ends in.
    pub(crate) fn find(&self, text: &str, own: Option<usize>) -> Option<String> {
        let lower = text.to_ascii_lowercase();
        let found = lower.as_bytes().array_windows().enumerate().find_map(|(at, window)| {
            let (what, whose) = self.known.get(window)?;
            (Some(*whose) != own).then_some((at + LENGTH, *what))
        });
        found.map(|(end, what)| {
            let line = String::from_utf8_lossy(&text.as_bytes()[end.saturating_sub(200)..end]).into_owned();
            format!("{what}, at the end of: {line}")
        })
    }
}
