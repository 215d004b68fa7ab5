//! One pass over JSON text: is it one value, is it compact, does an object name a member twice, how deep is it.
//!
//! Iterative and without a tree, so neither the stack nor the heap grows with what a stranger sends; numbers are
//! looked at, never converted, so their spelling stays. Stricter than RFC 8259 where a reader would fail later: a lone
//! surrogate and a number beyond the range of a double are refused.

use std::borrow::Cow;

use crate::config::MAX_DEPTH;

/// Why text is not acceptable.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// Not one JSON value.
    Syntax { what: &'static str, at: usize },
    /// An object names this member twice.
    Duplicate(String),
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
}

/// Checks one JSON value and says whether it is compact already.
pub(super) fn check(text: &str) -> Result<bool, Fault> {
    let mut scan = Scan { text, at: 0, compact: true };
    let mut levels: Vec<Level> = Vec::new();
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    'value: loop {
        scan.space();
        match scan.peek() {
            Some(open @ (b'{' | b'[')) => {
                if levels.len() as u64 >= MAX_DEPTH {
                    return Err(Fault::Depth);
                }
                scan.at += 1;
                scan.space();
                let empty = scan.peek() == Some(if open == b'{' { b'}' } else { b']' });
                levels.push(if open == b'{' { Level::Object { names_from: names.len() } } else { Level::Array });
                if !empty {
                    if open == b'{' {
                        names.push(scan.name()?);
                    }
                    continue 'value;
                }
            }
            Some(b'"') => drop(scan.string()?),
            Some(b'-' | b'0'..=b'9') => scan.number()?,
            Some(b't') => scan.literal("true")?,
            Some(b'f') => scan.literal("false")?,
            Some(b'n') => scan.literal("null")?,
            Some(_) => return Err(scan.fault("a value was expected")),
            None => return Err(scan.fault("the text ends where a value was expected")),
        }
        loop {
            scan.space();
            match (levels.last(), scan.peek()) {
                (None, None) => return Ok(scan.compact),
                (None, Some(_)) => return Err(scan.fault("the text goes on after the value")),
                (Some(_), Some(b',')) => {
                    scan.at += 1;
                    if matches!(levels.last(), Some(Level::Object { .. })) {
                        names.push(scan.name()?);
                    }
                    continue 'value;
                }
                (Some(Level::Array), Some(b']')) => {}
                (Some(&Level::Object { names_from }), Some(b'}')) => {
                    refuse_duplicates(names.get_mut(names_from..).unwrap_or_default())?;
                    names.truncate(names_from);
                }
                (Some(_), Some(_)) => return Err(scan.fault("a comma or a closing bracket was expected")),
                (Some(_), None) => return Err(scan.fault("the text ends inside a value")),
            }
            scan.at += 1;
            levels.pop();
        }
    }
}

/// Takes the insignificant white space out of checked text.
pub(super) fn strip(text: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(text.len()), false, false);
    out.extend(text.chars().filter(|&char| {
        let keep = quoted || !matches!(char, ' ' | '\t' | '\n' | '\r');
        if escaped {
            escaped = false;
        } else if char == '"' {
            quoted = !quoted;
        } else {
            escaped = quoted && char == '\\';
        }
        keep
    }));
    out
}

/// The levels of nesting of checked text, and the items of the array or object that it is.
pub(super) fn shape(text: &str) -> (u64, u64) {
    let (mut depth, mut deepest, mut commas, mut quoted, mut escaped) = (0_u64, 0_u64, 0_u64, false, false);
    for byte in text.bytes() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => commas += 1,
            _ => {}
        }
    }
    let empty = deepest == 0 || matches!(text, "[]" | "{}");
    (deepest, if empty { 0 } else { commas + 1 })
}

enum Level {
    Array,
    Object { names_from: usize },
}

/// Sorting finds equal names without a hash table for each object, and no choice of names makes it slow.
fn refuse_duplicates(names: &mut [Cow<'_, str>]) -> Result<(), Fault> {
    names.sort_unstable();
    match names.windows(2).find_map(|pair| if let [a, b] = pair { (a == b).then_some(a) } else { None }) {
        Some(name) => Err(Fault::Duplicate(name.clone().into_owned())),
        None => Ok(()),
    }
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    compact: bool,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax { what, at: self.at }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.compact = false;
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.fault("a value was expected"));
        }
        self.at += word.len();
        Ok(())
    }

    /// A member's name, unescaped, and the colon after it.
    fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.fault("the name of a member was expected"));
        }
        let quoted = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.fault("a colon was expected"));
        }
        self.at += 1;
        if quoted.contains('\\') {
            let name = serde_json::from_str(quoted).map_err(|_| self.fault("the name of a member was expected"))?;
            return Ok(Cow::Owned(name));
        }
        Ok(Cow::Borrowed(quoted.trim_matches('"')))
    }

    /// A string with its quotes, as it is spelled.
    fn string(&mut self) -> Result<&'a str, Fault> {
        let from = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.text.get(from..self.at).unwrap_or_default());
                }
                Some(b'\\') => self.escape()?,
                Some(0..0x20) => return Err(self.fault("a control character stands in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.fault("the text ends inside a string")),
            }
        }
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

    fn number(&mut self) -> Result<(), Fault> {
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
