//! `sessile export`.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use sessile::files::{self, FileError, Verified};
use sessile::{Format, KeyRing};

use super::bar::Bar;
use super::{counted, format_name, header_json, note, opened_with, print, print_json};
use crate::cli::{ExportArgs, ExportFormat};
use crate::failure::Failure;

/// Writes what a file holds to another file, or to `out`.
pub(super) fn run(args: &ExportArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    let format = match args.format {
        ExportFormat::Bincode => Format::Bincode,
        ExportFormat::Json => Format::Json,
    };
    match &args.to {
        None if format == Format::Bincode => {
            Err(Failure::Usage("bincode is not written to stdout; name a file with --to, or leave out --format"))
        }
        None => to_output(args, keys, out),
        Some(to) if beside_snapshots(to) => Err(Failure::Usage(
            "a server refuses a snapshots folder with other files in it; name another folder in --to",
        )),
        Some(_) if args.seal && keys.is_none() => {
            Err(Failure::Usage("there is no key to seal the file under; name a key file with --key-file"))
        }
        Some(to) => to_file(args, to, format, keys, out),
    }
}

fn to_file(
    args: &ExportArgs,
    to: &Path,
    format: Format,
    keys: Option<&KeyRing>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (from, _) = source(args, keys)?;
    let bar = Bar::new("writing", args.json);
    let written = files::convert(&from, to, format, opened_with(keys).seal(args.seal).progress(bar.watch()))?;
    drop(bar);
    warn_of(&written.read);
    let (sessions, ends) = (written.read.sessions, written.read.tombstones);
    if args.json {
        let (from, to) = (from.display().to_string(), to.display().to_string());
        let header = header_json(&written.read.header);
        let format = format_name(format);
        return print_json(
            out,
            &json!({
                "file": from, "header": header, "to": to, "format": format, "bytes": written.bytes,
                "sessions": sessions, "ends": ends, "refused": written.read.refused,
            }),
        );
    }
    let (sessions, ends) = (counted(sessions, "session"), counted(ends, "end"));
    print(out, &format!("wrote {sessions} and {ends} to {} ({} bytes)\n", to.display(), written.bytes))
}

fn to_output(args: &ExportArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    let (from, verified) = source(args, keys)?;
    // What was printed cannot be taken back, so the file is known to be whole first.
    let verified = match verified {
        Some(verified) => verified,
        None => {
            let bar = Bar::new("checking", args.json);
            files::verify(&from, opened_with(keys).progress(bar.watch()))?
        }
    };
    warn_of(&verified);
    let mut out = BufWriter::with_capacity(256 << 10, out);
    files::write_to(&from, &mut out, Format::Json, opened_with(keys)).map_err(|error| match error {
        FileError::Write { source, .. } => Failure::while_doing("writing to stdout")(source),
        other => Failure::from(other),
    })?;
    out.flush().map_err(Failure::while_doing("writing to stdout"))
}

/// The file to read; of a folder, its newest valid one, which has been checked.
fn source(args: &ExportArgs, keys: Option<&KeyRing>) -> Result<(PathBuf, Option<Verified>), Failure> {
    if !args.file.is_dir() {
        return Ok((args.file.clone(), None));
    }
    let newest = files::newest(&args.file, opened_with(keys))?;
    for skipped in &newest.skipped {
        note(&format!("warning: {skipped}; passed over, what it held is not in the export"));
    }
    note(&format!("from {}", newest.path.display()));
    Ok((newest.path, Some(newest.file)))
}

fn warn_of(held: &Verified) {
    for finding in &held.findings {
        note(&format!("warning: record {} ({}) cannot be restored: {}", finding.index, finding.tag, finding.detail));
    }
}

/// Whether a file of any name would stand among a service's snapshots, which then refuses its folder.
fn beside_snapshots(to: &Path) -> bool {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let ours = |name: &str| {
        let generation = name.strip_prefix("snapshot-").and_then(|rest| rest.split_once('.'));
        generation.is_some_and(|(number, _)| number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(ours))
}
