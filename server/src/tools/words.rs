//! Times in words and in RFC 3339.

use std::time::Duration;

use sessile::Timestamp;

/// The last second that RFC 3339 can write: the end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);
const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A point in time as RFC 3339 in UTC, with milliseconds.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let since_epoch = Duration::from_micros(time.as_micros()).min(LAST);
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since_epoch).to_string()
}

/// A duration in the largest unit that measures it without a rest.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match UNITS.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => counted(seconds / unit, name),
        None => format!("{} milliseconds", duration.as_millis()),
    }
}

/// How long ago something was, rounded down to its largest unit.
pub(super) fn ago(passed: Duration) -> String {
    let seconds = passed.as_secs();
    match UNITS.iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{} ago", counted(seconds / unit, name)),
        None => "just now".to_owned(),
    }
}

/// How a session with these two limits ends, as a sentence without its subject.
pub(super) fn lifetime(idle: Option<Duration>, max: Option<Duration>) -> String {
    match (idle.map(duration), max.map(duration)) {
        (Some(idle), Some(max)) => {
            format!("ends after {idle} without use, and {max} after its creation at the latest; then its state is gone")
        }
        (Some(idle), None) => format!("ends after {idle} without use; every use starts that time again"),
        (None, Some(max)) => format!("ends {max} after its creation; then its state is gone"),
        (None, None) => "does not end by itself; close_session ends it".to_owned(),
    }
}

fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let say = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(say(7 * 86_400), "7 days");
        assert_eq!(say(86_400), "1 day");
        assert_eq!(say(1_800), "30 minutes");
        assert_eq!(say(90), "90 seconds");
        assert_eq!(duration(Duration::from_millis(1_500)), "1 second");
        assert_eq!(duration(Duration::from_millis(20)), "20 milliseconds");
        assert_eq!(ago(Duration::from_secs(754)), "12 minutes ago");
        assert_eq!(ago(Duration::from_millis(900)), "just now");
    }

    #[test]
    fn every_timestamp_can_be_written() {
        assert_eq!(rfc3339(Timestamp::from_micros(1_500)), "1970-01-01T00:00:00.001Z");
        assert_eq!(rfc3339(Timestamp::from_micros(u64::MAX)), "9999-12-31T23:59:59.000Z");
    }
}
