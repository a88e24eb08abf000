//! How often something happens: `100/s`, `30/min`. Knows no clock.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number per second or minute, at most [`Rate::MAX`]. Zero is a rate.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(f64);

/// A text that is no rate.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a rate from 0/s to 100000/s, such as \"100/s\" or \"30/min\"")]
pub struct RateError(String);

impl Rate {
    /// More than one machine can send.
    pub const MAX: Self = Self(100_000.0);

    /// `None` unless it is from 0 to [`Rate::MAX`].
    pub fn per_second(number: f64) -> Option<Self> {
        (0.0..=Self::MAX.0).contains(&number).then_some(Self(number))
    }

    pub fn a_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError(text.to_owned());
        let (number, unit) = text.split_once('/').ok_or_else(error)?;
        let plain = |c: char| c.is_ascii_digit() || c == '.';
        let number = Some(number.trim()).filter(|number| number.chars().all(plain));
        let number: f64 = number.and_then(|number| number.parse().ok()).ok_or_else(error)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "min" => 60.0,
            _ => return Err(error()),
        };
        Self::per_second(number / seconds).ok_or_else(error)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minute = self.0 * 60.0;
        let whole = (minute - minute.round()).abs() < 1e-6;
        match self.0.fract() == 0.0 || !whole {
            true => write!(f, "{}/s", self.0),
            false => write!(f, "{}/min", minute.round()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;
    use expect_test::{Expect, expect};

    #[test]
    fn rates_have_a_unit() {
        let check = |text: &str, expected: Expect| {
            let rate = text.parse::<Rate>();
            let shown = rate.map(|rate| format!("{rate} = {}", rate.a_second()));
            expected.assert_eq(&shown.unwrap_or_else(|error| error.to_string()));
        };
        check("100/s", expect!["100/s = 100"]);
        check("1/min", expect!["1/min = 0.016666666666666666"]);
        check("90 / min", expect!["90/min = 1.5"]);
        check("60/min", expect!["1/s = 1"]);
        check("0.25/s", expect!["15/min = 0.25"]);
        check("0/s", expect!["0/s = 0"]);
        for bad in ["100", "100/h", "-1/s", "inf/s", "/s", "100001/s", "1e3/s", "NaN/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
