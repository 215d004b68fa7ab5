//! `sessile import`.

mod report;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sessile::files;
use sessile::{Format, ImportOptions, ImportOutcome, ImportReport, KeyRing, SessionService, StartError};

use super::bar::Bar;
use super::{note, opened_with};
use crate::cli::{ImportArgs, OnConflict};
use crate::failure::Failure;
use crate::service::is_refusal;
use report::Imported;

/// A server may allow any number of sessions; it counts those of its folder when it starts.
const MOST_SESSIONS: u64 = 1 << 32;

/// Brings the sessions of a file into a folder.
pub(super) fn run(args: &ImportArgs, keys: Option<&KeyRing>, out: &mut dyn Write) -> Result<(), Failure> {
    // First the file: a folder is not touched for one that is refused.
    let bar = Bar::new("checking", args.json);
    files::verify(&args.file, opened_with(keys).accept_edited(args.accept_edited).progress(bar.watch()))?;
    drop(bar);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::while_doing("starting threads"))?;
    let (report, snapshot) = runtime.block_on(import(args, keys))?;
    let imported = Imported::new(args, &report, snapshot);
    imported.print(out)?;
    match imported.totals.refused {
        0 => Ok(()),
        refused => Err(Failure::Items { refused, all: report.items.len() }),
    }
}

async fn import(args: &ImportArgs, keys: Option<&KeyRing>) -> Result<(ImportReport, Option<PathBuf>), Failure> {
    let mut builder = SessionService::builder()
        .max_sessions(MOST_SESSIONS)
        .max_sessions_per_owner(MOST_SESSIONS)
        .format(format_in(&args.snapshots))
        // The one at the end holds everything; how many are kept is for the server to say.
        .snapshots_on_request(true);
    if let Some(keys) = keys {
        builder = builder.keys(keys.clone());
    }
    // A dry run into a folder that is not there makes none.
    if !args.dry_run || args.snapshots.is_dir() {
        builder = builder.snapshots(&args.snapshots);
    }
    let service = builder.start().await.map_err(|error| match error {
        StartError::Locked(folder) => Failure::InUse(folder),
        error if is_refusal(&error) => Failure::State(error.into()),
        other => Failure::while_doing("opening the snapshots folder")(other),
    })?;
    for (path, problem) in &service.restored().skipped {
        note(&format!("warning: {}: {problem}; what it held beyond the one before is rolled back", path.display()));
    }
    if let Some(cut) = service.restored().journal_cut.as_ref().filter(|cut| cut.lost) {
        note(&format!("warning: {}: {}; what came after is rolled back", cut.path.display(), cut.detail));
    }
    let options = ImportOptions::default()
        .on_conflict(match args.conflict {
            OnConflict::Skip => sessile::OnConflict::Skip,
            OnConflict::Replace => sessile::OnConflict::Replace,
            OnConflict::Newer => sessile::OnConflict::Newer,
        })
        .dry_run(args.dry_run)
        .accept_edited(args.accept_edited);
    let report = service.import(&args.file, options).await.map_err(|error| Failure::State(error.into()))?;
    let brought = |outcome: &ImportOutcome| matches!(outcome, ImportOutcome::Created | ImportOutcome::Replaced);
    let changed = report.tombstones > 0 || report.items.iter().any(|item| brought(&item.outcome));
    // Without a change no generation is written, so that none of those before is pushed out.
    if args.dry_run || !changed {
        return Ok((report, None));
    }
    let written = service.drain().await.map_err(Failure::while_doing("writing the snapshot"))?;
    Ok((report, written.map(|written| written.path)))
}

/// The format that the folder is kept in: that of its newest snapshot.
fn format_in(folder: &Path) -> Format {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    // The numbers have leading zeros, so the greatest name is the newest.
    let newest = names.filter(|name| name.to_str().is_some_and(|name| name.starts_with("snapshot-"))).max();
    let json = newest.is_some_and(|name| Path::new(&name).extension().is_some_and(|end| end == "json"));
    if json { Format::Json } else { Format::Bincode }
}
