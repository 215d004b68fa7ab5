//! Precedence, defaults, and each wrong input with its message.

use std::fs;

use super::*;

fn flags(pairs: &[(&'static str, &str)]) -> Flags {
    let mut flags = Flags::new();
    for (name, value) in pairs {
        flags.entry(name).or_default().push((*value).to_owned());
    }
    flags
}

fn environment(pairs: &[(&str, &str)]) -> Vec<Variable> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into())).collect()
}

fn read(pairs: &[(&'static str, &str)]) -> Result<ServeOptions, Problems> {
    ServeOptions::read(flags(pairs), [])
}

fn problem(pairs: &[(&'static str, &str)]) -> String {
    read(pairs).expect_err("the options were taken").to_string()
}

fn config(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessile.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn defaults() {
    let options = read(&[]).unwrap();
    assert_eq!(options.addr, "127.0.0.1:8808".parse().unwrap());
    assert_eq!((options.metrics_addr, options.snapshots), (None, PathBuf::from("./snapshots")));
    assert_eq!((options.snapshot_every, options.sweep_every), (Duration::from_secs(60), Duration::from_secs(300)));
    assert_eq!((options.format, options.at_capacity), (Format::Bincode, AtCapacity::Reject));
    assert_eq!((options.max_sessions, options.max_connections), (10_000, 1_024));
    assert_eq!((options.max_requests, options.max_streams, options.max_body_bytes), (256, 512, 4 << 20));
    assert_eq!((options.auth, options.start_empty, options.log.as_str()), (AuthOption::Local, false, "info"));
    assert_eq!(options.warnings, Vec::<String>::new());
}

#[test]
fn lifetimes_follow_the_callers() {
    let day = Duration::from_secs(86_400);
    let local = read(&[]).unwrap();
    assert_eq!((local.idle_timeout, local.max_lifetime), (Some(7 * day), None));
    let tokens = read(&[("tokens", "t.toml")]).unwrap();
    assert_eq!(tokens.auth, AuthOption::Tokens("t.toml".into()));
    assert_eq!((tokens.idle_timeout, tokens.max_lifetime), (Some(day), Some(30 * day)));
    let anonymous = read(&[("auth", "anonymous")]).unwrap();
    assert_eq!((anonymous.idle_timeout, anonymous.max_lifetime), (Some(day / 48), Some(day)));
    let own = read(&[("idle-timeout", "never"), ("max-lifetime", "7d")]).unwrap();
    assert_eq!((own.idle_timeout, own.max_lifetime), (None, Some(7 * day)));
}

#[test]
fn signed_tokens_need_an_issuer_an_audience_and_keys() {
    let day = Duration::from_secs(86_400);
    let all = |issuer, audience, keys| [("jwt-issuer", issuer), ("jwt-audience", audience), ("jwks", keys)];
    let given = all("https://id.example/", "https://mcp.example/mcp", "https://id.example/jwks.json?x=1");
    let (issuer, audience) = ("https://id.example/".to_owned(), "https://mcp.example/mcp".to_owned());
    let expected = |keys| AuthOption::Jwt(JwtOption { issuer: issuer.clone(), audience: audience.clone(), keys });
    let jwt = read(&given).unwrap();
    assert_eq!(jwt.auth, expected(KeySet::Url("https://id.example/jwks.json?x=1".into())));
    assert_eq!((jwt.idle_timeout, jwt.max_lifetime), (Some(day), Some(30 * day)));
    for local in ["http://127.0.0.1:9/jwks", "http://localhost/jwks", "http://[::1]:9/jwks"] {
        assert!(read(&all("https://i.example", "a", local)).is_ok(), "{local}");
    }
    let file = read(&[("auth", "jwt"), given[0], given[1], ("jwks", "keys/jwks.json")]).unwrap();
    assert_eq!(file.auth, expected(KeySet::File("keys/jwks.json".into())));
    for (wrong, message) in [
        (all("id.example", "a", "k"), "--jwt-issuer: `id.example` is not an issuer"),
        (all("https://i.example?x", "a", "k"), "is not an issuer"),
        (all("https://i.example", "", "k"), "--jwt-audience: the audience is empty"),
        (all("https://i.example", "a ", "k"), "--jwt-audience: the audience is empty"),
        (all("https://i.example", "a", ""), "--jwks: the path is empty"),
        (all("https://i.example", "a", "http://id.example/jwks"), "could be changed on its way"),
        (all("https://i.example", "a", "ftp://id.example/jwks"), "is no address"),
        (all("https://i.example", "a", "https://u:p@id.example/jwks"), "is no address"),
    ] {
        let told = problem(&wrong);
        assert!(told.contains(message) && told.lines().count() == 1, "{wrong:?}: {told}");
    }
    let mixed = problem(&[("tokens", "t.toml"), given[0], given[1], given[2]]);
    assert!(mixed.contains("leave them out, or give --auth jwt"), "{mixed}");
    let mixed = problem(&[("auth", "jwt"), ("tokens", "t.toml"), given[0], given[1], given[2]]);
    assert!(mixed.contains("a tokens file is named, and auth is not tokens"), "{mixed}");
    let mixed = problem(&[("auth", "local"), given[0]]);
    assert!(mixed.contains("leave them out, or give --auth jwt"), "{mixed}");
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let (_folder, path) = config(
        "max-sessions = 1\nsweep-every = '1m'\nformat = 'json'\nstart-empty = true\nallowed-host = ['a.example', 'b.example']",
    );
    let environment = environment(&[
        ("SESSILE_CONFIG", &path),
        ("SESSILE_MAX_SESSIONS", "2"),
        ("SESSILE_SWEEP_EVERY", "2m"),
        ("SESSILE_START_EMPTY", ""),
        ("HOME", "/"),
    ]);
    let options = ServeOptions::read(flags(&[("max-sessions", "3")]), environment).unwrap();
    assert_eq!(options.max_sessions, 3);
    assert_eq!(options.sweep_every, Duration::from_secs(120));
    assert_eq!(options.format, Format::Json);
    assert!(options.start_empty, "a variable set to nothing hides nothing");
    assert_eq!(options.allowed_hosts, ["a.example", "b.example"]);
}

#[test]
fn the_journal_is_written_as_often_as_was_said() {
    let level = |pairs: &[(&'static str, &str)]| read(pairs).unwrap().durability;
    let journal = |flush_every| Durability::Journal { flush_every };
    assert_eq!(level(&[]), journal(DEFAULT_FLUSH_EVERY));
    for (text, every) in [("1ms", Duration::from_millis(1)), ("1h", Duration::from_secs(3_600))] {
        assert_eq!(level(&[("flush-every", text)]), journal(every));
        assert_eq!(level(&[("durability", "journal"), ("flush-every", text)]), journal(every));
    }
    assert_eq!(level(&[("durability", "commit")]), Durability::Commit);
    for other in ["snapshot", "commit"] {
        let told = problem(&[("durability", other), ("flush-every", "1s")]);
        assert!(told.contains("flush-every is for the durability journal"), "{told}");
    }
}

#[test]
fn lists_are_comma_separated_and_the_strongest_source_replaces() {
    let pairs = environment(&[("SESSILE_ALLOWED_HOST", "a.example, b.example:80"), ("SESSILE_ALLOWED_ORIGIN", "null")]);
    let options = ServeOptions::read(Flags::new(), pairs.clone()).unwrap();
    assert_eq!(options.allowed_hosts, ["a.example", "b.example:80"]);
    assert_eq!(options.allowed_origins, ["null"]);
    let options = ServeOptions::read(flags(&[("allowed-host", "c.example"), ("allowed-host", "d.example")]), pairs);
    assert_eq!(options.unwrap().allowed_hosts, ["c.example", "d.example"]);
}

#[test]
fn each_wrong_value_says_what_to_write() {
    for (name, value, message) in [
        ("addr", "8808", "--addr: `8808` is not an address; write IP:PORT"),
        ("addr", "example.com:80", "is not an address"),
        ("snapshots", "", "--snapshots: the path is empty"),
        ("snapshot-every", "0s", "is no time at all"),
        ("snapshot-every", "never", "`never` has no meaning here"),
        ("snapshot-every", "90", "`90` has no unit; write 90s, 90m or 90h"),
        ("flush-every", "2h", "--flush-every: `2h` is out of bounds; write a time from 1ms to 1h"),
        ("flush-every", "3601s", "write a time from 1ms to 1h"),
        ("flush-every", "100us", "write a time from 1ms to 1h"),
        ("flush-every", "0s", "is no time at all"),
        ("durability", "always", "--durability: `always` is not known; write snapshot or journal or commit"),
        ("sweep-every", "soon", "is not a time"),
        ("sweep-every", "200y", "is more than 100 years"),
        ("idle-timeout", "0s", "would end every session at once; for no limit write never"),
        ("idle-timeout", "0", "would end every session at once"),
        ("max-lifetime", "0m", "for no limit write never"),
        ("format", "xml", "--format: `xml` is not known; write bincode or json"),
        ("max-sessions", "0", "0 would let nothing in"),
        ("max-sessions", "-1", "is not a whole number from 1 to 4294967296"),
        ("max-connections", "many", "is not a whole number from 1 to 1000000"),
        ("at-capacity", "wait", "write reject or evict"),
        ("start-empty", "maybe", "is neither true nor false"),
        ("log", "sessile=loud", "is not a log filter"),
        ("auth", "oauth", "write local or anonymous or tokens or jwt"),
        ("auth", "jwt", "give --jwt-issuer and --jwt-audience and --jwks too"),
        ("jwks", "k.json", "give --jwt-issuer and --jwt-audience too"),
        ("auth", "tokens", "no tokens file is named; give --tokens FILE"),
        ("allowed-host", "http://a.example", "is not a host"),
        ("allowed-host", "*", "is not a host"),
        ("allowed-origin", "a.example", "is not an origin"),
        ("allowed-origin", "https://a.example/", "is not an origin"),
        ("metrics-addr", "127.0.0.1:8808", "metrics-addr is addr itself"),
        ("config", "missing.toml", "cannot read the configuration file missing.toml"),
    ] {
        let told = problem(&[(name, value)]);
        assert!(told.contains(message), "--{name} {value}: {told}");
        assert_eq!(told.lines().count(), 1, "--{name} {value}: {told}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let (_folder, path) =
        config("idle_timeout = '5m'\ncolour = 'red'\nmax-sessions = 1.5\nallowed-host = [1]\nformat = 'xml'");
    let environment = environment(&[("SESSILE_AT_CAPACITY", "wait"), ("SESSILE_CONFIG", &path)]);
    let told = ServeOptions::read(flags(&[("addr", "x"), ("tokens", "t"), ("auth", "local")]), environment);
    let told = told.unwrap_err().to_string();
    for message in [
        "`idle_timeout` in ",
        "did you mean `idle-timeout`?",
        "is not an option; the options are addr, ",
        "float makes no sense here",
        "every item must be a string",
        "`format` in ",
        "SESSILE_AT_CAPACITY: `wait` is not known",
        "--addr: `x` is not an address",
        "a tokens file is named, and auth is not tokens",
    ] {
        assert!(told.contains(message), "{message}: {told}");
    }
    assert_eq!(told.lines().count(), 8, "{told}");
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let (_folder, path) = config("addr = \nformat = 'json'");
    let told = problem(&[("config", &path)]);
    assert!(told.contains("is not valid TOML") && told.contains("line 1"), "{told}");
}

#[test]
fn one_shared_user_is_refused_on_a_network() {
    for addr in ["0.0.0.0:8808", "[::]:8808", "192.0.2.1:8808"] {
        let told = problem(&[("addr", addr)]);
        for way_out in ["listen on 127.0.0.1", "--tokens FILE", "--auth anonymous"] {
            assert!(told.contains(way_out), "{told}");
        }
    }
    for addr in ["127.0.0.2:1", "[::1]:8808", "localhost:8808"] {
        read(&[("addr", addr)]).unwrap();
    }
}

#[test]
fn a_network_address_without_hosts_is_warned_of() {
    let everywhere = [("addr", "0.0.0.0:8808"), ("auth", "anonymous")];
    let options = read(&everywhere).unwrap();
    assert!(options.warnings[0].contains("--allowed-host"), "{:?}", options.warnings);
    let named = [everywhere[0], ("tokens", "t.toml"), ("allowed-host", "mcp.example.com")];
    let options = read(&named).unwrap();
    assert_eq!(options.warnings, Vec::<String>::new());
    assert_eq!(options.hosts(), ["localhost", "127.0.0.1", "::1", "mcp.example.com"]);
    let one = read(&[("addr", "192.0.2.1:8808"), ("auth", "anonymous")]).unwrap();
    assert_eq!(one.warnings, Vec::<String>::new());
    assert_eq!(one.hosts().last().map(String::as_str), Some("192.0.2.1"));
}

#[test]
fn a_mistyped_variable_is_warned_of() {
    let options = ServeOptions::read(Flags::new(), environment(&[("SESSILE_FORMATT", "json")])).unwrap();
    assert_eq!(options.warnings, ["SESSILE_FORMATT is not an option and is ignored; did you mean SESSILE_FORMAT?"]);
}

/// A key file with this mode.
fn key_file(text: &str, mode: u32) -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn keys_come_from_a_file_or_from_the_environment() {
    let key = "a".repeat(64);
    let (_folder, path) = key_file(&key, 0o600);
    let given = |flag: &[(&'static str, &str)], pairs: &[(&str, &str)]| {
        let options = ServeOptions::read(flags(flag), environment(pairs)).unwrap();
        assert_eq!(options.warnings, Vec::<String>::new());
        options.keys
    };
    let ring = KeyRing::parse(&key).ok();
    assert_eq!(given(&[], &[]), None);
    assert_eq!(given(&[("key-file", &path)], &[]), ring);
    assert_eq!(given(&[], &[("SESSILE_KEY_FILE", &path)]), ring);
    assert_eq!(given(&[], &[("SESSILE_KEY", &key)]), ring);
    let (_config, named) = config(&format!("key-file = '{path}'"));
    assert_eq!(given(&[("config", &named)], &[]), ring);
    let (_config, named) = config(&format!("key = '{key}'"));
    let told = problem(&[("config", &named)]);
    assert!(told.contains("`key` in") && told.contains("is not an option") && !told.contains(&key), "{told}");
}

#[test]
fn wrong_keys_are_told_without_what_they_hold() {
    let half = "c0ffee".repeat(6);
    let (_folder, short) = key_file(&half, 0o600);
    let (_exposed, exposed) = key_file(&"a".repeat(64), 0o644);
    let read = |file: &str, key: &str| {
        let told = ServeOptions::read(flags(&[("key-file", file)]), environment(&[("SESSILE_KEY", key)]));
        let told = told.unwrap_err().to_string();
        assert!(!told.contains("c0ffee") && !told.contains("aaaaaaaa"), "{told}");
        told
    };
    let told = read(&short, &half);
    for message in
        ["--key-file: the key file ", "line 1 is not a key", "SESSILE_KEY: line 1", "leave out one of the two"]
    {
        assert!(told.contains(message), "{message}: {told}");
    }
    assert!(read(&exposed, "").contains(&format!("run: chmod 600 {exposed}")));
    assert!(read("missing", "").contains("cannot be read"));
}

#[test]
fn a_flag_goes_before_any_key_of_the_environment_in_commands() {
    let (_folder, path) = key_file(&"a".repeat(64), 0o600);
    let pairs = environment(&[("SESSILE_KEY", "nonsense"), ("SESSILE_CONFIG", "missing.toml")]);
    let keys = keys_for_command(Some(path.as_ref()), pairs.clone()).unwrap();
    assert_eq!(keys, KeyRing::parse(&"a".repeat(64)).ok());
    assert!(keys_for_command(None, pairs).is_err());
    assert_eq!(keys_for_command(None, []).unwrap(), None);
}
