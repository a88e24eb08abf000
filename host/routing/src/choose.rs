//! Which endpoint takes a call, and why. Pure: what is known of the endpoints now is asked of
//! [`Signals`]. Allocates nothing; knows no atomics, no clock and no connection.

use crate::breaker::{Breaker, Tick};
use crate::hash::{Key, mix};
use crate::retry::ATTEMPTS_MAX;
use crate::split::{Split, Version};
use aether_types::Revision;
use std::ops::Range;

/// What one call wants.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Counts the calls of this split on this node. A call that is made again keeps its turn.
    pub turn: u64,
    pub now: Tick,
    /// Calls with the same key go to the same endpoint, while it is there.
    pub affinity: Option<Key>,
    /// Calls with the same key go to the same version, as far as weights allow.
    pub sticky: Option<Key>,
    pub pin: Option<Pin>,
    /// Endpoints where this call has failed.
    pub tried: &'a Tried,
}

/// The version that an earlier choice made, and that travels with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    pub version: Revision,
    /// Rather nobody than another version.
    pub only: bool,
}

/// Endpoints that have failed a call, as indexes of its split.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    failed: [usize; ATTEMPTS_MAX as usize],
    count: usize,
}

/// What this node knows of the endpoints of a split.
pub trait Signals {
    fn signal(&self, endpoint: usize) -> Signal;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// The endpoint is on this node, or there is a link to its node.
    pub connected: bool,
    /// Calls of this node that are on their way there.
    pub outstanding: u32,
    /// Beyond so many calls, a local endpoint is no longer preferred.
    pub comfortable: u32,
    pub breaker: Breaker,
}

/// The endpoint that takes the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Index of [`Split::endpoints`].
    pub endpoint: usize,
    pub version: Revision,
    pub arm: ArmWhy,
    pub why: EndpointWhy,
}

/// Why this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmWhy {
    /// It is the only one that gets traffic.
    Only,
    /// It was its turn by the weights.
    Weight,
    /// The key belongs to it.
    Sticky,
    /// The request has it already.
    Pinned,
    /// The version that should have taken it has no endpoint that can, or failed the call twice.
    Instead,
}

/// Why this endpoint of the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointWhy {
    Affinity,
    Local,
    /// It is the only one that can take the call.
    Only,
    /// The less loaded one of two that were drawn.
    LessLoaded,
}

/// Why an endpoint cannot take the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// This call has failed there.
    Tried,
    Disconnected,
    /// It keeps failing; the time from which it may be tried again.
    Broken(Tick),
}

/// Why nobody can take the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTarget {
    /// No version that gets traffic has an endpoint.
    Nobody,
    /// The request's version has no endpoint that can.
    NotThatVersion(Revision),
    /// The call has failed at all that can.
    AllTried,
    /// None that could has a link.
    AllDisconnected,
    /// All that could keep failing; the time from which one may be tried again.
    AllBroken(Tick),
}

impl Tried {
    pub const fn new() -> Self {
        Self { failed: [0; ATTEMPTS_MAX as usize], count: 0 }
    }

    /// More than [`ATTEMPTS_MAX`] are not remembered: there are no more attempts.
    pub fn add(&mut self, endpoint: usize) {
        if let Some(free) = self.failed.get_mut(self.count) {
            *free = endpoint;
            self.count += 1;
        }
    }

    pub fn contains(&self, endpoint: usize) -> bool {
        self.failed[..self.count].contains(&endpoint)
    }

    /// Whether the next attempt is the last one.
    fn leaves_one(&self) -> bool {
        self.count + 1 == self.failed.len()
    }
}

/// First the version: that of the request, or of its key, or whose turn it is. Then the endpoint:
/// that of the key, or one on this node that is not too busy, or the less loaded one of two. The
/// last attempt goes to another version where one may take it: instances of one version often fail
/// for the same reason, such as a slice that it calls and that is gone.
///
/// Does not depend on how many instances a version has. What is chosen is sent to as
/// [`Breaker::on_sent`] says.
///
/// # Errors
/// Why nobody takes it.
pub fn choose(split: &Split, ask: &Ask<'_>, signals: &dyn Signals) -> Result<Pick, NoTarget> {
    let first = first_arm(split, ask);
    let usual = || first.and_then(|(arm, why)| split.pick(arm, why, ask, signals));
    if let Some(Pin { version, only: true }) = ask.pin {
        return usual().ok_or(NoTarget::NotThatVersion(version));
    }
    let others = (0..split.arms.len())
        .filter(|arm| Some(*arm) != first.map(|(arm, _)| arm) && split.arms[*arm].gets_traffic());
    let mut others = others.filter_map(|arm| split.pick(arm, ArmWhy::Instead, ask, signals));
    let pick = if ask.tried.leaves_one() {
        others.next().or_else(usual)
    } else {
        usual().or_else(|| others.next())
    };
    pick.ok_or_else(|| why_nobody(split, ask, signals))
}

/// Whether an endpoint cannot take the call.
pub(crate) fn exclusion(endpoint: usize, ask: &Ask<'_>, signal: &Signal) -> Option<Exclusion> {
    if ask.tried.contains(endpoint) {
        return Some(Exclusion::Tried);
    }
    if !signal.connected {
        return Some(Exclusion::Disconnected);
    }
    let until = signal.breaker.until().filter(|_| !signal.breaker.admits(ask.now));
    until.map(Exclusion::Broken)
}

