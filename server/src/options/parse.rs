//! From an option's text to its value; what is wrong with a text, and what to write instead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;

use super::KeySet;

/// The longest time that is taken: 100 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// An address to listen on; `localhost` is 127.0.0.1.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    local
        .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        .ok_or_else(|| format!("`{text}` is not an address; write IP:PORT, such as 127.0.0.1:8808 or [::1]:8808"))
}

/// A path that is not empty.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("the path is empty; name one".into()) } else { Ok(PathBuf::from(text)) }
}

/// A time that is more than zero.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() {
        return Err(format!("`{text}` is no time at all; write one such as 90s, 5m or 24h"));
    }
    Ok(time)
}

/// A time from `least` to `most`.
pub(crate) fn between(least: Duration, most: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let given = time(text)?;
        if (least..=most).contains(&given) {
            return Ok(given);
        }
        let [least, most] = [least, most].map(humantime::format_duration);
        Err(format!("`{text}` is out of bounds; write a time from {least} to {most}"))
    }
}

/// A time that is more than zero, or `never`.
pub(crate) fn limit(text: &str) -> Result<Option<Duration>, String> {
    if text == "never" {
        return Ok(None);
    }
    let time = duration(text)?;
    if time.is_zero() {
        return Err(format!("`{text}` would end every session at once; for no limit write never"));
    }
    Ok(Some(time))
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "never" {
        return Err("`never` has no meaning here; write a time such as 90s, 5m or 24h".into());
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.trim_start_matches('0').is_empty() {
        return Err(format!("`{text}` has no unit; write {text}s, {text}m or {text}h"));
    }
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("`{text}` is not a time ({error}); write one such as 90s, 5m, 24h or 7d"))?;
    if time > LONGEST { Err(format!("`{text}` is more than 100 years")) } else { Ok(time) }
}

/// A whole number from 1 to `most`.
pub(crate) fn count(most: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| match text.parse() {
        Ok(0) => Err(format!("0 would let nothing in; write a number from 1 to {most}")),
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("`{text}` is not a whole number from 1 to {most}")),
    }
}

/// Yes or no.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// One of the named choices.
pub(crate) fn choice<T: Copy>(choices: &'static [(&'static str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("`{text}` is not known; write {}", names.join(" or "))
        })
    }
}

/// A host as the `Host` header names it: no scheme, no path, no wildcard; without a port any port fits.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let plain = text.parse::<IpAddr>().is_ok() || text.parse::<Authority>().is_ok_and(|host| is_host(&host));
    if plain {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not a host; write a name as in a URL, such as mcp.example.com or mcp.example.com:8808"
        ))
    }
}

/// Who issues tokens: compared to the letter, so nothing of it is changed.
pub(crate) fn issuer(text: &str) -> Result<String, String> {
    let plain = !text.contains(['?', '#', '@']) && text.parse::<Uri>().is_ok_and(|uri| is_web(&uri));
    let told = || {
        format!(
            "`{text}` is not an issuer; write its address as tokens have it (`iss`), such as https://id.example.com"
        )
    };
    if plain { Ok(text.to_owned()) } else { Err(told()) }
}

/// Whom tokens are for: compared to the letter.
pub(crate) fn audience(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    let told = || "the audience is empty or has space around it; write it as tokens have it (`aud`)".to_owned();
    if plain { Ok(text.to_owned()) } else { Err(told()) }
}

/// Where keys are: an address, else a file. Keys that anybody on the way could have changed are none.
pub(crate) fn key_set(text: &str) -> Result<KeySet, String> {
    if !text.contains("://") {
        return path(text).map(KeySet::File);
    }
    let uri = text.parse::<Uri>().ok().filter(is_web).filter(|_| !text.contains(['#', '@']));
    let here = |host: &str| {
        let bare = host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    match uri {
        Some(uri) if uri.scheme_str() == Some("https") || uri.host().is_some_and(here) => {
            Ok(KeySet::Url(text.to_owned()))
        }
        Some(_) => Err(format!("`{text}` could be changed on its way; write an address of https, or name a file")),
        None => {
            Err(format!("`{text}` is no address; write one such as https://id.example.com/jwks.json, or name a file"))
        }
    }
}

fn is_web(uri: &Uri) -> bool {
    uri.scheme_str().is_some_and(|scheme| ["http", "https"].contains(&scheme))
        && uri.host().is_some_and(|host| !host.is_empty())
}

/// An origin as the `Origin` header names it; `:*` in place of the port fits any port.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let host = text.split_once("://").and_then(|(scheme, rest)| {
        let named =
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        named.then(|| rest.strip_suffix(":*").unwrap_or(rest))
    });
    if text == "null" || host.is_some_and(|host| host.parse::<Authority>().is_ok_and(|host| is_host(&host))) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an origin; write scheme and host without a path, such as https://app.example.com"))
    }
}

fn is_host(host: &Authority) -> bool {
    let text = host.as_str();
    !host.host().is_empty() && !text.contains(['@', '*']) && (!text.ends_with(':')) && text.matches(':').count() < 8
}
