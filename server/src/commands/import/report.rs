//! What an import tells: each item, then totals.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use sessile::{ImportOutcome, ImportReport};

use crate::cli::ImportArgs;
use crate::commands::{counted, print, print_json};
use crate::failure::Failure;

/// How many items had each outcome.
#[derive(Debug, Default)]
pub(super) struct Totals {
    created: usize,
    replaced: usize,
    kept: usize,
    ended: usize,
    pub(super) refused: usize,
}

/// An import that ran.
pub(super) struct Imported<'a> {
    args: &'a ImportArgs,
    report: &'a ImportReport,
    snapshot: Option<PathBuf>,
    pub(super) totals: Totals,
}

impl<'a> Imported<'a> {
    pub(super) fn new(args: &'a ImportArgs, report: &'a ImportReport, snapshot: Option<PathBuf>) -> Self {
        let mut totals = Totals::default();
        for item in &report.items {
            *match item.outcome {
                ImportOutcome::Created => &mut totals.created,
                ImportOutcome::Replaced => &mut totals.replaced,
                ImportOutcome::Kept => &mut totals.kept,
                ImportOutcome::Ended => &mut totals.ended,
                _ => &mut totals.refused,
            } += 1;
        }
        Self { args, report, snapshot, totals }
    }

    pub(super) fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        if self.args.json { print_json(out, &self.as_json()) } else { print(out, &self.as_text()) }
    }

    fn as_text(&self) -> String {
        let mut text = String::new();
        for item in &self.report.items {
            let (word, detail) = told(&item.outcome);
            let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            let _ = writeln!(text, "{word:<9}{} {}{detail}", item.tag, item.kind);
        }
        let Totals { created, replaced, kept, ended, refused } = &self.totals;
        let ends = counted(self.report.tombstones, "end");
        let would = if self.report.dry_run { "a dry run, nothing was brought in; it would be: " } else { "" };
        let _ = writeln!(
            text,
            "{would}{created} created, {replaced} replaced, {kept} kept, {ended} ended, {refused} refused; {ends} taken over"
        );
        match &self.snapshot {
            Some(snapshot) => {
                let _ = writeln!(text, "written to {}", snapshot.display());
            }
            None if self.report.dry_run => {}
            None => text.push_str("nothing changed, so no snapshot was written\n"),
        }
        text
    }

    fn as_json(&self) -> Value {
        let items = self.report.items.iter().map(|item| {
            let (word, detail) = told(&item.outcome);
            json!({ "session": item.tag, "kind": item.kind, "outcome": word, "detail": detail })
        });
        let Totals { created, replaced, kept, ended, refused } = &self.totals;
        json!({
            "file": self.args.file.display().to_string(),
            "snapshots": self.args.snapshots.display().to_string(),
            "dry_run": self.report.dry_run,
            "items": items.collect::<Vec<_>>(),
            "totals": {
                "created": created, "replaced": replaced, "kept": kept, "ended": ended, "refused": refused,
            },
            "ends": self.report.tombstones,
            "snapshot": self.snapshot.as_ref().map(|snapshot| snapshot.display().to_string()),
        })
    }
}

/// A stable word for an outcome, and what is wrong with the item.
fn told(outcome: &ImportOutcome) -> (&'static str, Option<&str>) {
    match outcome {
        ImportOutcome::Created => ("created", None),
        ImportOutcome::Replaced => ("replaced", None),
        ImportOutcome::Kept => ("kept", None),
        ImportOutcome::Ended => ("ended", None),
        ImportOutcome::Refused(detail) => ("refused", Some(detail)),
        _ => ("refused", None),
    }
}
