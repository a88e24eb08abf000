//! Instants as text. Knows no clock.

use std::time::{Duration, UNIX_EPOCH};

/// RFC 3339 in UTC with milliseconds, from milliseconds since 1970; a later time than the year 9999
/// is shown as its end.
pub fn rfc3339(unix_ms: u64) -> String {
    let instant = UNIX_EPOCH + Duration::from_millis(unix_ms.min(YEAR_9999_END_MS));
    humantime::format_rfc3339_millis(instant).to_string()
}

/// 9999-12-31T23:59:59.999Z: the last instant that RFC 3339 can write.
const YEAR_9999_END_MS: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn instants() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(1_795_298_523_045), "2026-11-21T22:02:03.045Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
