//! The bearer token of a request (RFC 6750, section 2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::Refusal;

/// The one bearer token of the headers. Two `Authorization` headers are none, since nobody knows which one counts. A
/// token in the address or in a form is not looked for: it would end in logs.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Err(Refusal::Missing) };
    if values.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let text = value.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::Missing);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() || token.contains(char::is_whitespace) { Err(Refusal::Malformed) } else { Ok(token) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(values: &[&[u8]]) -> Result<String, Refusal> {
        let headers: HeaderMap =
            values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap())).collect();
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn one_token_and_no_other() {
        for good in ["Bearer abc", "bearer abc", "BEARER  abc", "Bearer abc "] {
            assert_eq!(told(&[good.as_bytes()]), Ok("abc".to_owned()), "{good}");
        }
        assert_eq!(told(&[]), Err(Refusal::Missing));
        for missing in ["Basic abc", "abc", "Bearer\tabc", "Bearerabc"] {
            assert_eq!(told(&[missing.as_bytes()]), Err(Refusal::Missing), "{missing}");
        }
        let twice: &[&[u8]] = &[b"Bearer abc", b"Bearer abc"];
        for malformed in [twice, &[b"Bearer"], &[b"Bearer "], &[b"Bearer a b"], &[b"Bearer \xff"]] {
            assert_eq!(told(malformed), Err(Refusal::Malformed), "{malformed:?}");
        }
    }
}
