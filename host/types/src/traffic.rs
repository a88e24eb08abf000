//! How the traffic of an application is shared by its versions: exact weights under a revision that
//! every router acknowledges. Knows no endpoint, and not why the weights are what they are.

use crate::versioned::Versioned;
use crate::{AppName, NodeId, Revision};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::{fmt, str::FromStr};

/// A share of the traffic, exact to 0.01 %. Written `"5%"` or `"0.25%"`.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u16);

/// A text that is not a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not {WANTED}")]
pub struct WeightError(String);

const WANTED: &str = "a share from \"0%\" to \"100%\", in steps of 0.01, such as \"5%\"";

/// The versions that get traffic, each with its share; together exactly everything. A version is
/// the blueprint's revision that its instances run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Revision, Weight>", into = "BTreeMap<Revision, Weight>")]
pub struct Weights(BTreeMap<Revision, Weight>);

/// Shares that are not everything together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("weights add up to {} hundredths of a percent instead of {}", .0, Weight::WHOLE.0)]
pub struct NotWhole(u64);

/// Counts switches of the traffic of one application. Never reused, whatever becomes of a rollout.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TrafficRevision(pub u64);

/// One application's traffic: a value of the replicated map, written by whoever leads, followed by
/// every router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub revision: TrafficRevision,
    pub weights: Weights,
    /// What a request is known by, when the same one is to see the same version each time.
    pub sticky: Option<Sticky>,
    /// The application's slices call each other in their own version only. Otherwise every call
    /// between them goes by the weights.
    pub together: bool,
}

/// What is hashed to find a request's version. A request without it goes by the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sticky {
    /// The value of this request header.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
    /// The affinity key of the call.
    Key,
}

/// The switches that one router has taken up: from then on it sends nothing by an earlier one.
/// Written by that node alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    pub node: NodeId,
    /// Drawn at each start of the process: what an earlier run has said counts for nothing.
    pub run: u64,
    pub switches: BTreeMap<AppName, TrafficRevision>,
}

impl Versioned for Traffic {
    const FORMAT: u8 = 1;
}

impl Versioned for Acknowledged {
    const FORMAT: u8 = 1;
}

impl Weight {
    pub const NONE: Self = Self(0);
    /// Everything: 10,000 hundredths of a percent.
    pub const WHOLE: Self = Self(10_000);

    /// None above 10,000.
    pub const fn from_hundredths(hundredths: u16) -> Option<Self> {
        if hundredths <= Self::WHOLE.0 { Some(Self(hundredths)) } else { None }
    }

    /// None above 100.
    pub const fn from_percent(percent: u16) -> Option<Self> {
        if percent <= 100 { Some(Self(percent * 100)) } else { None }
    }

    /// In hundredths of a percent.
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// What is left for others.
    pub const fn rest(self) -> Self {
        Self(Self::WHOLE.0 - self.0)
    }

    /// So much of a number of things, rounded up.
    pub fn of(self, count: u32) -> u32 {
        let share = (u64::from(count) * u64::from(self.0)).div_ceil(u64::from(Self::WHOLE.0));
        u32::try_from(share).expect("a share is no more than the whole")
    }
}

impl Weights {
    /// # Errors
    /// When the shares are not everything together. Those of nothing are left out.
    pub fn new(shares: impl IntoIterator<Item = (Revision, Weight)>) -> Result<Self, NotWhole> {
        let mut weights = BTreeMap::new();
        let mut total = 0;
        for (version, weight) in shares {
            total += u64::from(weight.0);
            if weight != Weight::NONE {
                let sum = weights.entry(version).or_insert(Weight::NONE);
                *sum = Weight(sum.0.saturating_add(weight.0));
            }
        }
        match total == u64::from(Weight::WHOLE.0) {
            true => Ok(Self(weights)),
            false => Err(NotWhole(total)),
        }
    }

    /// Everything to one version.
    pub fn all(version: Revision) -> Self {
        Self(BTreeMap::from([(version, Weight::WHOLE)]))
    }

    /// A share to one version, the rest to the other.
    pub fn split(version: Revision, weight: Weight, other: Revision) -> Self {
        Self::new([(version, weight), (other, weight.rest())]).expect("a share and its rest")
    }

    /// Nothing for a version that is not named.
    pub fn get(&self, version: Revision) -> Weight {
        self.0.get(&version).copied().unwrap_or_default()
    }

