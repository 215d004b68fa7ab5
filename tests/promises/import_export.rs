//! Export and import: by hand, into a running service, each item whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Hand, alice, bob, secs};
use sessile::{FileProblem, Format, ImportOptions, ImportOutcome, NewSession, OnConflict, OpenError, SessionService};

const FORMATS: [Format; 2] = [Format::Bincode, Format::Json];

async fn service(hand: &Hand) -> SessionService {
    SessionService::builder().clock(hand.clock()).start().await.unwrap()
}

async fn outcomes(service: &SessionService, path: &Path, options: ImportOptions) -> Vec<ImportOutcome> {
    let report = service.import(path, options).await.unwrap();
    report.items.into_iter().map(|item| item.outcome).collect()
}

/// One session under a chosen id, in a file of its own.
async fn exported(folder: &Path, hand: &Hand, format: Format, value: u32) -> PathBuf {
    let origin = service(hand).await;
    let session = origin.owner(&alice()).create_with_id("cart", NewSession::default().name("groceries")).await.unwrap();
    session.set("apples", &value).await.unwrap();
    let path = folder.join(format!("{value}.{format:?}"));
    origin.export(&path, format).await.unwrap();
    path
}

#[tokio::test]
async fn what_is_exported_is_imported_elsewhere() {
    for format in FORMATS {
        let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
        let origin = service(&hand).await;
        let owner = origin.owner(&alice());
        let minted = owner.create(NewSession::of_kind("cart").unwrap().name("groceries")).await.unwrap();
        minted.set("apples", &3).await.unwrap();
        let secret = origin.anonymous().create(NewSession::default()).await.unwrap();
        secret.set("apples", &4).await.unwrap();
        owner.bucket().await.unwrap().set("apples", &5).await.unwrap();
        origin.global().await.unwrap().set("apples", &6).await.unwrap();
        owner.create_with_id("closed", NewSession::default()).await.unwrap().close().await.unwrap();
        let path = folder.path().join("export");
        let report = origin.export(&path, format).await.unwrap();
        assert_eq!((report.sessions, report.tombstones, report.bytes), (4, 1, fs::metadata(&path).unwrap().len()));
        // Nobody's file is overwritten.
        assert!(matches!(origin.export(&path, format).await, Err(FileProblem::Write { .. })));

        let target = service(&hand).await;
        let dry = target.import(&path, ImportOptions::default().dry_run(true)).await.unwrap();
        assert!(dry.dry_run && dry.items.len() == 4 && dry.tombstones == 1);
        assert!(dry.items.iter().all(|item| item.outcome == ImportOutcome::Created));
        let stats = target.operator().stats();
        assert_eq!((stats.sessions, stats.bytes, stats.tombstones), (0, 0, 0), "a dry run changes nothing");
        assert_eq!(target.owner(&alice()).open(minted.id().as_str()).await.unwrap_err(), OpenError::Unknown);

        let report = target.import(&path, ImportOptions::default()).await.unwrap();
        assert_eq!((report.dry_run, report.tombstones, &report.items), (false, dry.tombstones, &dry.items));
        let owner = target.owner(&alice());
        let session = owner.open(minted.id().as_str()).await.unwrap();
        assert_eq!(
            (session.kind(), session.name(), session.read().unwrap().revision().get()),
            ("cart", Some("groceries"), 1)
        );
        assert_eq!(session.get::<u32>("apples").unwrap(), Some(3));
        // Whoever held the secret id holds it still, though the file knows its hash alone.
        assert_eq!(target.anonymous().open(secret.id().as_str()).await.unwrap().get::<u32>("apples").unwrap(), Some(4));
        assert_eq!(owner.bucket().await.unwrap().get::<u32>("apples").unwrap(), Some(5));
        assert_eq!(target.global().await.unwrap().get::<u32>("apples").unwrap(), Some(6));
        assert!(matches!(owner.open("closed").await, Err(OpenError::Ended(_))));
        assert!(target.owner(&bob()).open(minted.id().as_str()).await.is_err());
        assert_eq!(target.operator().stats().bytes, origin.operator().stats().bytes);
        let again = outcomes(&target, &path, ImportOptions::default()).await;
        assert!(again.iter().all(|outcome| *outcome == ImportOutcome::Kept), "{again:?}");
    }
}

#[tokio::test]
async fn a_conflict_goes_as_it_was_told() {
    for format in FORMATS {
        let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
        let older = exported(folder.path(), &hand, format, 1).await;
        hand.advance(secs(60));
        let target = service(&hand).await;
        let session = target.owner(&alice()).create_with_id("cart", NewSession::default()).await.unwrap();
        session.set("apples", &2).await.unwrap();
        session.set("pears", &2).await.unwrap();
        hand.advance(secs(60));
        let newer = exported(folder.path(), &hand, format, 3).await;
        let policy = |policy| ImportOptions::default().on_conflict(policy);
        assert_eq!(outcomes(&target, &newer, policy(OnConflict::Skip)).await, [ImportOutcome::Kept]);
        assert_eq!(outcomes(&target, &older, policy(OnConflict::Newer)).await, [ImportOutcome::Kept]);
        assert_eq!(outcomes(&target, &newer, policy(OnConflict::Newer).dry_run(true)).await, [ImportOutcome::Replaced]);
        let view = session.read().unwrap();
        assert_eq!((view.revision().get(), view.len(), view.json("apples")), (2, 2, Some("2")));
        hand.advance(secs(60));
        let newest = exported(folder.path(), &hand, format, 4).await;
        assert_eq!(outcomes(&target, &newest, policy(OnConflict::Newer)).await, [ImportOutcome::Replaced]);
        let view = session.read().unwrap();
        assert_eq!((view.revision().get(), view.len(), view.json("apples")), (3, 1, Some("4")), "one update, whole");
        assert_eq!(outcomes(&target, &older, policy(OnConflict::Replace)).await, [ImportOutcome::Replaced]);
        assert_eq!(session.get::<u32>("apples").unwrap(), Some(1));
    }
}

