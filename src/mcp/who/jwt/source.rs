//! Where keys are read from.

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use super::keys::MAX_BYTES;

/// A key set that is on its way: its JSON text (RFC 7517).
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// Reads a JSON Web Key Set (RFC 7517). One that asks over the network brings its own HTTP client: HTTPS alone, a limit
/// on what it reads, no redirects to elsewhere. Whoever waits for it waits 10 seconds at most.
///
/// ```
/// use sessile::mcp::{Fetching, JwksSource};
///
/// /// Keys that another part of the program keeps up to date.
/// struct Shared(std::sync::Arc<std::sync::Mutex<String>>);
///
/// impl JwksSource for Shared {
///     fn fetch(&self) -> Fetching<'_> {
///         Box::pin(async { Ok(self.0.lock().map_err(|error| error.to_string())?.clone().into_bytes()) })
///     }
/// }
/// ```
pub trait JwksSource: Send + Sync + 'static {
    /// Reads the key set.
    ///
    /// # Errors
    ///
    /// It cannot be read; what was read earlier goes on counting.
    fn fetch(&self) -> Fetching<'_>;
}

/// A key set that never changes.
#[derive(Clone, Debug)]
pub struct Jwks(Box<str>);

impl Jwks {
    /// The key set of this JSON text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }
}

impl JwksSource for Jwks {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async { Ok(self.0.as_bytes().to_vec()) })
    }
}

/// A key set in a file, which somebody else may replace.
#[derive(Clone, Debug)]
pub struct JwksFile(PathBuf);

impl JwksFile {
    /// The key set of this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl JwksSource for JwksFile {
    fn fetch(&self) -> Fetching<'_> {
        let path = self.0.clone();
        Box::pin(async move { Ok(tokio::task::spawn_blocking(move || read(&path)).await??) })
    }
}

/// The file, or so much of it that it is seen to be too long.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
