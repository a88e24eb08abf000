//! Sizes and spans of time with their units in the text: `64MiB`, `250ms`. Knows no clock.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};

/// A text that is not a size or a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct UnitError {
    text: String,
    wanted: &'static str,
}

/// A number of bytes, written with a unit: `B`, `KiB`, `MiB`, `GiB` (powers of 1,024).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A span of time, written with a unit: `ms`, `s`, `m`, `h`, `d`. Resolution: one millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(Duration);

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const SPANS_MS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_WANTED: &str = "a size with a unit, such as \"512KiB\", \"64MiB\" or \"2GiB\"";
const SPAN_WANTED: &str = "a span of time with a unit, such as \"250ms\", \"5s\" or \"2m\"";

impl ByteSize {
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl TimeSpan {
    pub const fn from_millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub const fn duration(self) -> Duration {
        self.0
    }

    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Splits `64MiB` into the number and the factor of its unit.
fn parse(text: &str, units: &[(&str, u64)], wanted: &'static str) -> Result<u64, UnitError> {
    let error = || UnitError { text: text.to_owned(), wanted };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) =
        units.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(error)?;
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).ok_or_else(error)
}

/// Writes the value with the largest unit that divides it.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let exact = units.iter().filter(|(_, factor)| value != 0 && value.is_multiple_of(*factor));
    match exact.max_by_key(|(_, factor)| *factor) {
        Some((unit, factor)) => write!(f, "{}{unit}", value / factor),
        None => {
            write!(f, "0{}", units.iter().min_by_key(|(_, factor)| *factor).map_or("", |u| u.0))
        }
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &SIZES, SIZE_WANTED).map(Self)
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &SPANS_MS, SPAN_WANTED).map(Self::from_millis)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SIZES)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.as_millis(), &SPANS_MS)
    }
}

crate::name::string_serde!(ByteSize: SIZE_WANTED, TimeSpan: SPAN_WANTED);

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expect: Expect) {
        let show = |r: Result<String, UnitError>| r.unwrap_or_else(|e| e.to_string());
        let size = show(text.parse::<ByteSize>().map(|s| format!("{s} = {}", s.0)));
        let span = show(text.parse::<TimeSpan>().map(|s| format!("{s} = {} ms", s.as_millis())));
        expect.assert_eq(&format!("{size}\n{span}"));
    }

    #[test]
    fn sizes_and_spans() {
        check(
            "64MiB",
            expect![[r#"
                64MiB = 67108864
                "64MiB" is not a span of time with a unit, such as "250ms", "5s" or "2m""#]],
        );
        check(
            "90s",
            expect![[r#"
                "90s" is not a size with a unit, such as "512KiB", "64MiB" or "2GiB"
                90s = 90000 ms"#]],
        );
        check(
            "5",
            expect![[r#"
                "5" is not a size with a unit, such as "512KiB", "64MiB" or "2GiB"
                "5" is not a span of time with a unit, such as "250ms", "5s" or "2m""#]],
        );
        check(
            "99999999999999999999GiB",
            expect![[r#"
                "99999999999999999999GiB" is not a size with a unit, such as "512KiB", "64MiB" or "2GiB"
                "99999999999999999999GiB" is not a span of time with a unit, such as "250ms", "5s" or "2m""#]],
        );
        check(
            "0s",
            expect![[r#"
                "0s" is not a size with a unit, such as "512KiB", "64MiB" or "2GiB"
                0ms = 0 ms"#]],
        );
    }
}
