//! The tokens of JSON.

use super::Fault;

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks the first of eight bytes that does not stand for itself in a string: a quote, a backslash or a control
/// character. Those after it may be marked without being one.
const fn first_special(word: u64) -> u64 {
    let (quote, backslash) = (word ^ eight(b'"'), word ^ eight(b'\\'));
    // None of the three changes the highest bit of a byte, and a byte that has it is not special.
    let below = word.wrapping_sub(eight(0x20)) | quote.wrapping_sub(eight(1)) | backslash.wrapping_sub(eight(1));
    below & !word & eight(0x80)
}

/// A place in the text, and whether no white space was met on the way there; none is let pass where it must be `COMPACT`.
pub(super) struct Cursor<'a, const COMPACT: bool> {
    bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) compact: bool,
}

impl<'a, const COMPACT: bool> Cursor<'a, COMPACT> {
    /// A place in UTF-8.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, compact: true }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[cold]
    pub(super) fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax { what, at: self.at }
    }

    /// Why neither a comma nor the right bracket stands after a value.
    #[cold]
    pub(super) fn unended(&self, found: Option<u8>) -> Fault {
        self.fault(match found {
            Some(_) => "a comma or a closing bracket was expected",
            None => "the text ends inside a value",
        })
    }

    #[inline]
    pub(super) fn space(&mut self) {
        while !COMPACT && matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.compact = false;
            self.at += 1;
        }
    }

    /// What stands after a value.
    #[inline]
    pub(super) fn after(&mut self) -> Option<u8> {
        self.space();
        self.peek()
    }

    #[inline]
    pub(super) fn literal(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.fault("a value was expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A member's name, as [`Cursor::string`] gives it, and the colon after it.
    #[inline]
    pub(super) fn name(&mut self) -> Result<(&'a [u8], bool), Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.fault("the name of a member was expected"));
        }
        let name = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.fault("a colon was expected"));
        }
        self.at += 1;
        Ok(name)
    }

    /// What a string holds, as it is spelled, and whether there is an escape in it.
    #[inline]
    pub(super) fn string(&mut self) -> Result<(&'a [u8], bool), Fault> {
        self.at += 1;
        let (from, mut escaped) = (self.at, false);
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => {
                    let held = self.bytes.get(from..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok((held, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..0x20) => return Err(self.fault("a control character stands in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("the text ends inside a string")),
            }
        }
    }

    /// Goes over what stands for itself in a string, eight bytes at a time while there are as many.
    #[inline]
    fn plain(&mut self) {
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        while let Some((step, after)) = rest.split_first_chunk() {
            match first_special(u64::from_le_bytes(*step)) {
                0 => rest = after,
                found => {
                    self.at = self.bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
                    return;
                }
            }
        }
        self.at = self.bytes.len() - rest.len();
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.unit()? {
                0xDC00..=0xDFFF => return Err(self.fault("a string holds half of a surrogate pair")),
                0xD800..=0xDBFF => {
                    let low = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
                    self.at += usize::from(low);
                    if !low || !(0xDC00..=0xDFFF).contains(&self.unit()?) {
                        return Err(self.fault("a string holds half of a surrogate pair"));
                    }
                }
                _ => {}
            },
            _ => return Err(self.fault("an escape is not one of json's")),
        }
        Ok(())
    }

    /// `uXXXX`, from the `u` on.
    fn unit(&mut self) -> Result<u32, Fault> {
        let digits: Option<&[u8; 4]> = self.bytes.get(self.at + 1..).and_then(<[u8]>::first_chunk);
        let value = |digits: &[u8; 4]| {
            digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
        };
        let Some(unit) = digits.and_then(value) else {
            return Err(self.fault("four hexadecimal digits were expected"));
        };
        self.at += 5;
        Ok(unit)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<(), Fault> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // Below 309 digits without an exponent nothing leaves the range of a double.
        if (exponent || self.at - from > 300) && !self.in_range(from) {
            return Err(self.fault("a number is beyond the range of a double"));
        }
        Ok(())
    }

    fn in_range(&self, from: usize) -> bool {
        let text = str::from_utf8(self.bytes.get(from..self.at).unwrap_or_default()).unwrap_or_default();
        text.parse::<f64>().is_ok_and(f64::is_finite)
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.fault("a digit was expected")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_special_is_marked_whatever_stands_around_it() {
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        for around in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            for (place, byte) in (0..8).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
                let mut bytes = [around; 8];
                bytes[place] = byte;
                let expected = bytes.iter().position(|&byte| special(byte)).unwrap_or(8);
                let found = first_special(u64::from_le_bytes(bytes)).trailing_zeros() as usize / 8;
                assert_eq!(found, expected, "{bytes:?}");
            }
        }
    }
}
