//! Readable spellings of hashes and times in the JSON format.

use serde::{Deserialize, Deserializer, Serializer, de, ser};

use super::v1::MAX_STAMP;

const DAY: u64 = 86_400;

/// A hash as 64 lower-case hexadecimal digits.
pub(super) mod hex {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        to.serialize_str(&text)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        let lower = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).filter(|_| lower);
            let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            *byte = value.ok_or_else(|| de::Error::custom("a hash has 64 lower-case hexadecimal digits"))?;
        }
        Ok(bytes)
    }
}

/// A hash of half the length as 32 of them.
pub(super) mod short {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(hash: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{hash:032x}"))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        let lower = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let hash = u128::from_str_radix(&text, 16).ok().filter(|_| lower);
        hash.ok_or_else(|| de::Error::custom("a short hash has 32 lower-case hexadecimal digits"))
    }
}

/// The same, or `null`.
pub(super) mod short_option {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(hash: &Option<u128>, to: S) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => short::serialize(hash, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u128>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        short::deserialize(de::value::StringDeserializer::new(text)).map(Some)
    }
}

/// A time as RFC 3339 in UTC with microseconds.
pub(super) mod stamp {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(micros: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&spell(*micros).ok_or_else(|| ser::Error::custom("a time is beyond the year 9999"))?)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| de::Error::custom("a time is spelled like 2026-01-31T12:00:00.000000Z"))
    }
}

/// The same, or `null`.
pub(super) mod stamp_option {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(micros: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match micros {
            Some(micros) => stamp::serialize(micros, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        stamp::deserialize(de::value::StringDeserializer::new(text)).map(Some)
    }
}

/// Spells a time as RFC 3339 in UTC with microseconds; `None` beyond the year 9999.
pub(crate) fn spell(micros: u64) -> Option<String> {
    if micros > MAX_STAMP {
        return None;
    }
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, time) = (seconds / DAY, seconds % DAY);
    let (mut year, mut month, mut day) = (1970, 1, days);
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    Some(format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z", day + 1))
}

/// Reads a time; the fraction may have fewer than six digits or be left out, as people write it.
fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':');
    let (hour, minute, second) = (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    let rest = date.next().is_some() || time.next().is_some() || !(1..=6).contains(&fraction.len());
    let on_calendar = year >= 1970 && (1..=12).contains(&month) && day >= 1 && day <= month_days(year, month);
    if rest || !on_calendar || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let years: u64 = (1970..year).map(year_days).sum();
    let months: u64 = (1..month).map(|month| month_days(year, month)).sum();
    let seconds = (years + months + day - 1) * DAY + hour * 3600 + minute * 60 + second;
    Some(seconds * 1_000_000 + number(&format!("{fraction:0<6}"), 6)?)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

const fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn year_days(year: u64) -> u64 {
    if leap(year) { 366 } else { 365 }
}

const fn month_days(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_they_were_spelled() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"),
            (4_107_542_400_000_001, "2100-03-01T00:00:00.000001Z"),
            (MAX_STAMP, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(spell(micros).as_deref(), Some(text));
            assert_eq!(parse(text), Some(micros));
        }
        assert_eq!(spell(MAX_STAMP + 1), None);
        assert_eq!(parse("2023-11-14T22:13:20.5Z"), Some(1_700_000_000_500_000));
        assert_eq!(parse("2023-11-14T22:13:20Z"), Some(1_700_000_000_000_000));
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "Z",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-11-00T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:60:00Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20.1234567Z",
            "+023-11-14T22:13:20Z",
            "1969-12-31T23:59:59Z",
            "2023-11-14-01T22:13:20Z",
            "2023-11-14T22:13:20:00Z",
            "2023-11-14T22:13:20.12345xZ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
