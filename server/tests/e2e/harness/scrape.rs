//! What `/metrics` said at one moment.

/// The text, and the figures in it.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    pub(crate) text: String,
}

impl Scrape {
    pub(crate) fn of(text: String) -> Self {
        Self { text }
    }

    /// The sum of all samples of this name, whatever their labels; a name may be given with labels to match.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.find(name).unwrap_or_else(|| panic!("no {name} in:\n{}", self.text))
    }

    /// The same; `None` where there is no such sample.
    pub(crate) fn find(&self, name: &str) -> Option<f64> {
        let (name, label) =
            name.split_once('{').map_or((name, ""), |(name, labels)| (name, labels.trim_end_matches('}')));
        let samples = self.text.lines().filter(|line| !line.starts_with('#'));
        let values = samples.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (known, labels) = series.split_once('{').unwrap_or((series, ""));
            (known == name && label.split(',').all(|label| labels.contains(label)))
                .then(|| value.parse::<f64>().ok())?
        });
        let values: Vec<f64> = values.collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}
