//! What is done with the calls of a function beside making them: what an operator can switch while
//! they go on. Knows no call.

use crate::versioned::Versioned;
use crate::{AppName, FunctionName, SliceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What is done with each call of a function.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// It is counted, as all calls are.
    #[default]
    None,
    /// Its begin and its end are lines of the log.
    Log,
    /// Its time is taken, also where only one of many would be timed.
    Metrics,
    LogMetrics,
}

/// The aspects of all functions: [`Aspect::None`] where nothing was said.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aspects {
    apps: BTreeMap<AppName, BTreeMap<SliceName, SliceAspects>>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SliceAspects {
    all: Aspect,
    /// The version of an interface may be left out.
    functions: BTreeMap<FunctionName, Aspect>,
}

/// Functions that have an aspect of their own, and slices that have one.
pub const ASPECTS_MAX: usize = 1_000;

impl Versioned for Aspects {
    const FORMAT: u8 = 1;
}

impl Aspect {
    pub const ALL: [Self; 4] = [Self::None, Self::Log, Self::Metrics, Self::LogMetrics];

    pub fn logs(self) -> bool {
        matches!(self, Self::Log | Self::LogMetrics)
    }

    pub fn measures(self) -> bool {
        matches!(self, Self::Metrics | Self::LogMetrics)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Log => "log",
            Self::Metrics => "metrics",
            Self::LogMetrics => "log-metrics",
        }
    }
}

impl Aspects {
    pub fn of(&self, app: &AppName, slice: &SliceName, function: &FunctionName) -> Aspect {
        let slice = self.apps.get(app).and_then(|slices| slices.get(slice));
        slice.map_or(Aspect::None, |slice| slice.of(function))
    }

    /// Says what is done with calls of a function, or of all functions of the slice, whatever was
    /// said of them before. False if there would be more than [`ASPECTS_MAX`].
    #[must_use]
    pub fn set(
        &mut self,
        (app, slice): (&AppName, &SliceName),
        function: Option<&FunctionName>,
        aspect: Aspect,
    ) -> bool {
        let of_slice = self.apps.entry(app.clone()).or_default().entry(slice.clone()).or_default();
        match function {
            None => *of_slice = SliceAspects { all: aspect, functions: BTreeMap::new() },
            Some(function) => {
                of_slice.functions.retain(|name, _| !function.means(name));
                if aspect != of_slice.of(function) {
                    of_slice.functions.insert(function.clone(), aspect);
                }
            }
        }
        self.apps.retain(|_, slices| {
            slices.retain(|_, slice| *slice != SliceAspects::default());
            !slices.is_empty()
        });
        let slices = self.apps.values().flat_map(BTreeMap::values);
        slices.map(|slice| 1 + slice.functions.len()).sum::<usize>() <= ASPECTS_MAX
    }

    /// Forgets those of applications that are not kept.
    pub fn keep(&mut self, keeps: impl Fn(&AppName) -> bool) {
        self.apps.retain(|app, _| keeps(app));
    }
}

impl SliceAspects {
    /// What was said with the version of the function's interface, else without it, else of all.
    fn of(&self, function: &FunctionName) -> Aspect {
        let own = self.functions.get(function);
        let named = || self.functions.iter().find(|(name, _)| name.means(function));
        own.or_else(|| named().map(|(_, aspect)| aspect)).copied().unwrap_or(self.all)
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Aspect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|aspect| aspect.word() == text);
        found.ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("{text:?} is no aspect; there are {words}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_its_own_aspect_or_that_of_its_slice() {
        let (app, slice) = ("shop".parse().unwrap(), "t:a".parse().unwrap());
        let name = |text: &str| -> FunctionName { text.parse().unwrap() };
        let asked = ["t:a/api@1.0.0#f", "t:a/api@1.1.0#f", "t:a/api@1.0.0#g"];
        let mut aspects = Aspects::default();
        let mut check = |function: Option<&str>, aspect, expected: [Aspect; 3]| {
            let function = function.map(name);
            assert!(aspects.set((&app, &slice), function.as_ref(), aspect));
            let of = asked.map(|function| aspects.of(&app, &slice, &name(function)));
            assert_eq!(of, expected, "{function:?} {aspect}");
            aspects.clone()
        };
        use Aspect::{Log, LogMetrics, Metrics, None as No};
        check(Some("t:a/api@1.0.0#f"), Log, [Log, No, No]);
        check(Some("t:a/api#f"), Metrics, [Metrics, Metrics, No]);
        check(Some("t:a/api@1.1.0#f"), Log, [Metrics, Log, No]);
        check(Some("t:a/api@1.1.0#f"), Metrics, [Metrics, Metrics, No]);
        check(None, LogMetrics, [LogMetrics; 3]);
        check(Some("t:a/api#f"), No, [No, No, LogMetrics]);
        check(Some("t:a/api#f"), LogMetrics, [LogMetrics; 3]);
        let mut kept = check(None, LogMetrics, [LogMetrics; 3]);
        kept.keep(|kept| *kept == app);
        assert_ne!(kept, Aspects::default());
        kept.keep(|kept| *kept != app);
        assert_eq!(kept, Aspects::default());
        assert_eq!(check(None, No, [No; 3]), Aspects::default(), "nothing is kept");
        let other = "t:b".parse().unwrap();
        assert_eq!(aspects.of(&app, &other, &name(asked[0])), No);
    }

    #[test]
    fn there_is_an_end_to_aspects() {
        let (app, slice) = ("shop".parse().unwrap(), "t:a".parse().unwrap());
        let mut aspects = Aspects::default();
        let mut set = |n: usize| {
            let function = format!("t:a/api#f{n}").parse().unwrap();
            aspects.set((&app, &slice), Some(&function), Aspect::Log)
        };
        assert!((1..ASPECTS_MAX).all(&mut set));
        assert!(!set(ASPECTS_MAX));
    }
}
