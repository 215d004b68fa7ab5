//! Who is calling: what the options ask for, as a source of principals of the library.

mod jwks;
#[cfg(test)]
mod tests;

use sessile::mcp::{Anonymous, Identify, JwksFile, Jwt, Local, ProtectedResource};

use crate::failure::Failure;
use crate::options::{AuthOption, JwtOption, KeySet};
use crate::tokens;
use jwks::JwksUrl;

/// Makes what the options ask for ready. Beside it: what is odd but no reason to refuse.
///
/// # Errors
///
/// The tokens file or the file of keys cannot be used.
pub(crate) async fn prepare(option: &AuthOption) -> Result<(Identify, Option<String>), Failure> {
    Ok(match option {
        AuthOption::Local => (Local.into(), None),
        AuthOption::Anonymous => (Anonymous.into(), None),
        AuthOption::Tokens(path) => {
            let (table, warning) = tokens::load(path)?;
            tracing::info!(tokens = table.len(), "read the tokens file");
            (table.into(), warning)
        }
        AuthOption::Jwt(option) => {
            let (source, warning) = signed(option).await?;
            let identify = Identify::by(source);
            match ProtectedResource::new(&option.audience, [&option.issuer]) {
                Ok(resource) => (identify.resource(resource), warning),
                Err(_) => {
                    let untold = "the audience of tokens (jwt-audience) is no address of this server, so clients that come \
                                  without a token are not told where to get one";
                    (identify, Some(warning.map_or_else(|| untold.to_owned(), |first| format!("{first}; {untold}"))))
                }
            }
        }
    })
}

/// Signed tokens. A file has to hold keys at once; an authorization server may be down while this one starts.
async fn signed(option: &JwtOption) -> Result<(Jwt, Option<String>), Failure> {
    let JwtOption { issuer, audience, keys } = option;
    match keys {
        KeySet::File(path) => {
            let jwt = Jwt::new(issuer, audience, JwksFile::new(path));
            let keys = jwt.load().await.map_err(|source| Failure::Keys { path: path.clone(), source })?;
            tracing::info!(keys, "read the keys that tokens are signed with");
            Ok((jwt, None))
        }
        KeySet::Url(url) => {
            let jwt = Jwt::new(issuer, audience, JwksUrl::new(url));
            let warning = match jwt.load().await {
                Ok(keys) => {
                    tracing::info!(keys, "read the keys that tokens are signed with");
                    None
                }
                Err(error) => Some(format!(
                    "{}: no caller is let in until they can be had from {url}, which is tried once a minute",
                    crate::failure::chain(&error)
                )),
            };
            Ok((jwt, warning))
        }
    }
}
