//! Where an option's text comes from: a flag, else the environment, else the configuration file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use super::file::ConfigFile;
use super::{near, parse};
use crate::cli::Flags;
use crate::options::Problems;

/// Names of all options, as the flags and the configuration file spell them.
pub(crate) const NAMES: &[&str] = &[
    "addr",
    "allowed-host",
    "allowed-origin",
    "at-capacity",
    "auth",
    "durability",
    "flush-every",
    "compress",
    "format",
    "idle-timeout",
    "jwks",
    "jwt-audience",
    "jwt-issuer",
    "key-file",
    "keep-for",
    "log",
    "max-body-bytes",
    "max-connections",
    "max-lifetime",
    "max-requests",
    "max-sessions",
    "max-streams",
    "metrics-addr",
    "request-wait",
    "snapshot-every",
    "snapshots",
    "start-empty",
    "sweep-every",
    "tokens",
];

/// What every variable of ours starts with.
const PREFIX: &str = "SESSILE_";

/// The variable that holds a key itself. No flag and no file of options does: those are read by others.
pub(crate) const KEY: &str = "SESSILE_KEY";

/// A variable of the environment: its name, and a value that is wiped when it is dropped, since one of them is a key.
pub(crate) type Variable = (String, Zeroizing<String>);

/// Where a text was written, named so that whoever wrote it finds it.
enum Origin<'a> {
    Flag(&'a str),
    Variable(&'a str),
    Key { name: &'a str, file: &'a Path },
}

/// Reads options one by one and gathers what is wrong with them.
pub(crate) struct Sources {
    flags: Flags,
    variables: BTreeMap<String, Zeroizing<String>>,
    file: Option<ConfigFile>,
    /// What is wrong so far.
    pub(crate) problems: Problems,
    /// What is odd but no reason to refuse.
    pub(crate) warnings: Vec<String>,
}

impl Sources {
    /// Takes flags and environment, and reads the configuration file that they name. A variable that is set to nothing
    /// counts as not set, since that is how compose files and unit files leave one out.
    pub(crate) fn new(flags: Flags, environment: impl IntoIterator<Item = Variable>) -> Self {
        let ours = environment.into_iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty());
        let mut sources =
            Self { flags, variables: ours.collect(), file: None, problems: Problems::default(), warnings: Vec::new() };
        sources.warn_of_unknown_variables();
        if let Some(path) = sources.one("config", parse::path) {
            sources.file = ConfigFile::read(&path, &mut sources.problems);
        }
        sources
    }

    /// The value of the option `name`; `None` when nobody gave it, or when it is wrong, which is then a problem.
    pub(crate) fn one<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let (origin, values) = self.find(name)?;
        let parsed = match values {
            [text] => parse(text),
            _ => Err("takes one value".to_owned()),
        };
        parsed.map_err(|problem| self.problems.add(format!("{origin}: {problem}"))).ok()
    }

    /// The values of the option `name`, which may be given again; the strongest source alone counts.
    pub(crate) fn many<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some((origin, values)) = self.find(name) else { return Vec::new() };
        let texts = values.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
        let (good, bad): (Vec<_>, Vec<_>) = texts.map(parse).partition(Result::is_ok);
        for problem in bad.into_iter().filter_map(Result::err) {
            self.problems.add(format!("{origin}: {problem}"));
        }
        good.into_iter().filter_map(Result::ok).collect()
    }

    /// The value of the variable [`KEY`], which is kept nowhere else and wiped with the call.
    pub(crate) fn key<T>(&mut self, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.variables.remove(KEY)?;
        parse(&text).map_err(|problem| self.problems.add(format!("{KEY}: {problem}"))).ok()
    }

    /// Whether the variable [`KEY`] is set.
    pub(crate) fn has_key(&self) -> bool {
        self.variables.contains_key(KEY)
    }

    /// Whether somebody gave this option.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<(String, &[String])> {
        if let Some((name, values)) = self.flags.get_key_value(name) {
            return Some((Origin::Flag(name).to_string(), values));
        }
        if let Some((name, value)) = self.variables.get_key_value(&variable(name)) {
            return Some((Origin::Variable(name).to_string(), std::slice::from_ref::<String>(value)));
        }
        let file = self.file.as_ref()?;
        let values = file.values(name)?;
        Some((Origin::Key { name, file: file.path() }.to_string(), values))
    }

    /// A mistyped variable must not pass in silence, and must not stop a server whose neighbours use the same prefix.
    fn warn_of_unknown_variables(&mut self) {
        let known: Vec<String> = NAMES.iter().chain(&["config"]).map(|name| variable(name)).collect();
        for name in self.variables.keys().filter(|name| !known.contains(name) && *name != KEY) {
            let bare = name.trim_start_matches(PREFIX);
            let hint = near::nearest(bare, NAMES).map(|near| format!("; did you mean {}?", variable(near)));
            self.warnings.push(format!("{name} is not an option and is ignored{}", hint.unwrap_or_default()));
        }
    }
}

/// The variable of an option.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::Key { name, file } => write!(f, "`{name}` in {}", file.display()),
        }
    }
}
