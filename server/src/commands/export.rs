//! `sessile export`.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use sessile::files::{self, FileError, Newest, Verified};
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
    let from = source(args, keys)?;
    let bar = Bar::new("writing", args.json);
    let options = opened_with(keys).seal(args.seal).progress(bar.watch());
    let written = match &from {
        Source::File(from) => files::convert(from, to, format, options)?,
        Source::Folder(found) => found.convert(to, format, options)?,
    };
    drop(bar);
    warn_of(&written.read);
    let (sessions, ends) = (written.read.sessions, written.read.tombstones);
    if args.json {
        let (file, journals) = match &from {
            Source::File(from) => (Some(from), 0),
            Source::Folder(found) => (found.path.as_ref(), found.journals.len()),
        };
        let cut = match &from {
            Source::File(_) => None,
            Source::Folder(found) => found.journal_cut.as_ref(),
        };
        let cut =
            cut.map(|cut| json!({ "file": cut.path.display().to_string(), "detail": cut.detail, "lost": cut.lost }));
        let (file, to) = (file.map(|file| file.display().to_string()), to.display().to_string());
        let header = header_json(&written.read.header);
        let format = format_name(format);
        return print_json(
            out,
            &json!({
                "file": file, "header": header, "to": to, "format": format, "bytes": written.bytes,
                "journals": journals, "journal_cut": cut,
                "sessions": sessions, "ends": ends, "refused": written.read.refused,
            }),
        );
    }
    let (sessions, ends) = (counted(sessions, "session"), counted(ends, "end"));
    print(out, &format!("wrote {sessions} and {ends} to {} ({} bytes)\n", to.display(), written.bytes))
}

fn to_output(args: &ExportArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    // What was printed cannot be taken back, so what is read is known to be whole first.
    let from = source(args, keys)?;
    match &from {
        Source::File(from) => {
            let bar = Bar::new("checking", args.json);
            warn_of(&files::verify(from, opened_with(keys).progress(bar.watch()))?);
        }
        Source::Folder(found) => warn_of(&found.file),
    }
    let mut out = BufWriter::with_capacity(256 << 10, out);
    let written = match &from {
        Source::File(from) => files::write_to(from, &mut out, Format::Json, opened_with(keys)),
        Source::Folder(found) => found.write_to(&mut out, Format::Json, opened_with(keys)),
    };
    written.map_err(|error| match error {
        FileError::Write { source, .. } => Failure::while_doing("writing to stdout")(source),
        other => Failure::from(other),
    })?;
    out.flush().map_err(Failure::while_doing("writing to stdout"))
}

/// What is read.
enum Source {
    File(PathBuf),
    /// What a start would restore; it has been checked.
    Folder(Box<Newest>),
}

fn source(args: &ExportArgs, keys: Option<&KeyRing>) -> Result<Source, Failure> {
    if !args.file.is_dir() {
        return Ok(Source::File(args.file.clone()));
    }
    let found = files::newest(&args.file, opened_with(keys))?;
    for skipped in &found.skipped {
        note(&format!("warning: {skipped}; passed over, what it alone held is not in the export"));
    }
    let journals = counted(found.journals.len() as u64, "journal");
    match &found.path {
        Some(path) if found.journals.is_empty() => note(&format!("from {}", path.display())),
        Some(path) => note(&format!("from {}, with {journals} laid over", path.display())),
        None => note(&format!("from {journals}, without a snapshot")),
    }
    if let Some(cut) = &found.journal_cut {
        let (path, detail) = (cut.path.display(), &cut.detail);
        note(&match cut.lost {
            true => format!("warning: {path}: {detail}; what came after is not in the export"),
            false => format!("{path}: {detail}, of which nobody had been told"),
        });
    }
    Ok(Source::Folder(Box::new(found)))
}

fn warn_of(held: &Verified) {
    for finding in &held.findings {
        note(&format!("warning: record {} ({}) cannot be restored: {}", finding.index, finding.tag, finding.detail));
    }
}

/// Whether a file of any name would stand among a service's snapshots and journals, which then refuses its folder.
fn beside_snapshots(to: &Path) -> bool {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let ours = |name: &str| {
        let snapshot = || name.strip_prefix("snapshot-").and_then(|rest| rest.split_once('.'));
        let journal = || name.strip_prefix("journal-").and_then(|rest| rest.split_once('-'));
        let generation = snapshot().or_else(journal);
        generation.is_some_and(|(number, _)| number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(ours))
}