#[tokio::test]
async fn what_ended_here_or_there_stays_ended() {
    for format in FORMATS {
        let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
        let path = exported(folder.path(), &hand, format, 1).await;
        for policy in [OnConflict::Skip, OnConflict::Replace, OnConflict::Newer] {
            let options = ImportOptions::default().on_conflict(policy);
            let target = service(&hand).await;
            let session = target.owner(&alice()).create_with_id("cart", NewSession::default()).await.unwrap();
            session.close().await.unwrap();
            assert_eq!(outcomes(&target, &path, options).await, [ImportOutcome::Ended]);
            assert!(session.read().is_err());
            assert!(matches!(target.owner(&alice()).open("cart").await, Err(OpenError::Ended(_))));
        }
        // A dead session is not in the way of a live one of its name, swept or not.
        let target = service(&hand).await;
        let name = NewSession::default().name("groceries").idle_timeout(secs(1));
        let dead = target.owner(&alice()).create(name).await.unwrap();
        hand.advance(secs(2));
        assert_eq!(outcomes(&target, &path, ImportOptions::default()).await, [ImportOutcome::Created]);
        assert_eq!(target.owner(&alice()).get_or_create("groceries").await.unwrap().0.id().as_str(), "cart");
        assert!(dead.read().is_err());
        // Its deadline has passed meanwhile.
        hand.advance(secs(31 * 60));
        assert_eq!(outcomes(&service(&hand).await, &path, ImportOptions::default()).await, [ImportOutcome::Ended]);
    }
}

/// A JSON file in which one session stands beside its own tombstone, as it does when it ends while a file is written.
#[tokio::test]
async fn a_session_with_its_tombstone_in_one_file_stays_ended() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let origin = service(&hand).await;
    let session = origin.owner(&alice()).create_with_id("cart", NewSession::default()).await.unwrap();
    let (live, ended) = (folder.path().join("live"), folder.path().join("ended"));
    origin.export(&live, Format::Json).await.unwrap();
    session.close().await.unwrap();
    origin.export(&ended, Format::Json).await.unwrap();
    let (live, ended) = (fs::read_to_string(live).unwrap(), fs::read_to_string(ended).unwrap());
    let session_line = live.lines().find(|line| line.contains("\"cart\"")).unwrap();
    let both = ended.replacen("\"sessions\":[\n", &format!("\"sessions\":[\n{session_line}\n"), 1);
    assert_ne!(both, ended, "{ended}");
    let path = folder.path().join("both");
    fs::write(&path, both).unwrap();
    let target = service(&hand).await;
    let options = ImportOptions::default().accept_edited(true);
    assert_eq!(outcomes(&target, &path, options).await, [ImportOutcome::Ended]);
    assert!(matches!(target.owner(&alice()).open("cart").await, Err(OpenError::Ended(_))));
    assert_eq!(target.operator().stats().sessions, 0);
}

#[tokio::test]
async fn an_edited_file_is_taken_where_that_was_asked_for() {
    let (folder, hand) = (tempfile::tempdir().unwrap(), Hand::new());
    let path = exported(folder.path(), &hand, Format::Json, 1).await;
    let text = fs::read_to_string(&path).unwrap();
    let write = |text: String| fs::write(&path, text).unwrap();
    let target = service(&hand).await;
    write(text.replace("\"value\":1", "\"value\":77"));
    assert_ne!(fs::read_to_string(&path).unwrap(), text);
    let refused = target.import(&path, ImportOptions::default()).await;
    assert!(matches!(refused, Err(FileProblem::Refused { .. })), "{refused:?}");
    assert_eq!(target.operator().stats().sessions, 0);
    let edited = || ImportOptions::default().accept_edited(true);
    assert_eq!(outcomes(&target, &path, edited()).await, [ImportOutcome::Created]);
    let session = target.owner(&alice()).open("cart").await.unwrap();
    assert_eq!(session.get::<u32>("apples").unwrap(), Some(77));

    // An edit must not put a session under another's id, nor past a cap; and it is refused by itself.
    for (what, to) in [("\"id\":\"cart\"", "\"id\":\"tarc\""), ("\"alice\"", "\"mallory\"")] {
        write(text.replace(what, to));
        let target = service(&hand).await;
        let outcomes = outcomes(&target, &path, edited()).await;
        assert!(matches!(outcomes.as_slice(), [ImportOutcome::Refused(_)]), "{what}: {outcomes:?}");
        assert_eq!(target.operator().stats().sessions, 0);
    }
    write(text.clone());
    let small = SessionService::builder().clock(hand.clock()).max_key_bytes(3).start().await.unwrap();
    assert!(matches!(outcomes(&small, &path, edited()).await.as_slice(), [ImportOutcome::Refused(_)]));
    let full = SessionService::builder().clock(hand.clock()).max_sessions(1_u64).start().await.unwrap();
    full.global().await.unwrap();
    assert!(matches!(outcomes(&full, &path, edited()).await.as_slice(), [ImportOutcome::Refused(_)]));
    write(text.replace("{", "["));
    assert!(matches!(target.import(&path, edited()).await, Err(FileProblem::Refused { .. })));
    assert!(matches!(target.import(folder.path().join("none"), edited()).await, Err(FileProblem::Refused { .. })));
}
