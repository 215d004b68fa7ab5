//! `sessile verify`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sessile::KeyRing;
use sessile::files::{self, FileError, Journal, Options, Verified};

use super::bar::Bar;
use super::{counted, format_name, header_json, journal, one_line, opened_with, print, print_json, wrapping};
use crate::cli::VerifyArgs;
use crate::failure::Failure;

/// What a file turned out to be.
enum Checked {
    State(Verified),
    Journal(Journal),
    /// Nothing that holds state: why not.
    Beside(&'static str),
}

impl Checked {
    const fn is_ok(&self) -> bool {
        match self {
            Self::State(held) => held.is_restorable(),
            Self::Journal(held) => held.is_whole(),
            Self::Beside(_) => true,
        }
    }
}

/// Checks every file, and tells of each, whatever the others are.
pub(super) fn run(args: &VerifyArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut told, mut failed, mut refused) = (Vec::new(), 0, false);
    for file in &args.files {
        let bar = Bar::new("checking", args.json);
        let checked = check(file, opened_with(keys).progress(bar.watch()));
        drop(bar);
        if !checked.as_ref().is_ok_and(Checked::is_ok) {
            failed += 1;
            refused |= checked.as_ref().err().is_none_or(FileError::is_refusal);
        }
        if args.json {
            told.push(as_json(file, &checked));
        } else {
            print(out, &as_text(file, &checked))?;
        }
    }
    if args.json {
        print_json(out, &json!({ "ok": failed == 0, "files": told }))?;
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Files { failed, all: args.files.len(), refused }),
    }
}

fn check(file: &Path, options: Options<'_>) -> Result<Checked, FileError> {
    if let Some(why) = beside(file) {
        return Ok(Checked::Beside(why));
    }
    if !files::is_journal(file)? {
        return files::verify(file, options).map(Checked::State);
    }
    match files::journal(file, options) {
        Err(FileError::Unbegun { .. }) => {
            Ok(Checked::Beside("a journal that holds nothing, its creation was cut short"))
        }
        checked => checked.map(Checked::Journal),
    }
}

/// What a folder of snapshots holds beside state, so that `FOLDER/*` can be checked.
fn beside(file: &Path) -> Option<&'static str> {
    let about = file.symlink_metadata().ok()?;
    match file.file_name()?.to_str()? {
        "lock" if about.is_file() && about.len() == 0 => Some("the lock of its folder"),
        "quarantine" if about.is_dir() => Some("what was put aside as damaged"),
        name if name.starts_with("snapshot-") && name.ends_with(".tmp") => {
            Some("a snapshot that is being written, or was cut short; the next start removes it")
        }
        _ => None,
    }
}

fn as_text(file: &Path, checked: &Result<Checked, FileError>) -> String {
    let name = file.display();
    let mut text = String::new();
    let _ = match checked {
        Ok(Checked::Beside(why)) => writeln!(text, "skipped  {name}: {why}"),
        Ok(Checked::Journal(held)) => {
            let word = if held.is_whole() { "ok     " } else { "refused" };
            writeln!(text, "{word}  {name}: {}", journal::line(held))
        }
        Ok(Checked::State(held)) if held.is_restorable() => {
            let format = format_name(held.header.format);
            let (sessions, ends) = (counted(held.sessions, "session"), counted(held.tombstones, "end"));
            let wrapping = wrapping(held).map(|told| format!(", {told}")).unwrap_or_default();
            writeln!(text, "ok       {name}: {format}, {sessions}, {ends}, {} bytes{wrapping}", held.bytes)
        }
        Ok(Checked::State(held)) => {
            let sessions = counted(held.refused, "session");
            writeln!(text, "refused  {name}: it is as it was written, but {sessions} cannot be restored")
        }
        Err(error) => {
            let word = if error.is_refusal() { "refused" } else { "failed " };
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            writeln!(text, "{word}  {error}{cause}\n         hint: {}", error.hint())
        }
    };
    let findings = match checked {
        Ok(Checked::State(held)) => held.findings.as_slice(),
        _ => &[],
    };
    for finding in findings {
        let _ = writeln!(text, "         record {} ({}): {}", finding.index, finding.tag, one_line(&finding.detail));
    }
    text
}

fn as_json(file: &Path, checked: &Result<Checked, FileError>) -> Value {
    let name = file.display().to_string();
    match checked {
        Ok(Checked::Beside(why)) => json!({ "file": name, "ok": true, "skipped": why }),
        Ok(Checked::Journal(held)) => journal::as_json(file, held),
        Ok(Checked::State(held)) => {
            let findings = held
                .findings
                .iter()
                .map(|finding| json!({ "record": finding.index, "session": finding.tag, "detail": finding.detail }));
            json!({
                "file": name, "ok": held.is_restorable(), "header": header_json(&held.header), "bytes": held.bytes,
                "sealed_under": held.sealed_under, "compressed": held.compressed,
                "sessions": held.sessions, "ended": held.ended, "ends": held.tombstones,
                "refused": { "count": held.refused, "findings": findings.collect::<Vec<_>>() },
            })
        }
        Err(error) => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let error = json!({
                "kind": kind(error), "message": error.to_string(), "cause": cause, "hint": error.hint(),
            });
            json!({ "file": name, "ok": false, "error": error })
        }
    }
}

/// A stable word for programs.
const fn kind(error: &FileError) -> &'static str {
    match error {
        FileError::Empty { .. } => "empty",
        FileError::NotOurs { .. } => "not_ours",
        FileError::Journal { .. } => "journal",
        FileError::Truncated { .. } => "truncated",
        FileError::Damaged { .. } => "damaged",
        FileError::Newer { .. } => "newer_version",
        FileError::Sealed { .. } => "sealed",
        FileError::Unbuilt { .. } => "unbuilt",
        FileError::Record { .. } => "record",
        FileError::Read { .. } => "read",
        _ => "other",
    }
}
