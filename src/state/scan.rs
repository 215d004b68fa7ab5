//! One pass over JSON text: is it one value, is it compact, does an object name a member twice, how deep is it.
//!
//! Iterative and without a tree, so neither the stack nor the heap grows with what a stranger sends; numbers are
//! looked at, never converted, so their spelling stays. Stricter than RFC 8259 where a reader would fail later: a lone
//! surrogate and a number beyond the range of a double are refused.

mod cursor;

use std::borrow::Cow;

use self::cursor::Cursor;
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
    Scan::default().check(text)
}

/// Checks values one after the other; what it needs for one serves the next.
#[derive(Default)]
pub(super) struct Scan<'a> {
    levels: Vec<Level>,
    names: Vec<&'a str>,
}

impl<'a> Scan<'a> {
    /// Checks one JSON value and says whether it is compact already.
    pub(super) fn check(&mut self, text: &'a str) -> Result<bool, Fault> {
        self.levels.clear();
        self.names.clear();
        let Self { levels, names } = self;
        let mut scan = Cursor { text, at: 0, compact: true };
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
                    levels.push(if open == b'{' {
                        Level::Object { names_from: names.len(), escaped: false }
                    } else {
                        Level::Array
                    });
                    if !empty {
                        if open == b'{' {
                            name(&mut scan, levels, names)?;
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
                            name(&mut scan, levels, names)?;
                        }
                        continue 'value;
                    }
                    (Some(Level::Array), Some(b']')) => {}
                    (Some(&Level::Object { names_from, escaped }), Some(b'}')) => {
                        refuse_duplicates(names.get_mut(names_from..).unwrap_or_default(), escaped)?;
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

/// What kind of value checked text is.
pub(super) fn name_of(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

enum Level {
    Array,
    Object {
        names_from: usize,
        /// Whether an escape stands in one of its names.
        escaped: bool,
    },
}

/// Reads the name of a member of the innermost object.
fn name<'a>(scan: &mut Cursor<'a>, levels: &mut [Level], names: &mut Vec<&'a str>) -> Result<(), Fault> {
    let (name, spelled_out) = scan.name()?;
    names.push(name);
    if spelled_out && let Some(Level::Object { escaped, .. }) = levels.last_mut() {
        *escaped = true;
    }
    Ok(())
}

/// Up to so many names are compared each with each: most differ in length.
const FEW: usize = 8;

/// Takes the names of an object as they are spelled.
fn refuse_duplicates(names: &mut [&str], escaped: bool) -> Result<(), Fault> {
    if escaped {
        return refuse_equal(&mut names.iter().map(|name| unescaped(name)).collect::<Vec<_>>());
    }
    let twice = |(index, name)| names.iter().skip(index + 1).any(|other| other == name);
    if names.len() <= FEW && !names.iter().enumerate().any(twice) {
        return Ok(());
    }
    refuse_equal(names)
}

/// Sorting finds equal names without a hash table for each object, and no choice of names makes it slow.
fn refuse_equal<T: AsRef<str> + Ord>(names: &mut [T]) -> Result<(), Fault> {
    names.sort_unstable();
    match names.windows(2).find_map(|pair| if let [a, b] = pair { (a == b).then_some(a) } else { None }) {
        Some(name) => Err(Fault::Duplicate(name.as_ref().to_owned())),
        None => Ok(()),
    }
}

/// A name without its escapes, which have been looked at.
fn unescaped(name: &str) -> Cow<'_, str> {
    let read = || serde_json::from_str(&format!("\"{name}\"")).map_or(Cow::Borrowed(name), Cow::Owned);
    if name.contains('\\') { read() } else { Cow::Borrowed(name) }
}
