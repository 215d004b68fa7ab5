//! The commands on files of state, run as a program: answers, exit codes, and what is on disk afterwards.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "commands/journals.rs"]
mod journals;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sessile::{Format, NewSession, Principal, SessionService};

fn sessile(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.current_dir(folder).args(args).stdin(Stdio::null()).output().unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

fn alice() -> Principal {
    Principal::new("https://id.example", "alice")
}

/// A temp folder with `state.bin` and `state.json`: the bucket of alice, her cart, and the end of another.
async fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let service = SessionService::builder().start().await.unwrap();
    let owner = service.owner(&alice());
    owner.bucket().await.unwrap().set("theme", "dark").await.unwrap();
    let cart = owner.create(NewSession::of_kind("cart").unwrap().name("groceries")).await.unwrap();
    cart.set("apples", &3).await.unwrap();
    owner.create(NewSession::default()).await.unwrap().close().await.unwrap();
    service.export(folder.path().join("state.bin"), Format::Bincode).await.unwrap();
    service.export(folder.path().join("state.json"), Format::Json).await.unwrap();
    service.drain().await.unwrap();
    folder
}

/// What alice's bucket in a folder of snapshots holds.
async fn theme(snapshots: &Path) -> Option<String> {
    let service = SessionService::builder().snapshots(snapshots).start().await.unwrap();
    let theme = service.owner(&alice()).bucket().await.unwrap().get("theme").unwrap();
    service.drain().await.unwrap();
    theme
}

/// Makes a folder of snapshots in which alice's theme is another.
async fn other_theme(snapshots: &Path, format: Format) {
    let service = SessionService::builder().snapshots(snapshots).format(format).start().await.unwrap();
    service.owner(&alice()).bucket().await.unwrap().set("theme", "light").await.unwrap();
    service.drain().await.unwrap();
}

/// Names and bytes of everything in a folder.
fn image(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Damaged files beside the good ones, each with its word in `verify --json`.
fn damage(folder: &Path) -> Vec<(&'static str, &'static str)> {
    let bin = fs::read(folder.join("state.bin")).unwrap();
    let text = fs::read_to_string(folder.join("state.json")).unwrap();
    let write = |name: &'static str, word: &'static str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).unwrap();
        (name, word)
    };
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        bytes
    };
    // Magic, version 3, and crc32c of the two.
    let newer = [&bin[..8], &[3, 0, 0, 0], &preamble_sum(&bin[..8]), &bin[16..]].concat();
    vec![
        write("cut.bin", "truncated", &bin[..bin.len() - 7]),
        write("cut.json", "truncated", &text.as_bytes()[..text.len() / 2]),
        write("flipped.bin", "damaged", &flipped(&bin)),
        write("flipped.json", "damaged", &flipped(text.as_bytes())),
        write("empty", "empty", b""),
        write("newer.bin", "newer_version", &newer),
        write("newer.json", "newer_version", text.replacen("-v2\",\"version\":2", "-v3\",\"version\":3", 1).as_bytes()),
        write("foreign", "not_ours", b"[package]\n"),
    ]
}

fn preamble_sum(magic: &[u8]) -> [u8; 4] {
    let bytes = magic.iter().copied().chain([3, 0, 0, 0]);
    let sum = !bytes.fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 })
    });
    sum.to_le_bytes()
}

