//! The text of a tokens file: lines of `subject = "SHA-256 hex of the bearer token"`.

use std::collections::HashMap;

use garde::Validate;
use sessile::mcp::TokenHash;
use toml::de::{DeTable, DeValue};

/// Bytes of a subject.
const MAX_SUBJECT: usize = 256;

/// A line that says who presents which token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) subject: Box<str>,
    pub(super) hash: TokenHash,
}

#[derive(Validate)]
struct Raw<'a> {
    #[garde(length(bytes, min = 1, max = MAX_SUBJECT), custom(printable))]
    subject: &'a str,
    #[garde(custom(sha256))]
    hash: &'a str,
}

#[derive(Validate)]
struct Subject<'a> {
    #[garde(length(bytes, min = 1, max = MAX_SUBJECT), custom(printable))]
    subject: &'a str,
}

/// Reads all lines, or tells all that is wrong with them. No message repeats a value: it may be a token put there in
/// place of its hash.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, Vec<String>> {
    let number = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<(usize, String)> = errors
        .iter()
        .map(|error| (number(error.span().map_or(0, |span| span.start)), syntax(error.message())))
        .collect();
    let mut lines = Vec::new();
    for (key, value) in table.get_ref() {
        let at = number(key.span().start);
        match line(at, key.get_ref(), value.get_ref()) {
            Ok(line) => lines.push(line),
            // Where the text is no TOML, a value that was made up to go on tells nothing new.
            Err(_) if problems.iter().any(|(line, _)| *line == at) => {}
            Err(wrong) => problems.push((at, format!("{}: {wrong}", shown(key.get_ref())))),
        }
    }
    lines.sort_by_key(|line| line.number);
    let mut seen = HashMap::new();
    for line in &lines {
        if let Some(first) = seen.insert(line.hash, line) {
            let (subject, first) = (shown(&line.subject), shown(&first.subject));
            problems.push((line.number, format!("{subject}: has the token of {first}; give each a token of its own")));
        }
    }
    problems.sort();
    let problems: Vec<_> = problems.into_iter().map(|(line, problem)| format!("line {line}: {problem}")).collect();
    if problems.is_empty() { Ok(lines) } else { Err(problems) }
}

/// Checks a subject alone.
pub(super) fn check_subject(subject: &str) -> Result<(), String> {
    Subject { subject }.validate().map_err(|report| join(&report))
}

/// A subject as messages show it: quoted, escaped, not too long.
pub(super) fn shown(subject: &str) -> String {
    let mut start: String = subject.chars().take(64).collect();
    if start.len() < subject.len() {
        start.push('…');
    }
    format!("{start:?}")
}

fn line(number: usize, subject: &str, value: &DeValue<'_>) -> Result<Line, String> {
    let hash = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Table(_) => return Err("is a table; write one line, the name in quotes: \"name\" = \"hash\"".into()),
        other => return Err(format!("is of type {}; write the hash in quotes", other.type_str())),
    };
    let raw = Raw { subject, hash };
    raw.validate().map_err(|report| join(&report))?;
    let hash = TokenHash::from_hex(raw.hash).ok_or("the value is not a hash")?;
    Ok(Line { number, subject: raw.subject.into(), hash })
}

fn join(report: &garde::Report) -> String {
    report.iter().map(|(field, error)| format!("the {field} {}", error.message())).collect::<Vec<_>>().join("; ")
}

fn syntax(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    format!("not valid TOML: {message}; write \"name\" = \"hash\", both in quotes, each name once")
}

fn printable(text: &str, _: &()) -> garde::Result {
    if text.chars().any(char::is_control) { Err(garde::Error::new("has control characters")) } else { Ok(()) }
}

fn sha256(text: &str, _: &()) -> garde::Result {
    TokenHash::from_hex(text).map(|_| ()).ok_or_else(|| {
        garde::Error::new("is not 64 lower-case hexadecimal digits: write the SHA-256 of the token, never the token")
    })
}
