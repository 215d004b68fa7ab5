//! Times in words, for the descriptions and answers of tools.

use std::time::Duration;

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A duration in the largest unit that measures it without a rest.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(sessile::mcp::words::duration(Duration::from_secs(1_800)), "30 minutes");
/// ```
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match UNITS.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => counted(seconds / unit, name),
        None => format!("{} milliseconds", duration.as_millis()),
    }
}

/// How long ago something was, rounded down to its largest unit.
#[must_use]
pub fn ago(passed: Duration) -> String {
    match rounded(passed) {
        Some(passed) => format!("{passed} ago"),
        None => "just now".to_owned(),
    }
}

/// How soon something will be, rounded down to its largest unit.
#[must_use]
pub fn within(left: Duration) -> String {
    match rounded(left) {
        Some(left) => format!("in {left}"),
        None => "within a second".to_owned(),
    }
}

/// How a session with these two limits ends, as a sentence without its subject.
///
/// ```
/// use std::time::Duration;
/// let text = sessile::mcp::words::lifetime(Some(Duration::from_secs(3_600)), None, "close_cart");
/// assert_eq!(text, "ends after 1 hour without use; every use starts that time again");
/// ```
#[must_use]
pub fn lifetime(idle_timeout: Option<Duration>, max_lifetime: Option<Duration>, close_tool: &str) -> String {
    match (idle_timeout.map(duration), max_lifetime.map(duration)) {
        (Some(idle), Some(max)) => {
            format!("ends after {idle} without use, and {max} after its creation at the latest; then its state is gone")
        }
        (Some(idle), None) => format!("ends after {idle} without use; every use starts that time again"),
        (None, Some(max)) => format!("ends {max} after its creation; then its state is gone"),
        (None, None) => format!("does not end by itself; {close_tool} ends it"),
    }
}

fn rounded(duration: Duration) -> Option<String> {
    let seconds = duration.as_secs();
    UNITS.iter().find(|(unit, _)| seconds >= *unit).map(|(unit, name)| counted(seconds / unit, name))
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
        assert_eq!(within(Duration::from_secs(7_199)), "in 1 hour");
        assert_eq!(within(Duration::from_millis(900)), "within a second");
    }
}