fn first_arm(split: &Split, ask: &Ask<'_>) -> Option<(usize, ArmWhy)> {
    if let Some(pin) = ask.pin {
        let pinned = split.arms.iter().position(|arm| arm.version == pin.version);
        let pinned = pinned.filter(|arm| pin.only || !split.arms[*arm].all.is_empty());
        if pinned.is_some() || pin.only {
            return pinned.map(|arm| (arm, ArmWhy::Pinned));
        }
    }
    let with_traffic = || (0..split.arms.len()).filter(|arm| split.arms[*arm].gets_traffic());
    if with_traffic().nth(1).is_none() {
        return with_traffic().next().map(|arm| (arm, ArmWhy::Only));
    }
    if let Some(key) = ask.sticky {
        let waits = |arm: usize| {
            let Version { version, weight, .. } = &split.arms[arm];
            key.waits(version.0, weight.hundredths())
        };
        let least = |a, b| if waits(b).is_shorter_than(waits(a)) { b } else { a };
        return with_traffic().reduce(least).map(|arm| (arm, ArmWhy::Sticky));
    }
    split.sequence.at(ask.turn).map(|arm| (arm, ArmWhy::Weight))
}

impl Version {
    fn gets_traffic(&self) -> bool {
        self.weight.hundredths() > 0 && !self.all.is_empty()
    }

    /// Those on this node stand first.
    fn on_this_node(&self) -> Range<usize> {
        self.all.start..self.all.start + self.local
    }
}

impl Split {
    fn pick(
        &self,
        arm: usize,
        arm_why: ArmWhy,
        ask: &Ask<'_>,
        signals: &dyn Signals,
    ) -> Option<Pick> {
        let arm = &self.arms[arm];
        let (endpoint, why) = self.endpoint(arm, ask, signals)?;
        Some(Pick { endpoint, version: arm.version, arm: arm_why, why })
    }

    fn endpoint(
        &self,
        arm: &Version,
        ask: &Ask<'_>,
        signals: &dyn Signals,
    ) -> Option<(usize, EndpointWhy)> {
        let load = |endpoint: usize| {
            let signal = signals.signal(endpoint);
            exclusion(endpoint, ask, &signal).is_none().then_some(signal)
        };
        if let Some(key) = ask.affinity {
            let can = arm.all.clone().filter(|endpoint| load(*endpoint).is_some());
            let liked = can.max_by_key(|endpoint| key.liking(self.names[*endpoint]));
            return liked.map(|endpoint| (endpoint, EndpointWhy::Affinity));
        }
        let local = arm.on_this_node().filter_map(|endpoint| {
            let signal = load(endpoint).filter(|s| s.outstanding < s.comfortable)?;
            Some((signal.outstanding, endpoint))
        });
        if let Some((_, endpoint)) = local.min() {
            return Some((endpoint, EndpointWhy::Local));
        }
        self.less_loaded(arm, ask, &|endpoint| load(endpoint).map(|s| s.outstanding))
    }

    /// Of two endpoints the less loaded one. Two, not all: nodes that all see the same load must
    /// not all run to the same endpoint ("power of two choices", Mitzenmacher 2001).
    fn less_loaded(
        &self,
        arm: &Version,
        ask: &Ask<'_>,
        load: &dyn Fn(usize) -> Option<u32>,
    ) -> Option<(usize, EndpointWhy)> {
        let count = arm.all.len() as u64;
        if count == 0 {
            return None;
        }
        let drawn = mix(ask.turn ^ mix(self.here.0));
        let index = |n: u64| arm.all.start + usize::try_from(n % count).expect("below the count");
        // From two places each goes round to the first that can.
        let can = |from: u64, not: Option<usize>| {
            let mut round = (0..count).map(|n| index(from % count + n));
            round.find_map(|e| load(e).filter(|_| Some(e) != not).map(|load| (load, e)))
        };
        let first = can(drawn >> 32, None)?;
        match can(drawn & u64::from(u32::MAX), Some(first.1)) {
            Some(second) if second.0 < first.0 => Some((second.1, EndpointWhy::LessLoaded)),
            Some(_) => Some((first.1, EndpointWhy::LessLoaded)),
            None => Some((first.1, EndpointWhy::Only)),
        }
    }
}

/// Of all that could have taken it: the reason that may pass soonest.
fn why_nobody(split: &Split, ask: &Ask<'_>, signals: &dyn Signals) -> NoTarget {
    let could = split.arms.iter().filter(|arm| arm.gets_traffic());
    let pinned = split.arms.iter().filter(|arm| ask.pin.is_some_and(|p| p.version == arm.version));
    let endpoints = could.chain(pinned).flat_map(|arm| arm.all.clone());
    let reasons = endpoints.filter_map(|e| exclusion(e, ask, &signals.signal(e)));
    let mut answer = NoTarget::Nobody;
    for reason in reasons {
        answer = match (reason, answer) {
            (Exclusion::Broken(until), NoTarget::AllBroken(known)) => {
                NoTarget::AllBroken(until.min(known))
            }
            (Exclusion::Broken(until), _) => NoTarget::AllBroken(until),
            (_, NoTarget::AllBroken(until)) => NoTarget::AllBroken(until),
            (Exclusion::Tried, _) | (_, NoTarget::AllTried) => NoTarget::AllTried,
            (Exclusion::Disconnected, _) => NoTarget::AllDisconnected,
        };
    }
    answer
}
