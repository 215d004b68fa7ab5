//! "Did you mean": the known name nearest to a mistyped one.

/// The known name nearest to `written`, where one is near enough.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = written.to_ascii_lowercase().replace('_', "-");
    let scored = known.iter().map(|name| (distance(&written, name), *name));
    scored.min().filter(|(steps, name)| *steps * 3 <= name.len().max(3)).map(|(_, name)| name)
}

/// The number of characters to insert, delete or replace to make `from` into `to`.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(to.chars()) {
            let above = *cell;
            let replaced = diagonal + usize::from(left != right);
            *cell = replaced.min(above + 1).min(before + 1);
            diagonal = above;
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (from, to, steps) in [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("addr", "addr", 0)] {
            assert_eq!(distance(from, to), steps, "{from} to {to}");
        }
    }

    #[test]
    fn names_only_what_is_near() {
        let known = ["idle-timeout", "max-sessions", "addr"];
        assert_eq!(nearest("idle_timeout", &known), Some("idle-timeout"));
        assert_eq!(nearest("max-session", &known), Some("max-sessions"));
        assert_eq!(nearest("adr", &known), Some("addr"));
        assert_eq!(nearest("colour", &known), None);
    }
}