#[tokio::test]
async fn inspect_tells_figures_and_names_only_when_asked() {
    let folder = files().await;
    for (file, format) in [("state.bin", "bincode"), ("state.json", "json")] {
        let shown = sessile(folder.path(), &["inspect", file]);
        assert_eq!((code(&shown), text(&shown.stderr)), (Some(0), ""));
        let told = text(&shown.stdout);
        assert!(told.contains(&format!("{format}, version 2")) && told.contains("2 sessions (1 bucket)"), "{told}");
        let answer = json(&sessile(folder.path(), &["inspect", file, "--json"]));
        assert_eq!(answer["sessions"]["entries"], 2);
        assert_eq!((&answer["ends"]["closed"], &answer["owner_count"]), (&1.into(), &1.into()));
        assert!(answer["restorable"] == true && answer["header"]["generation"] == 0);
        for secret in ["groceries", "alice", "dark", "cart_"] {
            assert!(!told.contains(secret) && !answer.to_string().contains(secret), "{secret}");
        }
        let named = sessile(folder.path(), &["inspect", file, "--ids"]);
        assert!(text(&named.stdout).contains("name groceries") && text(&named.stdout).contains("alice at https://id"));
        let named = json(&sessile(folder.path(), &["inspect", file, "--ids", "--json", "--largest", "1"]));
        assert_eq!(named["owners"][0]["principal"]["subject"], "alice");
        assert_eq!(named["largest"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn verify_tells_each_kind_of_damage_and_exits_with_3() {
    let folder = files().await;
    let good = sessile(folder.path(), &["verify", "state.bin", "state.json"]);
    assert_eq!((code(&good), text(&good.stdout).matches("ok       state.").count()), (Some(0), 2));
    assert!(json(&sessile(folder.path(), &["verify", "--json", "state.bin"]))["ok"] == true);
    for (file, word) in damage(folder.path()) {
        let before = fs::read(folder.path().join(file)).unwrap();
        let answer = sessile(folder.path(), &["verify", "--json", "state.bin", file]);
        assert_eq!(code(&answer), Some(3), "{file}");
        let answer = json(&answer);
        assert!(answer["ok"] == false && answer["files"][0]["ok"] == true);
        assert_eq!(answer["files"][1]["error"]["kind"], word, "{file}");
        let shown = sessile(folder.path(), &["verify", file]);
        assert!(text(&shown.stdout).starts_with("refused  ") && text(&shown.stdout).contains("hint: "));
        assert_eq!(text(&shown.stderr), "error: 1 of 1 files did not pass\n");
        // The others refuse it alike, and change nothing.
        for args in
            [vec!["inspect", file], vec!["export", file], vec!["export", file, "--to", "to"], vec!["import", file]]
        {
            let refused = sessile(folder.path(), &args);
            assert_eq!((code(&refused), text(&refused.stdout)), (Some(3), ""), "{args:?}");
            let told = text(&refused.stderr);
            assert!(told.starts_with(&format!("error: {file} ")) && told.contains("\nhint: "), "{told}");
        }
        assert_eq!(fs::read(folder.path().join(file)).unwrap(), before);
        assert!(!folder.path().join("to").exists() && !folder.path().join("snapshots").exists());
    }
}

#[tokio::test]
async fn what_cannot_be_read_exits_with_1_and_wrong_usage_with_2() {
    let folder = files().await;
    for args in [vec!["inspect", "missing"], vec!["export", "missing"], vec!["import", "missing"], vec!["inspect", "."]]
    {
        let failed = sessile(folder.path(), &args);
        let told = text(&failed.stderr);
        assert_eq!(code(&failed), Some(1), "{told}");
        assert!(told.starts_with("error: ") && told.contains("\n  because: ") && told.contains("\nhint: "), "{told}");
    }
    assert_eq!(code(&sessile(folder.path(), &["verify", "missing"])), Some(1));
    assert_eq!(code(&sessile(folder.path(), &["verify", "missing", "state.bin"])), Some(1));
    for args in [
        vec!["verify"],
        vec!["inspect"],
        vec!["export", "state.bin", "--format", "xml"],
        vec!["export", "state.bin", "--format", "bincode"],
        vec!["export", "state.bin", "--json"],
        vec!["import", "state.bin", "--conflict", "merge"],
    ] {
        assert_eq!(code(&sessile(folder.path(), &args)), Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn export_goes_to_stdout_or_to_a_new_file_in_either_format() {
    let folder = files().await;
    let printed = sessile(folder.path(), &["export", "state.bin"]);
    assert_eq!((code(&printed), text(&printed.stderr)), (Some(0), ""));
    assert_eq!(json(&printed)["trailer"]["sessions"], 2);
    let to = ["export", "state.json", "--to", "copy.bin", "--format", "bincode"];
    let written = sessile(folder.path(), &to);
    assert!(text(&written.stdout).starts_with("wrote 2 sessions and 1 end to copy.bin"), "{}", text(&written.stderr));
    assert_eq!(code(&sessile(folder.path(), &["verify", "copy.bin"])), Some(0));
    let again = sessile(folder.path(), &to);
    assert_eq!(code(&again), Some(1));
    assert!(text(&again.stderr).contains("copy.bin exists already") && text(&again.stderr).contains("\nhint: "));
    let answer = json(&sessile(folder.path(), &["export", "copy.bin", "--to", "back.json", "--json"]));
    assert!(answer["format"] == "json" && answer["header"]["format"] == "bincode" && answer["sessions"] == 2);
    let bytes = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("back.json") == bytes("state.json"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(folder.path().join("back.json")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn export_of_a_folder_takes_its_newest_valid_file() {
    let folder = files().await;
    let snapshots = folder.path().join("snapshots");
    assert_eq!(code(&sessile(folder.path(), &["import", "state.bin"])), Some(0));
    other_theme(&snapshots, Format::Bincode).await;
    let mut names: Vec<_> = image(&snapshots).into_iter().map(|(name, _)| name).collect();
    names.retain(|name| name != "lock");
    let newest = sessile(folder.path(), &["export", "snapshots"]);
    assert!(text(&newest.stdout).contains("\"light\"") && text(&newest.stderr).contains(&names[1]));
    // A file of another name there would keep the server from starting.
    let foreign = sessile(folder.path(), &["export", "state.bin", "--to", "snapshots/out.json"]);
    assert_eq!((code(&foreign), snapshots.join("out.json").exists()), (Some(2), false));
    fs::write(snapshots.join(&names[1]), "").unwrap();
    let older = sessile(folder.path(), &["export", "snapshots"]);
    assert!(text(&older.stdout).contains("\"dark\"") && text(&older.stderr).starts_with("warning: "));
    fs::write(snapshots.join(&names[0]), "").unwrap();
    let none = sessile(folder.path(), &["export", "snapshots"]);
    assert_eq!((code(&none), text(&none.stdout)), (Some(3), ""));
    assert!(text(&none.stderr).contains("none of the 2 snapshots"));
    fs::create_dir(folder.path().join("bare")).unwrap();
    assert_eq!(code(&sessile(folder.path(), &["export", "bare"])), Some(3));
}

#[tokio::test]
async fn import_brings_sessions_in_once() {
    for file in ["state.bin", "state.json"] {
        let folder = files().await;
        let first = sessile(folder.path(), &["import", file, "--json"]);
        assert_eq!((code(&first), text(&first.stderr)), (Some(0), ""));
        let answer = json(&first);
        assert_eq!((&answer["totals"]["created"], &answer["ends"]), (&2.into(), &1.into()));
        assert!(answer["items"].as_array().unwrap().len() == 2 && answer["snapshot"].is_string());
        let snapshots = folder.path().join("snapshots");
        let before = image(&snapshots);
        let again = sessile(folder.path(), &["import", file]);
        assert_eq!(code(&again), Some(0));
        assert!(text(&again.stdout).contains("0 created, 0 replaced, 2 kept, 0 ended, 0 refused; 0 ends taken over\n"));
        assert!(text(&again.stdout).ends_with("nothing changed, so no snapshot was written\n"));
        assert_eq!(image(&snapshots), before);
        assert_eq!(theme(&snapshots).await.as_deref(), Some("dark"));
    }
}

#[tokio::test]
async fn import_leaves_how_many_snapshots_are_kept_to_the_server() {
    let folder = files().await;
    let snapshots = folder.path().join("snapshots");
    let service = SessionService::builder().snapshots(&snapshots).generations(9_usize).start().await.unwrap();
    for number in 0..8 {
        service.owner(&alice()).bucket().await.unwrap().set("n", &number).await.unwrap();
        service.snapshot().await.unwrap();
    }
    drop(service);
    let before = image(&snapshots);
    assert_eq!(before.len(), 8 + 1, "snapshots and lock");
    for args in [vec!["import", "state.bin", "--dry-run"], vec!["import", "state.bin"]] {
        let done = sessile(folder.path(), &args);
        assert_eq!(code(&done), Some(0), "{}", text(&done.stderr));
        let (after, more) = (image(&snapshots), usize::from(args.len() == 2));
        assert!(before.iter().all(|file| after.contains(file)), "one that was kept is gone");
        assert_eq!(after.len(), before.len() + more);
    }
}

#[tokio::test]
async fn import_policies_decide_between_what_is_there_and_what_comes() {
    for format in [Format::Bincode, Format::Json] {
        // What is there was used after the file was written.
        for (policy, kept, theme_after) in [("skip", 1, "light"), ("newer", 1, "light"), ("replace", 0, "dark")] {
            let folder = files().await;
            let snapshots = folder.path().join("there");
            other_theme(&snapshots, format).await;
            let args = ["import", "state.json", "--snapshots", "there", "--conflict", policy, "--json"];
            let answer = json(&sessile(folder.path(), &args));
            assert_eq!(answer["totals"]["kept"], kept, "{policy}");
            assert_eq!(answer["totals"]["replaced"], 1 - kept, "{policy}");
            let written = answer["snapshot"].as_str().unwrap();
            assert!(written.ends_with(if format == Format::Json { ".json" } else { ".bin" }), "{written}");
            assert_eq!(theme(&snapshots).await.as_deref(), Some(theme_after), "{policy}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    other_theme(&folder.path().join("there"), Format::Bincode).await;
    let later = files().await;
    fs::copy(later.path().join("state.bin"), folder.path().join("state.bin")).unwrap();
    let newer = ["import", "state.bin", "--snapshots", "there", "--conflict", "newer", "--json"];
    assert_eq!(json(&sessile(folder.path(), &newer))["totals"]["replaced"], 1);
}

#[tokio::test]
async fn a_dry_run_reports_the_same_and_changes_nothing() {
    let folder = files().await;
    let snapshots = folder.path().join("snapshots");
    let nowhere = sessile(folder.path(), &["import", "state.bin", "--dry-run"]);
    assert!(code(&nowhere) == Some(0) && text(&nowhere.stdout).contains("it would be: 2 created"));
    assert!(!snapshots.exists());
    other_theme(&snapshots, Format::Bincode).await;
    let before = image(&snapshots);
    let dry = json(&sessile(folder.path(), &["import", "state.bin", "--dry-run", "--conflict", "replace", "--json"]));
    assert!(dry["dry_run"] == true && dry["snapshot"].is_null());
    assert_eq!(image(&snapshots), before);
    let wet = json(&sessile(folder.path(), &["import", "state.bin", "--conflict", "replace", "--json"]));
    assert_eq!((&dry["items"], &dry["totals"], &dry["ends"]), (&wet["items"], &wet["totals"], &wet["ends"]));
    assert_ne!(image(&snapshots), before);
}

#[tokio::test]
async fn an_edited_file_is_taken_when_told_and_a_refused_item_exits_with_4() {
    let folder = files().await;
    let state = fs::read_to_string(folder.path().join("state.json")).unwrap();
    fs::write(folder.path().join("edited"), state.replace("\"dark\"", "\"blue\"")).unwrap();
    assert_eq!(code(&sessile(folder.path(), &["import", "edited"])), Some(3));
    assert_eq!(code(&sessile(folder.path(), &["import", "edited", "--accept-edited"])), Some(0));
    assert_eq!(theme(&folder.path().join("snapshots")).await.as_deref(), Some("blue"));
    // A cart under the digest of another id would be opened by that one.
    let line = state.lines().find(|line| line.contains("\"kind\":\"cart\"")).unwrap();
    let digest = line.split("\"digest\":\"").nth(1).unwrap().split('"').next().unwrap();
    fs::write(folder.path().join("moved"), state.replace(digest, &"7".repeat(64))).unwrap();
    let args = ["import", "moved", "--accept-edited", "--snapshots", "other", "--json"];
    let refused = sessile(folder.path(), &args);
    assert_eq!(code(&refused), Some(4));
    assert_eq!(text(&refused.stderr), "error: 1 of 2 sessions were refused; the report tells why\n");
    let answer = json(&refused);
    assert_eq!((&answer["totals"]["refused"], &answer["totals"]["created"]), (&1.into(), &1.into()));
    let item = answer["items"].as_array().unwrap().iter().find(|item| item["outcome"] == "refused").unwrap();
    assert!(item["kind"] == "cart" && item["detail"].as_str().unwrap().contains("digest"));
    assert_eq!(theme(&folder.path().join("other")).await.as_deref(), Some("dark"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told_and_left_alone() {
    let folder = files().await;
    let snapshots = folder.path().join("snapshots");
    let service = SessionService::builder().snapshots(&snapshots).start().await.unwrap();
    let locked = sessile(folder.path(), &["import", "state.bin"]);
    assert_eq!(code(&locked), Some(1));
    assert!(text(&locked.stderr).contains("in use by a running service\nhint: stop that one first"));
    service.drain().await.unwrap();
    for name in image(&snapshots).into_iter().map(|(name, _)| name).filter(|name| name != "lock") {
        fs::write(snapshots.join(name), "").unwrap();
    }
    let before = image(&snapshots);
    assert_eq!(code(&sessile(folder.path(), &["import", "state.bin"])), Some(3));
    assert_eq!(image(&snapshots), before);
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/letter"), "dear").unwrap();
    let foreign = sessile(folder.path(), &["import", "state.bin", "--snapshots", "mine"]);
    assert_eq!(code(&foreign), Some(1));
    assert!(text(&foreign.stderr).contains("letter") && image(&folder.path().join("mine")).len() == 1);
}
