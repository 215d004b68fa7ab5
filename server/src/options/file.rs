//! The configuration file: TOML whose keys are the names of the options.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Problems;
use super::near;
use super::source::NAMES;

/// A configuration file that was read: every key known, every value a text or texts.
pub(crate) struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// Reads the file; what is wrong with it joins `problems`, what is right is kept. Paths in it are taken from the
    /// folder the server was started in, as those of flags are.
    pub(crate) fn read(path: &Path, problems: &mut Problems) -> Option<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| problems.add(format!("cannot read the configuration file {shown}: {error}")))
            .ok()?;
        let table: Table = text
            .parse()
            .map_err(|error| problems.add(format!("{shown} is not valid TOML: {}", str::trim_end(&format!("{error}")))))
            .ok()?;
        let mut values = BTreeMap::new();
        for (name, value) in table {
            match known(&name).and_then(|()| texts(&name, value)) {
                Ok(texts) => {
                    values.insert(name, texts);
                }
                Err(problem) => problems.add(format!("`{name}` in {shown}: {problem}")),
            }
        }
        Some(Self { path: path.to_owned(), values })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of the option `name`.
    pub(crate) fn values(&self, name: &str) -> Option<&[String]> {
        self.values.get(name).map(Vec::as_slice)
    }
}

fn known(name: &str) -> Result<(), String> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(match near::nearest(name, NAMES) {
        Some(near) => format!("is not an option; did you mean `{near}`?"),
        None => format!("is not an option; the options are {}", NAMES.join(", ")),
    })
}

fn texts(name: &str, value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::String(text) => Ok(vec![text]),
        Value::Integer(number) => Ok(vec![number.to_string()]),
        Value::Boolean(switch) => Ok(vec![switch.to_string()]),
        Value::Array(items) if name.starts_with("allowed-") => items
            .into_iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| "every item must be a string".to_owned()))
            .collect(),
        other => Err(format!("{} makes no sense here; write a string", other.type_str())),
    }
}
