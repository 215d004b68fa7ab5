//! Encryption at rest: with a key no file tells anything; without it nothing starts, and nothing is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Caller, Era, Needles, Raw, Server, sessile, state_files};

fn key_file(path: &Path, digits: &str) -> String {
    let lines: Vec<_> = digits.chars().map(|digit| digit.to_string().repeat(64)).collect();
    fs::write(path, lines.join("\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn run(home: &Path, args: &[&str], key: Option<&str>) -> Output {
    let mut command = sessile(home);
    key.into_iter().for_each(|key| {
        command.env("SESSILE_KEY", key);
    });
    command.args(args).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn sealed_files_tell_nothing_and_open_under_their_key_alone() {
    for format in ["bincode", "json"] {
        let keys = tempfile::tempdir().unwrap();
        let (right, wrong) = (key_file(&keys.path().join("a"), "a"), key_file(&keys.path().join("b"), "b"));
        let both = key_file(&keys.path().join("ba"), "ba");
        let mut server = Server::start(&["--format", format, "--key-file", &right]);
        let mut needles = Needles::default();
        let (key, text, label, name) = (
            needles.secret("a key", 0),
            needles.secret("a value", 0),
            needles.secret("a label", 0),
            needles.secret("a name", 0),
        );
        let mut caller = Raw::connect(&server, Era::Modern, None);
        let created = caller.done("create_session", json!({"kind": "cart", "label": label, "name": name}));
        let handle = created["session"].clone();
        needles.plant("a handle", 0, handle.as_str().unwrap());
        caller.set(&handle, &key, json!(text));
        caller.set(&Value::Null, &key, json!(text));
        server.snapshot();
        server.kill();
        let folder = server.snapshots();
        for (path, bytes) in state_files::contents(&folder) {
            let found = needles.find(&String::from_utf8_lossy(&bytes), None);
            assert!(found.is_none(), "{format}, {}: {found:?}", path.display());
        }

        // Without the key: refused, told what to do, as it was.
        let before = state_files::contents(&folder);
        for flags in [&["--key-file", &wrong][..], &[]] {
            let home = state_files::copy(&folder);
            let copy = home.path().join("snapshots");
            let refused = Server::start_in(home, flags).err().unwrap_or_else(|| panic!("{format}: it started"));
            assert_eq!(refused.code, Some(3), "{}", refused.log);
            assert!(refused.log.contains("name a key file that holds it"), "{}", refused.log);
            assert!(refused.log.contains("start empty") && !refused.log.contains("aaaaaaaa"), "{}", refused.log);
            let bytes = |files: std::collections::BTreeMap<PathBuf, Vec<u8>>| files.into_values().collect::<Vec<_>>();
            assert!(bytes(state_files::contents(&copy)) == bytes(before.clone()), "something was touched");
        }

        // The commands, by flag and by environment.
        let newest = state_files::generations(&folder).pop().unwrap();
        let newest = newest.to_str().unwrap();
        for command in [&["inspect", newest][..], &["verify", newest], &["export", folder.to_str().unwrap()]] {
            let refused = run(server.home(), command, None);
            assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
            assert!(told(&refused).contains("--key-file"), "{}", told(&refused));
            let opened =
                run(server.home(), &[command, &["--key-file", &right]].concat(), Some("which the flag goes before"));
            assert_eq!(opened.status.code(), Some(0), "{}", told(&opened));
            let opened = run(server.home(), command, Some(&"a".repeat(64)));
            assert_eq!(opened.status.code(), Some(0), "{}", told(&opened));
            let wrong = run(server.home(), command, Some("c0ffee"));
            assert_eq!(wrong.status.code(), Some(2), "{}", told(&wrong));
            assert!(
                told(&wrong).contains("SESSILE_KEY: line 1") && !told(&wrong).contains("c0ffee"),
                "{}",
                told(&wrong)
            );
        }
        let exported = keys.path().join("export");
        let exported = exported.to_str().unwrap();
        let made = run(server.home(), &["export", newest, "--to", exported, "--seal", "--key-file", &both], None);
        assert_eq!(made.status.code(), Some(0), "{}", told(&made));
        let checked = run(server.home(), &["verify", exported, "--json", "--key-file", &wrong], None);
        assert!(told(&checked).contains("\"sealed_under\": \""), "{}", told(&checked));
        let unsealable = run(server.home(), &["export", newest, "--to", "x", "--seal"], None);
        assert_eq!(unsealable.status.code(), Some(2), "{}", told(&unsealable));
        let imported = run(server.home(), &["import", exported, "--snapshots", "other", "--key-file", &wrong], None);
        assert_eq!(imported.status.code(), Some(0), "{}", told(&imported));
        let other = state_files::generations(&server.home().join("other")).pop().unwrap();
        assert_eq!(run(server.home(), &["inspect", other.to_str().unwrap()], None).status.code(), Some(3));

        // With the right one below a new one it goes on, and what it writes is under the new one.
        server.start_again_with(&["--format", format, "--key-file", &both]);
        let mut caller = Raw::connect(&server, Era::Modern, None);
        assert_eq!((caller.value(&handle, &key), caller.value(&Value::Null, &key)), (json!(text), json!(text)));
        server.stop();
        server.start_again_with(&["--format", format, "--key-file", &wrong]);
        assert_eq!(Raw::connect(&server, Era::Modern, None).value(&handle, &key), json!(text));
    }
}

#[test]
fn a_key_file_that_others_may_read_is_refused_with_the_way_out() {
    let keys = tempfile::tempdir().unwrap();
    let file = key_file(&keys.path().join("a"), "a");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Server::start_in(tempfile::tempdir().unwrap(), &["--key-file", &file]).err().unwrap();
    assert_eq!(refused.code, Some(2), "{}", refused.log);
    assert!(refused.log.contains(&format!("chmod 600 {file}")), "{}", refused.log);
}

#[test]
fn compressed_snapshots_are_restored() {
    let mut server = Server::start(&["--compress"]);
    let mut caller = Raw::connect(&server, Era::Modern, None);
    caller.set(&Value::Null, "text", json!("again ".repeat(10_000)));
    server.snapshot();
    server.kill();
    let newest = state_files::generations(&server.snapshots()).pop().unwrap();
    assert!(fs::metadata(&newest).unwrap().len() < 20_000);
    let checked = run(server.home(), &["verify", newest.to_str().unwrap()], None);
    assert!(told(&checked).contains(", compressed"), "{}", told(&checked));
    server.start_again_with(&[]);
    assert_eq!(Raw::connect(&server, Era::Modern, None).value(&Value::Null, "text"), json!("again ".repeat(10_000)));
}
