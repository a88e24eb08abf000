//! Where the operator wants a slice's instances: evenly over what, near whom, away from whom. Knows
//! no nodes; whether the names exist is seen when the application is checked.

use crate::slice_toml::Bounded;
use crate::{Problem, SliceName, code::Code};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Slices are named without version, and are those of the same application. A name stands in one
/// list at most.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Placement {
    /// Over what the instances are spread evenly.
    pub spread: Spread,
    /// How many instances more than the emptiest node or zone another one may get, 1 to 1,000. An
    /// instance that would break it is not placed. Absent: as even as there is room.
    pub max_skew: Option<Bounded<1, 1_000>>,
    /// Preferred: on nodes that have an instance of each.
    pub near: BTreeSet<SliceName>,
    /// Only on nodes that have an instance of each.
    pub require_near: BTreeSet<SliceName>,
    /// Preferred: on nodes that have an instance of none. Holds in both directions.
    pub away_from: BTreeSet<SliceName>,
    /// Only on nodes that have an instance of none. Holds in both directions.
    pub require_away_from: BTreeSet<SliceName>,
}

/// What instances are spread over. Nodes come first in any case: a node holds two instances of a
/// slice only when no other can take one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    #[default]
    Node,
    /// Zones are named by the nodes; nodes that name none form one together.
    Zone,
}

impl Placement {
    /// The lists of names with their keys.
    fn lists(&self) -> [(&'static str, &BTreeSet<SliceName>); 4] {
        [
            ("near", &self.near),
            ("require-near", &self.require_near),
            ("away-from", &self.away_from),
            ("require-away-from", &self.require_away_from),
        ]
    }

    /// All names with the key of their list.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &SliceName)> {
        self.lists().into_iter().flat_map(|(key, names)| names.iter().map(move |name| (key, name)))
    }

    /// `place` gives the place of a key of this table.
    pub(super) fn check(
        &self,
        place: impl Fn(&'static str) -> String,
        problems: &mut Vec<Problem>,
    ) {
        let mut first: BTreeMap<&SliceName, &str> = BTreeMap::new();
        for (key, name) in self.names() {
            if let Some(other) = first.insert(name, key) {
                let message = format!("{name} stands in `{other}` and in `{key}`");
                let problem = Problem::new(Code::PlacementInvalid, place(key), message);
                problems.push(problem.help("keep it in one of the two"));
            }
        }
    }
}
