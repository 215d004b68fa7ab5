//! Tokens files: what is read, what is refused, and what `add` writes.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sessile::mcp::TokenHash;

use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, path)
}

fn refused(text: &str) -> String {
    let (_folder, path) = file(text);
    load(&path).expect_err("the file was taken").to_string()
}

#[test]
fn finds_the_subject_of_a_token() {
    let text = format!(
        "# ours\nalice = \"{}\"\n\"bob@example.com\" = \"{}\"\n",
        TokenHash::of("a").to_hex(),
        TokenHash::of("b").to_hex()
    );
    let (_folder, path) = file(&text);
    let (table, warning) = load(&path).unwrap();
    assert_eq!((table.len(), warning), (2, None));
    assert_eq!(table.subject("a"), Some("alice"));
    assert_eq!(table.subject("b"), Some("bob@example.com"));
    for unknown in ["", "c", &TokenHash::of("a").to_hex()] {
        assert_eq!(table.subject(unknown), None);
    }
}

#[test]
fn everything_wrong_is_told_with_its_line() {
    let hash = TokenHash::of("x").to_hex();
    let told = refused(&format!(
        "a = \"SECRET-TOKEN\"\n\"\" = \"{hash}\"\n\"tab\\t\" = \"{}\"\nb = 7\nc.d = \"{hash}\"\ne = \"{hash}\"\nf = \"{hash}\"\n\"{}\" = \"{}\"\n",
        TokenHash::of("t").to_hex(),
        "n".repeat(257),
        hash.to_uppercase(),
    ));
    for message in [
        "line 1: \"a\": the hash is not 64 lower-case hexadecimal digits",
        "line 2: \"\": the subject length is lower than 1",
        "line 3: \"tab\\t\": the subject has control characters",
        "line 4: \"b\": is of type integer; write the hash in quotes",
        "line 5: \"c\": is a table",
        "line 7: \"f\": has the token of \"e\"",
        "the subject length is greater than 256",
    ] {
        assert!(told.contains(message), "{message}\n{told}");
    }
    assert_eq!(told.lines().count(), 8, "{told}");
    assert!(!told.contains("SECRET") && !told.contains(&hash), "{told}");
}

#[test]
fn what_is_not_toml_is_told_without_repeating_it() {
    let told = refused("alice = SECRET-TOKEN\nbob@x = \"SECRET\"\nalice = \"SECRET\"\n");
    assert!(told.contains("line 1: not valid TOML") && told.contains("line 2: not valid TOML"), "{told}");
    assert!(!told.contains("SECRET"), "{told}");
}

#[test]
fn a_file_without_tokens_lets_nobody_in() {
    assert!(refused("# nobody yet\n").contains("holds no token; `sessile token add NAME --tokens "));
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let told = load(Path::new("missing.toml")).unwrap_err().to_string();
    assert!(told.contains("`sessile token add NAME --tokens missing.toml` makes one"), "{told}");
}

#[test]
fn a_file_that_others_can_read_is_warned_of() {
    let (_folder, path) = file(&format!("a = \"{}\"", TokenHash::of("a").to_hex()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let warning = load(&path).unwrap().1.unwrap();
    assert!(warning.contains("chmod 600"), "{warning}");
}

#[test]
fn add_makes_the_file_and_the_token_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let alice = add(&path, "alice").unwrap();
    let odd = add(&path, r#"o"d\d é"#).unwrap();
    assert_eq!(alice.len(), "sessile_".len() + 64);
    assert_ne!(alice, odd);
    let (table, warning) = load(&path).unwrap();
    assert_eq!((table.subject(&alice), table.subject(&odd)), (Some("alice"), Some(r#"o"d\d é"#)));
    assert_eq!(warning, None);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&path).unwrap().contains(&alice[8..]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file stayed");
}

#[test]
fn add_keeps_what_is_there() {
    let before = format!("# ours, do not touch\n\nbob   = '{}' # since May", TokenHash::of("b").to_hex());
    let (_folder, path) = file(&before);
    add(&path, "alice").unwrap();
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&format!("{before}\n\"alice\" = \"")), "{after}");
}

#[test]
fn add_follows_a_link() {
    let (folder, path) = file("");
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    add(&link, "alice").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(load(&path).unwrap().0.len(), 1);
}

#[test]
fn add_refuses_a_name_that_is_taken_or_unusable() {
    let (_folder, path) = file(&format!("\nbob = \"{}\"\n", TokenHash::of("b").to_hex()));
    let before = fs::read(&path).unwrap();
    let told = add(&path, "bob").unwrap_err().to_string();
    assert!(
        told.contains("\"bob\" has a token already (line 2 of ") && told.contains("remove that line first"),
        "{told}"
    );
    let told = add(&path, "").unwrap_err().to_string();
    assert!(told.contains("the name \"\" cannot be used: the subject length is lower than 1"), "{told}");
    let told = add(&path, "a\nb").unwrap_err().to_string();
    assert!(told.contains("control characters"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn add_touches_no_file_that_is_wrong() {
    let (_folder, path) = file("[table]\n");
    assert!(add(&path, "alice").unwrap_err().to_string().contains("is a table"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[table]\n");
}

#[test]
fn racing_adds_lose_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || add(path, &format!("user-{number}")).unwrap());
        }
    });
    assert_eq!(load(&path).unwrap().0.len(), 8);
}
