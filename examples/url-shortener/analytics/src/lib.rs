//! Counts clicks. Owns the bucket `clicks`: code to count.

aether_slice::slice!(deps = ["../wit/analytics"]);

use aether_slice::cache::{self, Bucket};
use exports::shortener::analytics::analytics::{AnalyticsError, Clicks, Guest};

struct Analytics;

impl Guest for Analytics {
    fn record_click(code: String) -> Result<Clicks, AnalyticsError> {
        let code = checked(code)?;
        let count = Bucket::open("clicks")?.increment(&code, 1)?;
        Ok(clicks(code, count))
    }

    fn get_stats(code: String) -> Result<Clicks, AnalyticsError> {
        let code = checked(code)?;
        let count = Bucket::open("clicks")?.get_number(&code)?;
        Ok(clicks(code, count))
    }
}

fn checked(code: String) -> Result<String, AnalyticsError> {
    let is_code =
        (6..=8).contains(&code.len()) && code.bytes().all(|it| it.is_ascii_alphanumeric());
    if is_code { Ok(code) } else { Err(AnalyticsError::InvalidCode(code)) }
}

/// The bucket is only ever counted up, so its numbers are not negative.
fn clicks(code: String, count: i64) -> Clicks {
    Clicks { code, count: count.unsigned_abs() }
}

impl From<cache::Error> for AnalyticsError {
    fn from(error: cache::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

export!(Analytics);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_are_counted() {
        assert_eq!(checked("Ab3Cd4E".to_owned()), Ok("Ab3Cd4E".to_owned()));
        for wrong in ["", "short", "too-long-for-a-code", "../../x"] {
            let refused = Err(AnalyticsError::InvalidCode(wrong.to_owned()));
            assert_eq!(checked(wrong.to_owned()), refused);
        }
    }
}
