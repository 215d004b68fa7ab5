//! The log: on stderr, and without the credentials that other crates would write into it.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged by default.
pub(crate) const DEFAULT: &str = "info";

/// Targets that stay quiet unless the filter names them. rmcp writes whole session ids, at info and in some failures
/// at error too; what is worth knowing is told by events of our own. The others write headers when asked for `debug`.
const QUIET: &str = "rmcp=off,hyper=warn,hyper_util=warn,h2=warn";

/// The filter `text` over our own defaults: what it names wins.
fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(format!("{QUIET},{text}"))
}

/// Checks a filter's text and gives it back.
pub(crate) fn check(text: &str) -> Result<String, String> {
    filter(text).map(|_| text.to_owned()).map_err(|error| {
        format!("`{text}` is not a log filter ({error}); write a level such as debug, or info,sessile=trace")
    })
}

/// Starts logging to stderr, for the whole process; a second call changes nothing.
pub(crate) fn start(text: &str) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = filter(text).unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},{DEFAULT}")));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    let _ = subscriber.try_init();
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(text: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter(text).unwrap())
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "sessile::edge", "ours");
            tracing::debug!(target: "sessile::edge", "detail");
            tracing::info!(target: "rmcp::transport", "create new session SECRET");
            tracing::error!(target: "rmcp::transport", "failed to close session SECRET");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn session_ids_of_rmcp_stay_out() {
        for text in [DEFAULT, "debug", "trace", "warn,sessile=debug"] {
            let log = logged(text);
            assert!(!log.contains("SECRET"), "{text}: {log}");
            assert!(log.contains("ours"), "{text}: {log}");
        }
    }

    #[test]
    fn what_is_named_wins() {
        assert!(logged("info,rmcp=info").contains("SECRET"));
        assert!(logged("debug").contains("detail"));
        assert!(!logged("info").contains("detail"));
    }

    #[test]
    fn a_wrong_filter_is_told() {
        assert!(check("info,sessile=loud").unwrap_err().contains("is not a log filter"));
    }
}
