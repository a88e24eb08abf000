//! What a value is, with its unit. Knows no name and no place.

use super::form::Kind;
use crate::load::Draw;
use aether_types::{ByteSize, TimeSpan};
use std::collections::BTreeSet;
use std::fmt;

/// A value that is known before anything runs; nodes may still be those of a role.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    /// Of 1, not of 100.
    Share(f64),
    Time(TimeSpan),
    /// A time that was measured, finer than any that is written.
    Milliseconds(f64),
    Size(ByteSize),
    Text(String),
    Nodes(Nodes),
}

/// Larger ones have no exact number: 2 to the power of 53.
const NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

/// A set of nodes, by what they are when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Nodes {
    These(BTreeSet<usize>),
    Leader,
    Followers,
    /// What was bound at run time under this number, and its name.
    Kept(usize, String),
    Any {
        draw: u64,
        count: usize,
        of: Box<Nodes>,
    },
    And(Box<Nodes>, Box<Nodes>),
    But(Box<Nodes>, Box<Nodes>),
}

impl Value {
    /// Reads a number with its unit. A range is one value of it, drawn.
    pub(super) fn parse(text: &str, draw: &mut Draw) -> Option<Self> {
        let Some((low, high)) = text.split_once("..") else { return Self::single(text) };
        Some(match (Self::single(low)?, Self::single(high)?) {
            (Self::Number(low), Self::Number(high)) if low.fract() + high.fract() == 0.0 => {
                Self::Number(between(low as u64, high as u64, draw)? as f64)
            }
            (Self::Time(low), Self::Time(high)) => {
                let ms = between(low.as_millis(), high.as_millis(), draw)?;
                Self::Time(TimeSpan::from_millis(ms))
            }
            (Self::Size(low), Self::Size(high)) => {
                Self::Size(ByteSize(between(low.bytes(), high.bytes(), draw)?))
            }
            _ => return None,
        })
    }

    fn single(text: &str) -> Option<Self> {
        let plain = |text: &str| {
            let digits = text.chars().all(|c| c.is_ascii_digit() || c == '.');
            let whole = text.starts_with(|c| c != '.') && !text.ends_with('.');
            text.parse().ok().filter(|number| digits && whole && *number <= NUMBER_MAX)
        };
        if let Some(percent) = text.strip_suffix('%') {
            return plain(percent).filter(|it| *it <= 100.0).map(|it| Self::Share(it / 100.0));
        }
        plain(text)
            .map(Self::Number)
            .or_else(|| text.parse().ok().map(Self::Time))
            .or_else(|| text.parse().ok().map(Self::Size))
    }

    /// The value as one of this kind; none if it is of another one.
    pub(super) fn to_kind(&self, kind: Kind) -> Option<Self> {
        let fits = match (kind, self) {
            (Kind::Count, Self::Number(number)) => number.fract() == 0.0,
            (Kind::Nodes, Self::Number(number)) => {
                let whole = number.fract() == 0.0 && *number >= 1.0;
                let node = || Self::Nodes(Nodes::These([*number as usize].into()));
                return whole.then(node);
            }
            (Kind::Number, Self::Number(_))
            | (Kind::Share, Self::Share(_))
            | (Kind::Time, Self::Time(_))
            | (Kind::Size, Self::Size(_))
            | (Kind::Text | Kind::Word, Self::Text(_))
            | (Kind::Nodes, Self::Nodes(_)) => true,
            (Kind::Word, Self::Nodes(_)) => false,
            (Kind::Word, _) => return Some(Self::Text(self.to_string())),
            _ => false,
        };
        fits.then(|| self.clone())
    }

    /// For comparisons: milliseconds, shares of 1, plain numbers.
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Number(number) | Self::Share(number) => *number,
            Self::Time(time) => time.as_millis() as f64,
            Self::Milliseconds(ms) => *ms,
            Self::Size(size) => size.bytes() as f64,
            Self::Text(_) | Self::Nodes(_) => f64::NAN,
        }
    }

    /// Zero for what is no number: the plan has checked that it is one.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Number(number) => *number as usize,
            _ => 0,
        }
    }

    /// No time for what is none: the plan has checked that it is one.
    pub(super) fn time(&self) -> TimeSpan {
        match self {
            Self::Time(time) => *time,
            _ => TimeSpan::from_millis(0),
        }
    }

    /// Nothing for what is no text: the plan has checked that it is one.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

