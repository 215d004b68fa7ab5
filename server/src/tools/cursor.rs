//! Where a page of keys ended: opaque to the caller, and good whatever is deleted meanwhile.

use std::fmt::Write as _;

/// Marks the first layout of a cursor, so that another can follow.
const MARK: &str = "k";

/// The cursor of a page that ended with this key.
pub(super) fn after(key: &str) -> String {
    let mut text = String::with_capacity(MARK.len() + key.len() * 2);
    text.push_str(MARK);
    for byte in key.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The key that a page ended with; `None` when the text is no cursor.
pub(super) fn key(text: &str) -> Option<String> {
    let digits = text.strip_prefix(MARK)?.as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_gives_back_its_key_and_nothing_else_passes() {
        for text in ["a", "gr\u{fc}n", "with space"] {
            assert_eq!(key(&after(text)).as_deref(), Some(text));
        }
        for text in ["", "x", "k1", "kzz", "kff", "k\u{fc}\u{fc}"] {
            assert_eq!(key(text), None, "{text}");
        }
    }
}
