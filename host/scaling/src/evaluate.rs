//! The rules: up at once and by doubling at most, down late and by little, never where it would go
//! back. Shows nothing.

use crate::settings::{Band, Settings};
use crate::verdict::{Decision, Numbers, Rule, Verdict, Why};
use aether_types::{AppName, Coordinates, TimeSpan};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Milliseconds since 1970.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

/// A slice with room for more instances, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceLoad {
    pub app: AppName,
    pub slice: Coordinates,
    /// `instances` of the blueprint.
    pub min: u32,
    /// `max-instances` of the blueprint.
    pub max: u32,
    /// Instances that are wanted now.
    pub wanted: u32,
    /// Calls that one instance may run at a time.
    pub max_concurrency: u32,
    /// When `wanted` became what it is.
    pub changed: Option<Time>,
    pub hold: Option<Hold>,
    /// Or the node of which nothing is known.
    pub load: Result<Load, String>,
}

/// What stands against a change from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    Rollout,
    /// So many of the wanted instances have a node, and why no more do. It goes down in any case.
    Unplaced {
        placed: u32,
        reason: String,
    },
}

/// What the instances of a slice have to do, together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Calls per second.
    pub calls: f64,
    /// Calls that run or wait.
    pub busy: f64,
    pub cpu: Processors,
}

/// How busy processors are, as shares of all that a node has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Processors {
    /// The mean of the nodes that have instances of the slice.
    pub own: f64,
    /// The node with least to do of those that could have another one.
    pub freest: f64,
}

/// What is remembered from look to look. A new leader begins with nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Memory {
    led_since: Time,
    /// Slices that have little to do, and since when.
    low: BTreeMap<(AppName, Coordinates), Time>,
}

impl Memory {
    /// `led_since`: when this leader began to look.
    pub fn new(led_since: Time) -> Self {
        Self { led_since, ..Self::default() }
    }
}

/// A slice that is called less often is not made larger because its nodes are busy: it is not what
/// they are busy with.
pub const CALLED_PER_SECOND_MIN: f64 = 1.0;

/// Down by a quarter at a time, by one at least.
const DOWN_PARTS: u32 = 4;

/// One rule's number and where it acts.
#[derive(Debug, Clone, Copy)]
struct Pressure {
    rule: Rule,
    value: f64,
    band: Band,
}

/// A verdict for each slice, in the order in which they come. For the same input the same verdicts.
///
/// `to` is never outside of the bounds; between two changes of a slice there is at least the
/// cool-down of the second one; where the load does not change, what went up does not go down
/// again.
pub fn evaluate(
    settings: &Settings,
    now: Time,
    slices: &[SliceLoad],
    memory: &mut Memory,
) -> Vec<Verdict> {
    let mut before = std::mem::take(&mut memory.low);
    let mut verdicts = Vec::new();
    for slice in slices {
        let key = (slice.app.clone(), slice.slice.clone());
        let low_since = before.remove(&key);
        let (verdict, low_since) = one(settings, now, slice, (memory.led_since, low_since));
        memory.low.extend(low_since.map(|since| (key, since)));
        verdicts.push(verdict);
    }
    verdicts
}

/// The verdict, and since when there is little to do.
fn one(
    settings: &Settings,
    now: Time,
    slice: &SliceLoad,
    (led_since, low_since): (Time, Option<Time>),
) -> (Verdict, Option<Time>) {
    let from = slice.wanted.clamp(slice.min, slice.max);
    let numbers = slice.load.as_ref().ok().map(|load| numbers(load, from, slice.max_concurrency));
    let (to, why, low_since) = match (obstacle(settings, slice), numbers) {
        (Some(why), _) => (from, why, None),
        (None, Some(numbers)) => {
            let pressures = pressures(settings, numbers);
            let look = Look { settings, now, slice, from, led_since };
            match look.wants(&pressures) {
                Wants::More(pressure, to) => {
                    let (to, why) = look.up(pressure, to);
                    (to, why, None)
                }
                Wants::Fewer => {
                    let since = low_since.unwrap_or(now);
                    let (to, why) = look.down(&pressures, since);
                    (to, why, Some(since))
                }
                Wants::Same => (from, Why::InBand, None),
            }
        }
        (None, None) => unreachable!("a slice without load has an obstacle"),
    };
    let decision = match to.cmp(&from) {
        Ordering::Less => Decision::Down,
        Ordering::Equal => Decision::Keep,
        Ordering::Greater => Decision::Up,
    };
    let (app, name) = (slice.app.clone(), slice.slice.clone());
    let (min, max) = (slice.min, slice.max);
    let verdict = Verdict { app, slice: name, at: now, decision, from, to, min, max, numbers, why };
    (verdict, low_since)
}

/// Why nothing is looked at.
fn obstacle(settings: &Settings, slice: &SliceLoad) -> Option<Why> {
    let no_rule = [settings.calls, settings.busy, settings.cpu].iter().all(Option::is_none);
    match &slice.load {
        _ if !settings.enabled => Some(Why::Off),
        _ if no_rule => Some(Why::NoRule),
        _ if slice.min == slice.max => Some(Why::NoRoom),
        _ if slice.hold == Some(Hold::Rollout) => Some(Why::Rollout),
        Err(node) => Some(Why::NoSamples { node: node.clone() }),
        Ok(_) => None,
    }
}

