//! `sessile verify`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use sessile::KeyRing;
use sessile::files::{self, FileError, Verified};

use super::bar::Bar;
use super::{counted, format_name, header_json, one_line, opened_with, print, print_json, wrapping};
use crate::cli::VerifyArgs;
use crate::failure::Failure;

/// Checks every file, and tells of each, whatever the others are.
pub(super) fn run(args: &VerifyArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut told, mut failed, mut refused) = (Vec::new(), 0, false);
    for file in &args.files {
        let bar = Bar::new("checking", args.json);
        let checked = files::verify(file, opened_with(keys).progress(bar.watch()));
        drop(bar);
        if !checked.as_ref().is_ok_and(Verified::is_restorable) {
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

fn as_text(file: &Path, checked: &Result<Verified, FileError>) -> String {
    let name = file.display();
    let mut text = String::new();
    let _ = match checked {
        Ok(held) if held.is_restorable() => {
            let format = format_name(held.header.format);
            let (sessions, ends) = (counted(held.sessions, "session"), counted(held.tombstones, "end"));
            let wrapping = wrapping(held).map(|told| format!(", {told}")).unwrap_or_default();
            writeln!(text, "ok       {name}: {format}, {sessions}, {ends}, {} bytes{wrapping}", held.bytes)
        }
        Ok(held) => {
            let sessions = counted(held.refused, "session");
            writeln!(text, "refused  {name}: it is as it was written, but {sessions} cannot be restored")
        }
        Err(error) => {
            let word = if error.is_refusal() { "refused" } else { "failed " };
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            writeln!(text, "{word}  {error}{cause}\n         hint: {}", error.hint())
        }
    };
    for finding in checked.iter().flat_map(|held| &held.findings) {
        let _ = writeln!(text, "         record {} ({}): {}", finding.index, finding.tag, one_line(&finding.detail));
    }
    text
}

fn as_json(file: &Path, checked: &Result<Verified, FileError>) -> Value {
    let name = file.display().to_string();
    match checked {
        Ok(held) => {
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
