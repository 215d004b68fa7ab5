//! `sessile inspect`.

use std::fmt::Write as _;
use std::io::Write;

use indicatif::HumanBytes;
use serde_json::{Value, json};
use sessile::KeyRing;
use sessile::files::{self, Figures, Inspection, OwnerFigures, Role, SessionFigures};

use super::bar::Bar;
use super::{
    counted, format_name, header_json, journal, one_line, opened_with, print, print_json, row, time, wrapping,
};
use crate::cli::InspectArgs;
use crate::failure::Failure;

/// Shows what a file holds.
pub(super) fn run(args: &InspectArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    let bar = Bar::new("reading", args.json);
    if files::is_journal(&args.file)? {
        let held = files::journal(&args.file, opened_with(keys).progress(bar.watch()))?;
        drop(bar);
        return match args.json {
            true => print_json(out, &journal::as_json(&args.file, &held)),
            false => print(out, &journal::as_text(&args.file, &held)),
        };
    }
    let options = opened_with(keys).largest(args.largest).names(args.ids).progress(bar.watch());
    let held = files::inspect(&args.file, options)?;
    drop(bar);
    let name = args.file.display().to_string();
    if args.json { print_json(out, &as_json(&name, &held)) } else { print(out, &as_text(&name, &held)) }
}

fn as_text(name: &str, held: &Inspection) -> String {
    let file = &held.file;
    let header = &file.header;
    let mut text = String::new();
    row(&mut text, "file", name);
    row(&mut text, "format", format_args!("{}, version {}", format_name(header.format), header.version));
    let number = if header.generation == 0 { "export".to_owned() } else { format!("generation {}", header.generation) };
    let written = time(header.written_at);
    row(&mut text, "written", format_args!("{written} by release {}, {number}", one_line(&header.release)));
    row(&mut text, "size", format_args!("{} ({} bytes)", HumanBytes(file.bytes), file.bytes));
    if let Some(wrapping) = wrapping(file) {
        row(&mut text, "wrapped", wrapping);
    }
    let Figures { sessions, entries, bytes, .. } = held.sessions;
    let (sessions, entries) = (counted(sessions, "session"), entries_of(entries));
    let buckets = counted(held.buckets, "bucket");
    row(&mut text, "holds", format_args!("{sessions} ({buckets}), {entries}, {} of state", HumanBytes(bytes)));
    let ends = held.ends;
    let by =
        format!("{} idle, {} lifetime, {} evicted, {} closed", ends.idle, ends.lifetime, ends.evicted, ends.closed);
    row(&mut text, "ends", format_args!("{} ({by})", file.tombstones));
    row(&mut text, "owners", held.owner_count);
    if file.ended > 0 {
        row(&mut text, "ended", format_args!("{} while it was written; not restored", counted(file.ended, "session")));
    }
    for finding in &file.findings {
        row(
            &mut text,
            "refused",
            format_args!("record {} ({}): {}", finding.index, finding.tag, one_line(&finding.detail)),
        );
    }
    let kinds = held.kinds.iter().map(|row| (row.kind.clone(), row.figures));
    table(&mut text, "kind", kinds, held.other_kinds);
    table(&mut text, "owner", held.owners.iter().map(|row| (owner(row), row.figures)), held.other_owners);
    if !held.largest.is_empty() {
        let _ = writeln!(text, "\nlargest sessions");
        held.largest.iter().for_each(|session| largest(&mut text, session));
    }
    text
}

fn table(text: &mut String, head: &str, rows: impl Iterator<Item = (String, Figures)>, others: Figures) {
    let _ = writeln!(text, "\n{head:<32} {:>10} {:>10} {:>14}", "sessions", "entries", "bytes");
    let others = Some(("(others)".to_owned(), others)).filter(|(_, others)| others.sessions > 0);
    for (name, Figures { sessions, entries, bytes, .. }) in rows.chain(others) {
        let _ = writeln!(text, "{name:<32} {sessions:>10} {entries:>10} {bytes:>14}");
    }
}

fn owner(row: &OwnerFigures) -> String {
    match &row.principal {
        Some(principal) => format!("{} {} at {}", row.tag, one_line(principal.subject()), one_line(principal.issuer())),
        None => row.tag.clone(),
    }
}

fn largest(text: &mut String, session: &SessionFigures) {
    let SessionFigures { tag, kind, owner, entries, bytes, revision, .. } = session;
    let used = time(session.last_active_at);
    let entries = entries_of(*entries);
    let what = role(session.role);
    let _ = write!(text, "{tag}  {bytes} bytes, {entries}, {what} of kind {kind}, owner {owner}, ");
    let _ = write!(text, "revision {revision}, used {used}");
    for (word, told) in [("id", &session.id), ("name", &session.name)] {
        if let Some(told) = told {
            let _ = write!(text, ", {word} {told}");
        }
    }
    text.push('\n');
}

fn entries_of(count: u64) -> String {
    format!("{count} {}", if count == 1 { "entry" } else { "entries" })
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Bucket => "bucket",
        Role::Global => "global",
        _ => "session",
    }
}

fn as_json(name: &str, held: &Inspection) -> Value {
    let file = &held.file;
    let findings = file
        .findings
        .iter()
        .map(|finding| json!({ "record": finding.index, "session": finding.tag, "detail": finding.detail }));
    let owners = held.owners.iter().map(|row| {
        let named = row.principal.as_ref();
        let named =
            named.map(|who| json!({ "issuer": who.issuer(), "subject": who.subject(), "client": who.client() }));
        json!({ "owner": row.tag, "principal": named, "figures": figures(row.figures) })
    });
    let kinds = held.kinds.iter().map(|row| json!({ "kind": row.kind, "figures": figures(row.figures) }));
    let largest = held.largest.iter().map(|session| {
        json!({
            "session": session.tag, "role": role(session.role), "kind": session.kind, "owner": session.owner,
            "entries": session.entries, "bytes": session.bytes, "revision": session.revision,
            "created_at": time(session.created_at), "last_active_at": time(session.last_active_at),
            "id": session.id, "name": session.name,
        })
    });
    let ends = held.ends;
    json!({
        "file": name,
        "header": header_json(&file.header),
        "bytes": file.bytes,
        "sealed_under": file.sealed_under,
        "compressed": file.compressed,
        "restorable": file.is_restorable(),
        "ended": file.ended,
        "refused": { "count": file.refused, "findings": findings.collect::<Vec<_>>() },
        "sessions": figures(held.sessions),
        "buckets": held.buckets,
        "ends": {
            "count": file.tombstones,
            "idle": ends.idle, "lifetime": ends.lifetime, "evicted": ends.evicted, "closed": ends.closed,
        },
        "kinds": kinds.collect::<Vec<_>>(),
        "other_kinds": figures(held.other_kinds),
        "owner_count": held.owner_count,
        "owners": owners.collect::<Vec<_>>(),
        "other_owners": figures(held.other_owners),
        "largest": largest.collect::<Vec<_>>(),
    })
}

fn figures(figures: Figures) -> Value {
    json!({ "sessions": figures.sessions, "entries": figures.entries, "bytes": figures.bytes })
}