fn numbers(load: &Load, instances: u32, max_concurrency: u32) -> Numbers {
    let instances = f64::from(instances.max(1));
    Numbers {
        calls: load.calls / instances,
        busy: load.busy / (instances * f64::from(max_concurrency.max(1))),
        cpu: (load.calls >= CALLED_PER_SECOND_MIN).then_some(load.cpu.own),
    }
}

fn pressures(settings: &Settings, numbers: Numbers) -> Vec<Pressure> {
    let of = |rule, value: Option<f64>, band: Option<Band>| {
        Some(Pressure { rule, value: value?, band: band? })
    };
    let all = [
        of(Rule::Calls, Some(numbers.calls), settings.calls),
        of(Rule::Busy, Some(numbers.busy), settings.busy),
        of(Rule::Cpu, numbers.cpu, settings.cpu),
    ];
    all.into_iter().flatten().collect()
}

enum Wants {
    /// So many, because of that.
    More(Pressure, u32),
    Fewer,
    Same,
}

/// One slice at one moment.
struct Look<'a> {
    settings: &'a Settings,
    now: Time,
    slice: &'a SliceLoad,
    from: u32,
    led_since: Time,
}

impl Look<'_> {
    fn wants(&self, pressures: &[Pressure]) -> Wants {
        let above = pressures.iter().filter(|p| p.value >= p.band.up);
        let needs = above.map(|p| (*p, p.instances(self.from).max(self.from + 1)));
        // The rule that needs most, of those that more instances would help; of several the first.
        let rank = |(pressure, needs): &(Pressure, u32)| (self.helps(pressure), *needs);
        let most = needs.reduce(|most, next| if rank(&next) > rank(&most) { next } else { most });
        match most {
            Some((pressure, needs)) => {
                Wants::More(pressure, needs.min(self.from.saturating_mul(2)))
            }
            // A rule that is not asked, because nobody calls, has nothing against it.
            None if pressures.iter().all(|p| p.value <= p.band.down) => Wants::Fewer,
            None => Wants::Same,
        }
    }

    fn up(&self, pressure: Pressure, wants: u32) -> (u32, Why) {
        let Pressure { rule, value, band: Band { up, .. } } = pressure;
        let to = wants.min(self.slice.max);
        let why = match &self.slice.hold {
            _ if self.from == self.slice.max => Why::AtMax { rule, value, up },
            Some(Hold::Unplaced { placed, reason }) => {
                Why::Unplaced { placed: *placed, reason: reason.clone() }
            }
            _ if !self.helps(&pressure) => Why::NoFreeNode { value, up },
            _ => match self.waits(to, self.settings.up_cool_down) {
                Some(why) => why,
                None => return (to, Why::Above { rule, value, up }),
            },
        };
        (self.from, why)
    }

    fn down(&self, pressures: &[Pressure], since: Time) -> (u32, Why) {
        if self.from == self.slice.min {
            return (self.from, Why::AtMin);
        }
        let needs = pressures.iter().map(|p| p.instances(self.from)).max().unwrap_or(0);
        let least = self.from - (self.from / DOWN_PARTS).max(1);
        let to = needs.max(least).max(self.slice.min);
        if to >= self.from {
            return (self.from, self.too_much(pressures));
        }
        let until = after(since, self.settings.down_after);
        let why = match self.waits(to, self.settings.down_cool_down) {
            _ if self.now < until => Why::LowSince { since, until },
            Some(why) => why,
            None => return (to, Why::Below { since }),
        };
        (self.from, why)
    }

    fn too_much(&self, pressures: &[Pressure]) -> Why {
        let tight = pressures.iter().find(|p| p.instances(self.from) >= self.from);
        let Pressure { rule, value, band } = *tight.expect("one of them needs them all");
        let fewer = f64::from(self.from - 1);
        let expected = value * f64::from(self.from) / fewer;
        Why::TooMuchForFewer { rule, expected, aim: band.aim() }
    }

    fn waits(&self, wants: u32, cool_down: TimeSpan) -> Option<Why> {
        let warm = after(self.led_since, self.settings.warm_up);
        if self.now < warm {
            return Some(Why::WarmingUp { until: warm });
        }
        let until = after(self.slice.changed?, cool_down);
        (self.now < until).then_some(Why::CoolingDown { wants, until })
    }

    /// Whether there is a node where another instance would have what this rule misses.
    fn helps(&self, pressure: &Pressure) -> bool {
        let is_free = |load: &Load| load.cpu.freest < pressure.band.up;
        pressure.rule != Rule::Cpu || self.slice.load.as_ref().is_ok_and(is_free)
    }
}

impl Pressure {
    /// With so many instances instead of `from`, the number would be at its aim or below.
    fn instances(&self, from: u32) -> u32 {
        // Casts of floats saturate; what is beyond all bounds is cut by them.
        (f64::from(from) * self.value / self.band.aim()).ceil() as u32
    }
}

fn after(time: Time, span: TimeSpan) -> Time {
    Time(time.0.saturating_add(span.as_millis()))
}
