//! The commands on journals, and on folders that have some.

use std::fs;
use std::path::Path;

use sessile::{Durability, NewSession, SessionService};

use super::{alice, code, files, image, json, sessile, text, theme};

/// A folder with a snapshot, and a journal that goes on from it.
async fn journaled(snapshots: &Path) {
    let service = SessionService::builder()
        .snapshots(snapshots)
        .durability(Durability::Commit)
        .snapshot_every(std::time::Duration::from_secs(100_000))
        .start()
        .await
        .unwrap();
    let owner = service.owner(&alice());
    let bucket = owner.bucket().await.unwrap();
    bucket.set("theme", "dark").await.unwrap();
    service.snapshot().await.unwrap();
    bucket.set("theme", "light").await.unwrap();
    for number in 0..3 {
        bucket.set("number", &number).await.unwrap();
    }
    owner.create(NewSession::default()).await.unwrap().close().await.unwrap();
}

/// The last journal of a folder.
fn last_journal(snapshots: &Path) -> String {
    let names = image(snapshots).into_iter().map(|(name, _)| name);
    names.filter(|name| name.starts_with("journal-")).max().unwrap()
}

#[tokio::test]
async fn a_journal_is_inspected_and_verified_by_itself_and_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = folder.path().join("snapshots");
    journaled(&snapshots).await;
    let name = format!("snapshots/{}", last_journal(&snapshots));
    fs::create_dir(snapshots.join("quarantine")).unwrap();
    let shown = sessile(folder.path(), &["inspect", &name]);
    let told = text(&shown.stdout);
    assert_eq!((code(&shown), text(&shown.stderr)), (Some(0), ""));
    assert!(told.contains("journal, version 1") && told.contains("number 0 after generation 1"), "{told}");
    assert!(told.contains("1 end\n") && told.contains("nothing after the last frame"), "{told}");
    assert!(!told.contains("alice") && !told.contains("light"));
    let answer = json(&sessile(folder.path(), &["inspect", &name, "--json"]));
    assert!(answer["rest"] == "clean" && answer["records"]["ends"] == 1 && answer["journal"]["generation"] == 1);
    let all: Vec<_> = fs::read_dir(&snapshots).unwrap().map(|entry| entry.unwrap().path()).collect();
    let all: Vec<_> = all.iter().map(|path| path.to_str().unwrap()).collect();
    let whole = sessile(folder.path(), &[&["verify"], all.as_slice()].concat());
    assert_eq!(code(&whole), Some(0), "{}", text(&whole.stdout));
    assert_eq!((text(&whole.stdout).matches("ok  ").count(), text(&whole.stdout).matches("skipped  ").count()), (3, 2));
    // A start passes over what was never begun, so it is no failure.
    let path = folder.path().join(&name);
    let bytes = fs::read(&path).unwrap();
    let used = usize::try_from(answer["used"].as_u64().unwrap()).unwrap();
    let verify = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let answer = sessile(folder.path(), &["verify", "--json", &name]);
        let text = sessile(folder.path(), &["verify", &name]);
        assert_eq!(code(&answer), code(&text));
        (code(&answer), json(&answer)["files"][0].clone(), String::from_utf8(text.stdout).unwrap())
    };
    let (code, _, told) = verify(&[]);
    assert!(code == Some(0) && told.starts_with("skipped  "), "{told}");
    let mut torn = bytes.clone();
    torn[used - 512..].fill(0);
    torn[used - 500] = 1;
    let (code, told, line) = verify(&torn);
    assert!(code == Some(0) && told["ok"] == true && told["rest"] == "cut_short", "{told}");
    assert!(line.starts_with("ok  ") && line.contains("a write cut short at byte"), "{line}");
    let mut flipped = bytes.clone();
    flipped[512 + 33] ^= 1;
    let (code, told, line) = verify(&flipped);
    assert!(code == Some(3) && told["ok"] == false && told["rest"] == "damaged", "{told}");
    assert!(line.starts_with("refused  ") && line.contains("damaged at byte 512"), "{line}");
    let mut headless = bytes;
    headless[40] ^= 1;
    let (code, told, _) = verify(&headless);
    assert!(code == Some(3) && told["error"]["kind"] == "damaged", "{told}");
}

