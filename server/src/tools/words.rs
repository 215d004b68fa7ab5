//! Times in words and in RFC 3339.

use std::time::Duration;

use sessile::Timestamp;
pub(super) use sessile::mcp::words::{ago, duration};

/// The last second that RFC 3339 can write: the end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);
/// A point in time as RFC 3339 in UTC, with milliseconds.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let since_epoch = Duration::from_micros(time.as_micros()).min(LAST);
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since_epoch).to_string()
}

/// How a session with these two limits ends, as a sentence without its subject.
pub(super) fn lifetime(idle: Option<Duration>, max: Option<Duration>) -> String {
    sessile::mcp::words::lifetime(idle, max, super::close::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timestamp_can_be_written() {
        assert_eq!(rfc3339(Timestamp::from_micros(1_500)), "1970-01-01T00:00:00.001Z");
        assert_eq!(rfc3339(Timestamp::from_micros(u64::MAX)), "9999-12-31T23:59:59.000Z");
    }
}