/// Both ends included; none if it ends before it begins.
fn between(low: u64, high: u64, draw: &mut Draw) -> Option<u64> {
    let width = high.checked_sub(low)?.checked_add(1)?;
    Some(low + draw.below(width))
}

impl Nodes {
    /// Those of which it is known before anything runs which they are.
    pub(super) fn known(&self) -> Option<&BTreeSet<usize>> {
        match self {
            Self::These(nodes) => Some(nodes),
            _ => None,
        }
    }
}

/// So many of a set, or all of it where it has no more, by this number.
pub(super) fn pick(mut of: Vec<usize>, count: usize, draw: u64) -> BTreeSet<usize> {
    let mut draw = Draw::new(draw);
    let mut picked = BTreeSet::new();
    while picked.len() < count && !of.is_empty() {
        picked.insert(of.remove(draw.index(of.len())));
    }
    picked
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{}", (number * 1e6).round() / 1e6),
            // Without the digits that only the division has made.
            Self::Share(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
            Self::Time(time) => write!(f, "{time}"),
            Self::Milliseconds(ms) => write!(f, "{} ms", (ms * 10.0).round() / 10.0),
            Self::Size(size) => write!(f, "{size}"),
            Self::Text(text) if text.contains('"') => write!(f, "'{text}'"),
            Self::Text(text) if text.contains('\n') => write!(f, "(inline)"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Nodes(nodes) => write!(f, "{nodes}"),
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(nodes) if nodes.is_empty() => write!(f, "no node"),
            Self::These(nodes) => {
                let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "{}", nodes.join(" and "))
            }
            Self::Leader => write!(f, "leader"),
            Self::Followers => write!(f, "followers"),
            Self::Kept(_, name) => write!(f, "{name}"),
            Self::Any { draw, count, of } => {
                write!(f, "any {count} of {of} (drawn {:04x})", draw >> 48)
            }
            Self::And(one, other) => write!(f, "{one} and {other}"),
            Self::But(one, other) => write!(f, "{one} but ({other})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, pick};
    use crate::load::Draw;
    use proptest::prelude::*;

    #[test]
    fn values_have_units() {
        let shown = |text| Value::parse(text, &mut Draw::new(1)).map(|it| format!("{it:?}"));
        for (text, expected) in [
            ("3", "Number(3.0)"),
            ("0.5", "Number(0.5)"),
            ("99.9%", "Share(0.9990000000000001)"),
            ("5s", "Time(TimeSpan(5s))"),
            ("256MiB", "Size(ByteSize(268435456))"),
            ("2..2", "Number(2.0)"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for wrong in [
            "5x",
            "101%",
            "1..",
            "2..1",
            "1..2s",
            "1e3",
            "3.",
            "0.5..2",
            "1e99",
            "9007199254740999",
        ] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_range_holds_what_is_drawn_of_it(low in 0_u64..5_000, width in 0_u64..5_000, seed: u64) {
            let text = format!("{low}ms..{}ms", low + width);
            let Some(Value::Time(time)) = Value::parse(&text, &mut Draw::new(seed)) else {
                panic!("a time")
            };
            prop_assert!((low..=low + width).contains(&time.as_millis()));
        }

        #[test]
        fn picks_are_of_the_set_and_as_many_as_wanted(
            of in proptest::collection::btree_set(1_usize..20, 0..10), count in 0_usize..12, draw: u64,
        ) {
            let of: Vec<usize> = of.into_iter().collect();
            let picked = pick(of.clone(), count, draw);
            prop_assert_eq!(picked.len(), count.min(of.len()));
            prop_assert!(picked.iter().all(|node| of.contains(node)));
            prop_assert_eq!(picked, pick(of, count, draw));
        }
    }
}
