//! Commands on files of state: what they print is for people, or JSON where `--json` asks for it.

mod bar;
mod export;
mod import;
mod inspect;
mod journal;
mod verify;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::Value;
use sessile::files::{Header, Options, Verified};
use sessile::{Format, KeyRing, Timestamp};

use crate::cli::FileCommand;
use crate::failure::Failure;
use crate::options::{Variable, keys_for_command};

/// Runs a command; its answer goes to `out`, all else to stderr.
pub(crate) fn run(
    command: FileCommand,
    environment: impl IntoIterator<Item = Variable>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let file = match &command {
        FileCommand::Inspect(args) => &args.key_file,
        FileCommand::Verify(args) => &args.key_file,
        FileCommand::Export(args) => &args.key_file,
        FileCommand::Import(args) => &args.key_file,
    };
    let keys = keys_for_command(file.as_deref(), environment)?;
    match command {
        FileCommand::Inspect(args) => inspect::run(&args, keys.as_ref(), out),
        FileCommand::Verify(args) => verify::run(&args, keys.as_ref(), out),
        FileCommand::Export(args) => export::run(&args, keys.as_ref(), out),
        FileCommand::Import(args) => import::run(&args, keys.as_ref(), out),
    }
}

/// How files are read: with these keys, and as the default says.
fn opened_with<'a>(keys: Option<&KeyRing>) -> Options<'a> {
    match keys {
        Some(keys) => Options::default().keys(keys.clone()),
        None => Options::default(),
    }
}

/// Text that a terminal takes for text: what comes out of a file must not steer it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

/// Text from a file that must not look like rows of its own.
fn one_line(text: &str) -> Cow<'_, str> {
    match plain(text) {
        text if text.contains('\n') => Cow::Owned(text.replace('\n', "\\n")),
        text => text,
    }
}

/// Prints an answer for people.
fn print(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    let text = plain(text);
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::while_doing("printing"))
}

/// Prints an answer for programs.
fn print_json(out: &mut dyn Write, value: &Value) -> Result<(), Failure> {
    let printed = serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from);
    printed.and_then(|()| writeln!(out)).and_then(|()| out.flush()).map_err(Failure::while_doing("printing"))
}

/// Tells something beside the answer.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// One row: a word and what it stands for.
fn row(text: &mut String, word: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{word:<10}{value}");
}

fn time(at: Timestamp) -> String {
    humantime::format_rfc3339_micros(at.to_system_time()).to_string()
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Bincode => "bincode",
        Format::Json => "json",
    }
}

fn header_json(header: &Header) -> Value {
    serde_json::json!({
        "format": format_name(header.format),
        "version": header.version,
        "written_at": time(header.written_at),
        "generation": header.generation,
        "release": header.release,
    })
}

/// What lies around the bytes of the format: `sealed under key 0011223344556677, compressed`.
fn wrapping(held: &Verified) -> Option<String> {
    let seal = held.sealed_under.as_ref().map(|key| format!("sealed under key {key}"));
    let compressed = held.compressed.then(|| "compressed".to_owned());
    let told: Vec<_> = seal.into_iter().chain(compressed).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// `1 session`, `2 sessions`.
fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_file_does_not_steer_the_terminal() {
        assert!(matches!(plain("two\nlines \u{e4}"), Cow::Borrowed(_)));
        assert_eq!(plain("a\u{1b}[2Jb\r\u{9b}"), "a\\u{1b}[2Jb\\r\\u{9b}");
        assert_eq!(one_line("a\nok b"), "a\\nok b");
    }

    #[test]
    fn counts_one_and_many() {
        assert_eq!((counted(1, "end"), counted(0, "end")), ("1 end".to_owned(), "0 ends".to_owned()));
    }
}