    /// Versions that get something, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Revision, Weight)> {
        self.0.iter().map(|(version, weight)| (*version, *weight))
    }
}

impl TryFrom<BTreeMap<Revision, Weight>> for Weights {
    type Error = NotWhole;
    fn try_from(shares: BTreeMap<Revision, Weight>) -> Result<Self, NotWhole> {
        Self::new(shares)
    }
}

impl From<Weights> for BTreeMap<Revision, Weight> {
    fn from(weights: Weights) -> Self {
        weights.0
    }
}

impl FromStr for Weight {
    type Err = WeightError;
    fn from_str(text: &str) -> Result<Self, WeightError> {
        let parse = || {
            let number = text.strip_suffix('%')?;
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit()) && !s.is_empty();
            if !digits(whole) || !digits(part) || part.len() > 2 || whole.len() > 3 {
                return None;
            }
            let part = format!("{part:0<2}").parse::<u16>().ok()?;
            Self::from_hundredths(whole.parse::<u16>().ok()? * 100 + part)
        };
        parse().ok_or_else(|| WeightError(text.to_owned()))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl fmt::Display for TrafficRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

crate::name::string_serde!(Weight: WANTED);
crate::name::debug_as_display!(Weight);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versioned::{decode, encode};
    use expect_test::{Expect, expect};

    fn check(texts: &[&str], expect: Expect) {
        let show = |text: &&str| match text.parse::<Weight>() {
            Ok(weight) => format!("{text} = {} = {weight}", weight.hundredths()),
            Err(error) => error.to_string(),
        };
        expect.assert_eq(&texts.iter().map(show).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn shares_are_written_in_percent() {
        check(
            &["0%", "1%", "0.25%", "0.05%", "12.5%", "100%", "100.0%"],
            expect![[r#"
                0% = 0 = 0%
                1% = 100 = 1%
                0.25% = 25 = 0.25%
                0.05% = 5 = 0.05%
                12.5% = 1250 = 12.5%
                100% = 10000 = 100%
                100.0% = 10000 = 100%"#]],
        );
        check(
            &["5", "101%", "100.01%", "-1%", "0.001%", "%", ".5%", "1.%", "1000%"],
            expect![[r#"
                "5" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "101%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "100.01%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "-1%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "0.001%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                ".5%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "1.%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%"
                "1000%" is not a share from "0%" to "100%", in steps of 0.01, such as "5%""#]],
        );
    }

    #[test]
    fn shares_of_instances_are_rounded_up() {
        let of = |text: &str, count| text.parse::<Weight>().unwrap().of(count);
        assert_eq!([of("1%", 3), of("50%", 3), of("100%", 3), of("0%", 3)], [1, 2, 3, 0]);
    }

    #[test]
    fn weights_are_everything_together_or_they_are_none() {
        let [one, ninety_nine] = [1, 99].map(|p| Weight::from_percent(p).unwrap());
        let weights = Weights::split(Revision(7), one, Revision(3));
        assert_eq!(
            weights.iter().collect::<Vec<_>>(),
            [(Revision(3), ninety_nine), (Revision(7), one)]
        );
        assert_eq!(weights.get(Revision(5)), Weight::NONE);
        assert_eq!(
            Weights::split(Revision(7), Weight::NONE, Revision(3)),
            Weights::all(Revision(3))
        );
        let error = Weights::new([(Revision(1), ninety_nine)]).unwrap_err();
        assert_eq!(error, NotWhole(9_900));
        assert!(Weights::new([(Revision(1), Weight::WHOLE), (Revision(2), one)]).is_err());
    }

    #[test]
    fn traffic_survives_the_replicated_map_and_damage_does_not() {
        let traffic = Traffic {
            revision: TrafficRevision(4),
            weights: Weights::split(Revision(9), Weight::from_percent(5).unwrap(), Revision(8)),
            sticky: Some(Sticky::Cookie("session".to_owned())),
            together: true,
        };
        let mut bytes = encode(&traffic);
        assert_eq!(decode::<Traffic>(&bytes), Ok(traffic));
        let at = bytes.windows(3).position(|w| w == b"95%").unwrap();
        bytes[at] = b'8';
        assert!(decode::<Traffic>(&bytes).is_err(), "85% and 5% are not everything");
    }
}
