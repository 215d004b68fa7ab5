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
    let mut cursor = Cursor::<false>::new(text.as_bytes(), 0);
    Scan::default().value(&mut cursor)?;
    cursor.space();
    match cursor.peek() {
        None => Ok(cursor.compact),
        Some(_) => Err(cursor.fault("the text goes on after the value")),
    }
}

/// Checks values one after the other; what it needs for one serves the next.
#[derive(Default)]
pub(super) struct Scan<'a> {
    /// What stands around the innermost array or object.
    levels: Vec<Level>,
    names: Vec<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// Whether one compact JSON value begins at `at` of some UTF-8 and takes all of it up to `end`.
    ///
    /// Others may follow there: no need to stop short of them, since what runs into them does not end at `end`.
    pub(super) fn compact(&mut self, bytes: &'a [u8], at: usize, end: usize) -> bool {
        // A number alone says by nothing of its own where it ends.
        let number = bytes.get(at).is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        let bytes = if number { bytes.get(..end).unwrap_or_default() } else { bytes };
        let mut cursor = Cursor::<true>::new(bytes, at);
        self.value(&mut cursor).is_ok() && cursor.at == end
    }

    fn value<const COMPACT: bool>(&mut self, scan: &mut Cursor<'a, COMPACT>) -> Result<(), Fault> {
        let Self { levels, names } = self;
        levels.clear();
        names.clear();
        let mut inside = Level::Nothing;
        'value: loop {
            scan.space();
            match scan.peek() {
                Some(b'"') => drop(scan.string()?),
                Some(b'-' | b'0'..=b'9') => scan.number()?,
                Some(open @ (b'{' | b'[')) => {
                    if levels.len() as u64 >= MAX_DEPTH {
                        return Err(Fault::Depth);
                    }
                    levels.push(inside);
                    scan.at += 1;
                    scan.space();
                    if open == b'{' {
                        inside = Level::Object { names_from: names.len(), escaped: false };
                        if scan.peek() != Some(b'}') {
                            name(scan, &mut inside, names)?;
                            continue 'value;
                        }
                    } else {
                        inside = Level::Array;
                        if scan.peek() != Some(b']') {
                            continue 'value;
                        }
                    }
                }
                Some(b't') => scan.literal(b"true")?,
                Some(b'f') => scan.literal(b"false")?,
                Some(b'n') => scan.literal(b"null")?,
                Some(_) => return Err(scan.fault("a value was expected")),
                None => return Err(scan.fault("the text ends where a value was expected")),
            }
            loop {
                match inside {
                    Level::Nothing => return Ok(()),
                    Level::Array => match scan.after() {
                        Some(b',') => {
                            scan.at += 1;
                            continue 'value;
                        }
                        Some(b']') => {}
                        other => return Err(scan.unended(other)),
                    },
                    Level::Object { names_from, escaped } => match scan.after() {
                        Some(b',') => {
                            scan.at += 1;
                            name(scan, &mut inside, names)?;
                            continue 'value;
                        }
                        Some(b'}') => {
                            refuse_duplicates(names.get_mut(names_from..).unwrap_or_default(), escaped)?;
                            names.truncate(names_from);
                        }
                        other => return Err(scan.unended(other)),
                    },
                }
                scan.at += 1;
                inside = levels.pop().unwrap_or(Level::Nothing);
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

/// What the place that is looked at stands in.
enum Level {
    Nothing,
    Array,
    Object {
        names_from: usize,
        /// Whether an escape stands in one of its names.
        escaped: bool,
    },
}

/// Reads the name of a member of the innermost object.
#[inline]
fn name<'a, const COMPACT: bool>(
    scan: &mut Cursor<'a, COMPACT>,
    inside: &mut Level,
    names: &mut Vec<&'a [u8]>,
) -> Result<(), Fault> {
    let (name, spelled_out) = scan.name()?;
    names.push(name);
    if spelled_out && let Level::Object { escaped, .. } = inside {
        *escaped = true;
    }
    Ok(())
}

/// Up to so many names are compared each with each: most differ in length.
const FEW: usize = 8;

/// Takes the names of an object as they are spelled.
fn refuse_duplicates(names: &mut [&[u8]], escaped: bool) -> Result<(), Fault> {
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
fn refuse_equal<T: AsRef<[u8]> + Ord>(names: &mut [T]) -> Result<(), Fault> {
    names.sort_unstable();
    match names.windows(2).find_map(|pair| if let [a, b] = pair { (a == b).then_some(a) } else { None }) {
        Some(name) => Err(Fault::Duplicate(String::from_utf8_lossy(name.as_ref()).into_owned())),
        None => Ok(()),
    }
}

/// A name without its escapes, which have been looked at.
fn unescaped(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let quoted = [b"\"", name, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).map_or(Cow::Borrowed(name), |name| Cow::Owned(name.into_bytes()))
}
