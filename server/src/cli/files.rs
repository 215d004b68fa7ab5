//! Commands on snapshot files: their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// A command on a snapshot file.
#[derive(Debug, Subcommand)]
pub(crate) enum FileCommand {
    /// Shows what a snapshot file holds.
    Inspect(FileArgs),
    /// Reads a snapshot file to its end and checks every checksum.
    Verify(FileArgs),
    /// Writes the sessions of a snapshot file in another format, or to another place.
    Export(ExportArgs),
    /// Brings the sessions of a file into a snapshots folder that no server is using.
    Import(ImportArgs),
}

/// A file, and how to tell about it.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The snapshot file.
    pub(crate) file: PathBuf,
    /// Answers in JSON, on stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file and how to tell about it.
    #[command(flatten)]
    pub(crate) from: FileArgs,
    /// Where to write to; stdout when left out. An existing file is refused.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// The format to write.
    #[arg(long, value_enum, default_value_t = ExportFormat::Json)]
    pub(crate) format: ExportFormat,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file and how to tell about it.
    #[command(flatten)]
    pub(crate) from: FileArgs,
    /// The snapshots folder to bring the sessions into.
    #[arg(long, value_name = "DIR", default_value = "./snapshots")]
    pub(crate) snapshots: PathBuf,
    /// Tells what would happen and writes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What happens to a session that is there already.
    #[arg(long, value_enum, default_value_t = OnConflict::Skip)]
    pub(crate) conflict: OnConflict,
    /// Takes a JSON file whose checksum does not fit because it was edited by hand.
    #[arg(long)]
    pub(crate) accept_edited: bool,
}

/// A format of snapshot files.
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
    /// Takes whichever was changed last.
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

    fn read(line: &str) -> FileCommand {
        Only::try_parse_from(line.split(' ')).unwrap().command
    }

    #[test]
    fn reads_import_with_everything() {
        let line = "sessile import a.json --snapshots d --dry-run --conflict newer --accept-edited --json";
        let FileCommand::Import(args) = read(line) else { panic!("another command") };
        assert!(args.dry_run && args.accept_edited && args.from.json);
        assert_eq!((args.conflict, args.snapshots), (OnConflict::Newer, PathBuf::from("d")));
    }

    #[test]
    fn export_writes_json_to_stdout_unless_told_otherwise() {
        let FileCommand::Export(args) = read("sessile export a.bin") else { panic!("another command") };
        assert_eq!((args.format, args.to), (ExportFormat::Json, None));
    }

    #[test]
    fn reads_inspect_and_verify() {
        assert!(matches!(read("sessile inspect a"), FileCommand::Inspect(FileArgs { json: false, .. })));
        assert!(matches!(read("sessile verify a --json"), FileCommand::Verify(FileArgs { json: true, .. })));
    }
}
