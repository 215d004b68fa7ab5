//! The tokens of JSON.

use std::borrow::Cow;

use super::Fault;

/// Bytes of a string that are looked at together.
const STEP: usize = 16;

/// A place in the text, and whether no white space was met on the way there.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) compact: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax { what, at: self.at }
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.compact = false;
            self.at += 1;
        }
    }

    pub(super) fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.fault("a value was expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A member's name, unescaped, and the colon after it.
    pub(super) fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.fault("the name of a member was expected"));
        }
        let (name, escaped) = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.fault("a colon was expected"));
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(name));
        }
        let quoted = format!("\"{name}\"");
        serde_json::from_str(&quoted).map(Cow::Owned).map_err(|_| self.fault("the name of a member was expected"))
    }

    /// What a string holds, as it is spelled, and whether there is an escape in it.
    pub(super) fn string(&mut self) -> Result<(&'a str, bool), Fault> {
        self.at += 1;
        let (from, mut escaped) = (self.at, false);
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => {
                    let held = self.text.get(from..self.at).unwrap_or_default();
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

    /// Goes over what stands for itself in a string: in steps first, which the compiler makes one comparison each.
    fn plain(&mut self) {
        let ends = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (steps, _) = rest.as_chunks::<STEP>();
        let whole = steps.iter().take_while(|step| !step.iter().fold(false, |found, byte| found | ends(byte))).count();
        let rest = rest.get(whole * STEP..).unwrap_or_default();
        self.at += whole * STEP + rest.iter().take_while(|byte| !ends(byte)).count();
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.unit()? {
                0xDC00..=0xDFFF => return Err(self.fault("a string holds half of a surrogate pair")),
                0xD800..=0xDBFF => {
                    let low = self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\u"));
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
        let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or_default();
        if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.fault("four hexadecimal digits were expected"));
        }
        self.at += 5;
        Ok(u32::from_str_radix(digits, 16).unwrap_or_default())
    }

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
        let text = self.text.get(from..self.at).unwrap_or_default();
        // Below 309 digits without an exponent nothing leaves the range of a double.
        if (exponent || text.len() > 300) && !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(self.fault("a number is beyond the range of a double"));
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.fault("a digit was expected")) } else { Ok(()) }
    }
}
