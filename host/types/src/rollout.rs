//! How an application goes from one version to the next: what an operator can ask for. Knows no
//! state of a rollout.

use crate::code::Code;
use crate::traffic::{Sticky, Weight};
use crate::{Problem, Problems, TimeSpan};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// One way of going to another version. All start the new one without traffic first, and keep the
/// old one until every router has acknowledged that nothing goes there any more.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Strategy {
    /// Everything at once, as soon as the new version is ready.
    #[default]
    Immediate,
    Rolling(Rolling),
    Canary(Canary),
    BlueGreen(BlueGreen),
    AB(AB),
}

/// In steps by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rolling {
    /// Shares of the new version; they grow up to 100 %. Default 25, 50, 75, 100 %.
    pub steps: Vec<Weight>,
    /// How long each step lasts. Default 30 s.
    pub pause: TimeSpan,
    /// How long the old version stays after the last step. Default 30 s.
    pub grace: TimeSpan,
}

/// In stages, each of which ends when the new version has shown that it is as good as the old one.
/// One that has shown that it is not is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Canary {
    /// Shares of the new version; they grow up to 100 %. Default 1, 5, 25, 50, 100 %.
    pub stages: Vec<Weight>,
    /// Requests to the new version without which no stage ends, at least 1. Default 100.
    pub requests_min: u64,
    /// The shortest time of a stage. Default 30 s.
    pub time_min: TimeSpan,
    /// How long the old version stays after the last stage. Default 30 s.
    pub grace: TimeSpan,
}

/// Both stand side by side; everything is switched at once, and back at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BlueGreen {
    /// When to switch. Default `auto`.
    pub switch: Switch,
    /// How long the old version stands by after the switch; less if it is completed before.
    /// Default 10 min.
    pub keep: TimeSpan,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// As soon as the new version is ready.
    #[default]
    Auto,
    /// When somebody promotes it.
    Manual,
}

/// Both for good, until somebody concludes; a requester sees the same one each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AB {
    /// Share of the new version, neither nothing nor everything.
    pub weight: Weight,
    pub sticky: Sticky,
}

/// Stages, or steps, of one rollout.
pub const STAGES_MAX: usize = 100;
/// The longest time of a pause, a stage or a grace.
pub const SPAN_MAX: TimeSpan = TimeSpan::from_secs(30 * 24 * 3_600);

const SECONDS_30: TimeSpan = TimeSpan::from_secs(30);

impl Default for Rolling {
    fn default() -> Self {
        Self { steps: percents(&[25, 50, 75, 100]), pause: SECONDS_30, grace: SECONDS_30 }
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            stages: percents(&[1, 5, 25, 50, 100]),
            requests_min: 100,
            time_min: SECONDS_30,
            grace: SECONDS_30,
        }
    }
}

impl Default for BlueGreen {
    fn default() -> Self {
        Self { switch: Switch::Auto, keep: TimeSpan::from_secs(600) }
    }
}

fn percents(percents: &[u16]) -> Vec<Weight> {
    let weight = |p: &u16| Weight::from_percent(*p).expect("at most 100");
    percents.iter().map(weight).collect()
}

impl Strategy {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Rolling(_) => "rolling",
            Self::Canary(_) => "canary",
            Self::BlueGreen(_) => "blue-green",
            Self::AB(_) => "a-b",
        }
    }

    /// Everything that is wrong with it; `place` is where it was written.
    ///
    /// # Errors
    /// `toml-value`, for each value out of its range.
    pub fn validate(&self, place: &str) -> Result<(), Problems> {
        self.check(|key| format!("{place}.{key}")).or(())
    }

    /// The same, where `place` knows where each key was written.
    pub(crate) fn check(&self, place: impl Fn(&'static str) -> String) -> Problems {
        let mut problems = Vec::new();
        let mut refuse = |key: &'static str, message: &str, help: &str| {
            problems.push(Problem::new(Code::TomlValue, place(key), message).help(help));
        };
        let spans: &[(&'static str, TimeSpan)] = match self {
            Self::Immediate => &[],
            Self::Rolling(r) => &[("pause", r.pause), ("grace", r.grace)],
            Self::Canary(c) => &[("time-min", c.time_min), ("grace", c.grace)],
            Self::BlueGreen(b) => &[("keep", b.keep)],
            Self::AB(_) => &[],
        };
        for (key, _) in spans.iter().filter(|(_, span)| *span > SPAN_MAX) {
            refuse(key, "more than 30 days", "write a shorter time");
        }
        match self {
            Self::Rolling(Rolling { steps, .. }) if !grow_to_everything(steps) => {
                refuse("steps", GROW, GROW_HELP);
            }
            Self::Canary(Canary { stages, .. }) if !grow_to_everything(stages) => {
                refuse("stages", GROW, GROW_HELP);
            }
            Self::AB(AB { weight: Weight::NONE | Weight::WHOLE, .. }) => {
                refuse("weight", "one of the two would get nothing", "write such as \"50%\"");
            }
            _ => {}
        }
        if matches!(self, Self::Canary(Canary { requests_min: 0, .. })) {
            refuse("requests-min", "nothing can be judged by no request", "write at least 1");
        }
        Problems(problems)
    }

    /// Reads what people write: a word alone stands for its defaults.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn from_word_or_table<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.is_human_readable() {
            true => from.deserialize_any(WordOrTable),
            false => Self::deserialize(from),
        }
    }
}