#[tokio::test]
async fn export_of_a_folder_lays_its_journals_over_and_tells_what_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = folder.path().join("snapshots");
    journaled(&snapshots).await;
    let printed = sessile(folder.path(), &["export", "snapshots"]);
    assert_eq!(code(&printed), Some(0));
    assert!(text(&printed.stderr).ends_with(".bin, with 1 journal laid over\n"), "{}", text(&printed.stderr));
    let told = text(&printed.stdout);
    assert!(told.contains("\"light\"") && !told.contains("\"dark\"") && json(&printed)["trailer"]["tombstones"] == 1);
    let to = ["export", "snapshots", "--to", "out.json", "--json"];
    let answer = json(&sessile(folder.path(), &to));
    assert!(answer["journals"] == 1 && answer["journal_cut"].is_null() && answer["sessions"] == 1, "{answer}");
    // Nothing is put among journals, be there no snapshot yet.
    let alone = folder.path().join("alone");
    fs::create_dir(&alone).unwrap();
    fs::write(alone.join("lock"), "").unwrap();
    let journal = last_journal(&snapshots);
    fs::copy(snapshots.join(&journal), alone.join(&journal)).unwrap();
    let beside = sessile(folder.path(), &["export", "snapshots", "--to", "alone/state.json"]);
    assert!(code(&beside) == Some(2) && text(&beside.stderr).contains("another folder"), "{}", text(&beside.stderr));
    assert!(!alone.join("state.json").exists());
    // A journal alone is no state.
    let name = format!("snapshots/{}", last_journal(&snapshots));
    for args in [vec!["export", &name], vec!["import", &name, "--snapshots", "other"]] {
        let refused = sessile(folder.path(), &args);
        assert!(code(&refused) == Some(3) && text(&refused.stderr).contains("is a journal\nhint: "), "{args:?}");
    }
    let path = folder.path().join(&name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[512 + 33] ^= 1;
    fs::write(&path, bytes).unwrap();
    let cut = sessile(folder.path(), &["export", "snapshots"]);
    assert!(code(&cut) == Some(0) && text(&cut.stdout).contains("\"dark\""));
    assert!(
        text(&cut.stderr).contains("warning: ") && text(&cut.stderr).contains("the journal is damaged at byte 512")
    );
    let answer = json(&sessile(folder.path(), &["export", "snapshots", "--to", "cut.json", "--json"]));
    assert!(answer["journal_cut"]["lost"] == true, "{answer}");
}

#[tokio::test]
async fn import_into_a_folder_with_journals_loses_nothing() {
    let folder = files().await;
    let snapshots = folder.path().join("snapshots");
    journaled(&snapshots).await;
    let before = image(&snapshots);
    let dry = sessile(folder.path(), &["import", "state.json", "--dry-run"]);
    assert_eq!((code(&dry), image(&snapshots) == before), (Some(0), true));
    let answer = json(&sessile(folder.path(), &["import", "state.json", "--json"]));
    assert!(answer["totals"]["created"] == 1 && answer["totals"]["kept"] == 1, "{answer}");
    // It comes after every file that was there, the journal's generation among them.
    let written = answer["snapshot"].as_str().unwrap();
    assert!(written.ends_with("snapshot-00000000000000000002.bin"), "{written}");
    let after = sessile(folder.path(), &["export", "snapshots"]);
    assert!(text(&after.stderr).ends_with("snapshot-00000000000000000002.bin\n"), "{}", text(&after.stderr));
    let told = text(&after.stdout);
    assert!(told.contains("\"light\"") && told.contains("groceries") && told.contains("\"number\""), "{told}");
    assert_eq!(json(&after)["trailer"]["tombstones"], 2);
    assert_eq!(theme(&snapshots).await.as_deref(), Some("light"));
}
