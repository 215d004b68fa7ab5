//! What is a key, and what is told of those that are none.

use std::fs;

use super::*;

const ONE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const TWO: &str = "AA0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eFF";

#[test]
fn the_first_key_writes_and_all_are_found() {
    let ring = KeyRing::parse(&format!("# written in May\r\n\n  {ONE}  \n# older\n{TWO}\n")).unwrap();
    let ids: Vec<_> = ring.ids().collect();
    assert_eq!((ids.len(), ids[0]), (2, ring.writing()));
    assert_eq!(ring.find(ids[1]).unwrap().secret()[0], 0xaa);
    assert_eq!(ring.first().unwrap().secret()[31], 0x1f);
    assert!(ring.find(KeyId([0; KEY_ID_BYTES])).is_none());
    assert_ne!(ring, KeyRing::parse(&format!("{TWO}\n{ONE}")).unwrap());
    // The name is the key's for ever: files hold it.
    assert_eq!(ids[0].to_string(), KeyRing::parse(ONE).unwrap().writing().to_string());
    assert_eq!(ids[0].to_string().len(), 16);
}

#[test]
fn a_wrong_line_is_told_by_its_number_and_never_by_what_it_holds() {
    let short = &ONE[..62];
    let odd = ONE.replace('a', "x");
    let signed = format!("+{}", &ONE[1..]);
    let umlaut = format!("{}ä", &ONE[..62]);
    let text = format!("{ONE}\n{short}\n#\n{odd}\n{ONE}0\n{TWO}\n{ONE}\n{signed}\n{umlaut}");
    let error = KeyRing::parse(&text).unwrap_err();
    let told = format!("{error} {error:?}");
    for line in ["line 2 is", "line 4 is", "line 5 is", "line 7 repeats the key of line 1", "line 8 is", "line 9 is"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains(&ONE[..8]) && !told.contains("line 6") && !told.contains("line 1 "), "{told}");
    assert!(matches!(KeyRing::parse("\n# none\n"), Err(KeyError::Empty)));
}

#[test]
fn a_ring_shows_no_key() {
    let ring = KeyRing::parse(&format!("{ONE}\n{TWO}")).unwrap();
    let shown = format!("{ring:?} {ring:#?} {}", ring.writing()).to_lowercase();
    assert!(!shown.contains(&ONE[..8]) && !shown.contains(&TWO[2..10]) && shown.contains(&ring.writing().to_string()));
}

#[cfg(unix)]
#[test]
fn a_key_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let with_mode = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        KeyRing::load(&path)
    };
    assert!(matches!(KeyRing::load(&path), Err(KeyError::Read { .. })));
    assert!(matches!(KeyRing::load(folder.path()), Err(KeyError::NotAFile { .. })));
    fs::write(&path, ONE).unwrap();
    assert_eq!(with_mode(0o600).unwrap(), KeyRing::parse(ONE).unwrap());
    assert!(with_mode(0o400).is_ok());
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610] {
        let told = with_mode(mode).unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{mode:o}: {told}");
    }
    fs::write(&path, &ONE[1..]).unwrap();
    let told = with_mode(0o600).unwrap_err().to_string();
    assert!(told.contains("keys") && told.contains("line 1 is not a key") && !told.contains(&ONE[1..9]), "{told}");
    fs::write(&path, [0xff; 64]).unwrap();
    assert!(matches!(with_mode(0o600), Err(KeyError::Read { .. })));
    fs::write(&path, "#\n".repeat(40_000)).unwrap();
    assert!(matches!(with_mode(0o600), Err(KeyError::NotAFile { .. })));
}
