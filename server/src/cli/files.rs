//! Commands on files of state: their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// A command on files of state.
#[derive(Debug, Subcommand)]
pub(crate) enum FileCommand {
    /// Shows what a snapshot, an export or a journal holds, in figures.
    ///
    /// Tells no values, and no ids or names unless `--ids` asks for them.
    Inspect(InspectArgs),
    /// Reads files to their ends and checks every checksum and every record, journals among them.
    ///
    /// A journal with a last write that a crash cut short passes: nobody had been told of that write.
    Verify(VerifyArgs),
    /// Writes what a file or a folder of snapshots holds as JSON, to be read, searched and edited, or as bincode.
    ///
    /// The output holds ids, names and values: it is written for its owner alone.
    Export(ExportArgs),
    /// Brings the sessions of a file into a snapshots folder that no server is using.
    Import(ImportArgs),
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The snapshot, export or journal.
    pub(crate) file: PathBuf,
    /// How many of the largest owners and sessions to list, up to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) largest: usize,
    /// Tells ids and names of owned sessions, and who their owners are.
    #[arg(long)]
    pub(crate) ids: bool,
    /// Opens sealed files with the keys of this file; `SESSILE_KEY_FILE` or `SESSILE_KEY` when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Answers in JSON, on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The snapshots, exports or journals; `FOLDER/*` for all of a folder.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Opens sealed files with the keys of this file; `SESSILE_KEY_FILE` or `SESSILE_KEY` when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Answers in JSON, on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The snapshot or export; of a folder of snapshots, what a start would restore: the newest valid one and its journals.
    pub(crate) file: PathBuf,
    /// Where to write to; JSON on stdout when left out. An existing file is refused.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// The format to write.
    #[arg(long, value_enum, default_value_t = ExportFormat::Json)]
    pub(crate) format: ExportFormat,
    /// Opens sealed files with the keys of this file; `SESSILE_KEY_FILE` or `SESSILE_KEY` when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Seals what is written to `--to` under the first of the keys.
    #[arg(long, requires = "to")]
    pub(crate) seal: bool,
    /// Tells in JSON, on stdout, what was written to `--to`.
    #[arg(long, requires = "to")]
    pub(crate) json: bool,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The snapshot or export.
    pub(crate) file: PathBuf,
    /// The snapshots folder to bring the sessions into.
    #[arg(long, value_name = "DIR", default_value = "./snapshots")]
    pub(crate) snapshots: PathBuf,
    /// Tells what would happen and brings nothing in.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What happens to a session that is there already.
    #[arg(long, value_enum, default_value_t = OnConflict::Skip)]
    pub(crate) conflict: OnConflict,
    /// Takes a JSON file whose counts and checksum do not fit because it was edited by hand.
    #[arg(long)]
    pub(crate) accept_edited: bool,
    /// Opens sealed files with the keys of this file, and seals the folder under the first of them; `SESSILE_KEY_FILE` or `SESSILE_KEY` when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Answers in JSON, on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A format of files of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Compact binary.
    Bincode,
    /// One JSON document, a session a line.
    Json,
}

/// What an import does with a session that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnConflict {
    /// Keeps the one that is there.
    Skip,
    /// Takes the one from the file.
    Replace,
    /// Takes whichever was used last.
    Newer,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(subcommand)]
        command: FileCommand,
    }

    fn read(line: &str) -> Result<FileCommand, clap::Error> {
        Only::try_parse_from(line.split(' ')).map(|only| only.command)
    }

    #[test]
    fn reads_import_with_everything() {
        let line = "sessile import a.json --snapshots d --dry-run --conflict newer --accept-edited --json";
        let Ok(FileCommand::Import(args)) = read(line) else { panic!("another command") };
        assert!(args.dry_run && args.accept_edited && args.json);
        assert_eq!((args.conflict, args.snapshots), (OnConflict::Newer, PathBuf::from("d")));
    }

    #[test]
    fn export_writes_json_to_stdout_unless_told_otherwise() {
        let Ok(FileCommand::Export(args)) = read("sessile export a.bin") else { panic!("another command") };
        assert_eq!((args.format, args.to), (ExportFormat::Json, None));
        assert!(read("sessile export a.bin --json").is_err());
    }

    #[test]
    fn verify_takes_several_files_and_at_least_one() {
        let Ok(FileCommand::Verify(args)) = read("sessile verify a b --json") else { panic!("another command") };
        assert!(args.json && args.files.len() == 2);
        assert!(read("sessile verify").is_err());
    }

    #[test]
    fn inspect_names_nobody_unless_asked() {
        let Ok(FileCommand::Inspect(args)) = read("sessile inspect a") else { panic!("another command") };
        assert!(!args.ids && !args.json && args.largest == 10);
    }
}
