//! Placement hints of an application: they name its slices and do not contradict each other. Knows
//! no node: whether there is one that fits is the planner's business.

use super::Part;
use aether_types::code::Code;
use aether_types::{Problem, SliceName, nearest};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Hard demands of the application, by slice; versions of one slice count together.
#[derive(Default)]
struct Demands<'a> {
    near: BTreeMap<&'a SliceName, BTreeSet<&'a SliceName>>,
    /// In both directions.
    away: BTreeSet<(&'a SliceName, &'a SliceName)>,
}

pub(super) fn check_each(parts: &[Part<'_>], problems: &mut Vec<Problem>) {
    let before = problems.len();
    let names: BTreeSet<&SliceName> = parts.iter().map(|p| &p.bound.coordinates.slice).collect();
    for part in parts {
        for (key, name) in part.entry.placement.names() {
            if *name == part.bound.coordinates.slice {
                problems.push(names_itself(part, key));
            } else if !names.contains(name) {
                problems.push(unknown(part, key, name, &names));
            }
        }
    }
    if problems.len() == before {
        check_together(parts, problems);
    }
}

fn problem(part: &Part<'_>, message: String) -> Problem {
    Problem::new(Code::PlacementInvalid, &part.bound.coordinates, message)
}

fn names_itself(part: &Part<'_>, key: &str) -> Problem {
    problem(part, format!("`{key}` names the slice itself"))
        .help("its own instances are spread over nodes anyway; `spread` and `max-skew` say how")
}

fn unknown(part: &Part<'_>, key: &str, name: &SliceName, names: &BTreeSet<&SliceName>) -> Problem {
    let problem =
        problem(part, format!("`{key}` names {name}, which is no slice of this application"));
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match nearest(&name.to_string(), names.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("its slices are {}", names.join(", "))),
    }
}

/// Demands that no cluster can meet, whatever its nodes.
fn check_together(parts: &[Part<'_>], problems: &mut Vec<Problem>) {
    let mut demands = Demands::default();
    for part in parts {
        let (name, placement) = (&part.bound.coordinates.slice, &part.entry.placement);
        demands.near.entry(name).or_default().extend(&placement.require_near);
        for other in &placement.require_away_from {
            demands.away.extend([(name, other), (other, name)]);
        }
    }
    for part in parts {
        let name = &part.bound.coordinates.slice;
        let together = demands.together(name);
        if together.contains(name) {
            let message = "`require-near` comes back to the slice itself";
            let message = format!("{message}: {}", demands.circle(name));
            problems.push(problem(part, message).help(
                "one direction is enough: drop `require-near` from the slice that can be placed first",
            ));
            continue;
        }
        let all: Vec<&SliceName> = [name].into_iter().chain(together).collect();
        let pairs =
            all.iter().enumerate().flat_map(|(i, a)| all[..i].iter().map(move |b| (*b, *a)));
        if let Some((a, b)) = pairs.into_iter().find(|pair| demands.away.contains(pair)) {
            let message = format!(
                "must be on nodes with {a} and with {b} at once, and these two must be away from each other"
            );
            let message = match a == name {
                true => format!("must be on nodes with {b} and away from it"),
                false => message,
            };
            problems.push(
                problem(part, message).help("drop a `require-near` or the `require-away-from`"),
            );
        }
    }
}

impl<'a> Demands<'a> {
    /// The slices that each node with this one has: those it must be near, and theirs.
    fn together(&self, name: &'a SliceName) -> BTreeSet<&'a SliceName> {
        let mut all = BTreeSet::new();
        let mut next: Vec<&SliceName> = [name].to_vec();
        while let Some(name) = next.pop() {
            for other in self.near.get(name).into_iter().flatten() {
                if all.insert(*other) {
                    next.push(other);
                }
            }
        }
        all
    }

    /// The shortest way from the slice back to itself.
    fn circle(&self, name: &'a SliceName) -> String {
        let mut from: BTreeMap<&SliceName, &SliceName> = BTreeMap::new();
        let mut next: VecDeque<&SliceName> = [name].into();
        while !from.contains_key(name) {
            let at = next.pop_front().expect("the slice comes back to itself");
            for other in self.near.get(at).into_iter().flatten() {
                if !from.contains_key(*other) {
                    from.insert(other, at);
                    next.push_back(other);
                }
            }
        }
        let mut chain = [name.to_string(), from[name].to_string()].to_vec();
        let mut at = from[name];
        while at != name {
            at = from[at];
            chain.push(at.to_string());
        }
        chain.reverse();
        chain.join(" -> ")
    }
}