struct WordOrTable;

impl<'de> Visitor<'de> for WordOrTable {
    type Value = Strategy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a strategy such as \"rolling\", or a table with its settings")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Strategy, E> {
        match word {
            "rolling" => Ok(Strategy::Rolling(Rolling::default())),
            "canary" => Ok(Strategy::Canary(Canary::default())),
            "blue-green" => Ok(Strategy::BlueGreen(BlueGreen::default())),
            "a-b" => Err(E::custom("`a-b` needs `weight` and `sticky`")),
            word => Strategy::deserialize(word.into_deserializer()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Strategy, A::Error> {
        Strategy::deserialize(MapAccessDeserializer::new(table))
    }
}

const GROW: &str = "shares must grow, from more than 0% to 100%";
const GROW_HELP: &str = "write 1 to 100 shares, such as [\"1%\", \"10%\", \"100%\"]";

fn grow_to_everything(shares: &[Weight]) -> bool {
    let grows = shares.windows(2).all(|pair| pair[0] < pair[1]);
    let first = shares.first().is_some_and(|first| *first > Weight::NONE);
    shares.len() <= STAGES_MAX && first && grows && shares.last() == Some(&Weight::WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_toml;
    use expect_test::{Expect, expect};

    #[derive(Deserialize)]
    struct File {
        #[serde(deserialize_with = "Strategy::from_word_or_table")]
        rollout: Strategy,
    }

    fn check(text: &str, expect: Expect) {
        let read = read_toml::<File>("test.toml", text, &[]).and_then(|file| {
            file.rollout.validate("rollout")?;
            Ok(file.rollout)
        });
        expect.assert_eq(&match read {
            Ok(strategy) => {
                format!("{}\n{strategy:?}", strategy.word()).replace(", time", ",\ntime")
            }
            Err(problems) => problems.to_string(),
        });
    }

    #[test]
    fn strategies_have_defaults() {
        check(
            "rollout = \"immediate\"",
            expect![[r#"
            immediate
            Immediate"#]],
        );
        check(
            "rollout = \"rolling\"",
            expect![[r#"
            rolling
            Rolling(Rolling { steps: [25%, 50%, 75%, 100%], pause: TimeSpan(30s), grace: TimeSpan(30s) })"#]],
        );
        check(
            "rollout.canary = { stages = [\"10%\", \"100%\"] }",
            expect![[r#"
            canary
            Canary(Canary { stages: [10%, 100%], requests_min: 100,
            time_min: TimeSpan(30s), grace: TimeSpan(30s) })"#]],
        );
        check(
            "rollout.blue-green = { switch = \"manual\" }",
            expect![[r#"
            blue-green
            BlueGreen(BlueGreen { switch: Manual, keep: TimeSpan(600s) })"#]],
        );
        check(
            "rollout.a-b = { weight = \"50%\", sticky = { cookie = \"session\" } }",
            expect![[r#"
                a-b
                AB(AB { weight: 50%, sticky: Cookie("session") })"#]],
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check(
            "rollout.rolling = { steps = [\"50%\", \"50%\", \"100%\"] }",
            expect![[r#"
            rollout.steps: shares must grow, from more than 0% to 100% [toml-value]
              help: write 1 to 100 shares, such as ["1%", "10%", "100%"]"#]],
        );
        check(
            "rollout.rolling = { steps = [\"50%\"], grace = \"31d\" }",
            expect![[r#"
            rollout.grace: more than 30 days [toml-value]
              help: write a shorter time
            rollout.steps: shares must grow, from more than 0% to 100% [toml-value]
              help: write 1 to 100 shares, such as ["1%", "10%", "100%"]"#]],
        );
        check(
            "rollout.canary = { stages = [\"0%\", \"100%\"], requests-min = 0 }",
            expect![[r#"
                rollout.stages: shares must grow, from more than 0% to 100% [toml-value]
                  help: write 1 to 100 shares, such as ["1%", "10%", "100%"]
                rollout.requests-min: nothing can be judged by no request [toml-value]
                  help: write at least 1"#]],
        );
        check(
            "rollout.canary = { stages = [] }",
            expect![[r#"
            rollout.stages: shares must grow, from more than 0% to 100% [toml-value]
              help: write 1 to 100 shares, such as ["1%", "10%", "100%"]"#]],
        );
        check(
            "rollout.a-b = { weight = \"100%\", sticky = \"key\" }",
            expect![[r#"
            rollout.weight: one of the two would get nothing [toml-value]
              help: write such as "50%""#]],
        );
        check(
            "rollout.a-b = { weight = \"5%\" }",
            expect!["test.toml:1:15: missing field `sticky` [toml-value]"],
        );
        check(
            "rollout.blue-green = { keep = \"1h\", grace = \"1h\" }",
            expect![[r#"
            test.toml:1:37: there is no key `grace` here [toml-unknown-key]
              help: keys here: switch, keep"#]],
        );
    }
}
