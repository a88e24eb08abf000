//! A split in words, and what is known of its endpoints. Knows how to show an answer.

use crate::{Arm, Ask, Breaker, Endpoint, Signal, Signals, Split, Tick, Tried};
use aether_types::plan::InstanceKey;
use aether_types::traffic::{TrafficRevision, Weight};
use aether_types::{NodeId, Revision};
use std::collections::BTreeMap;

pub(super) const HERE: NodeId = NodeId(1);
pub(super) static NOWHERE: Tried = Tried::new();

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) split: Split,
    pub(super) known: BTreeMap<usize, Signal>,
}

impl World {
    /// `95% v1 n1#0 n2#0`: weight, version, and its endpoints by node and ordinal.
    pub(super) fn new(arms: &[&str]) -> Self {
        let arm = |text: &&str| {
            let mut words = text.split(' ');
            let weight: Weight = words.next().unwrap().parse().unwrap();
            let version = Revision(words.next().unwrap()[1..].parse().unwrap());
            let slice: aether_types::Coordinates =
                format!("shop:stock:{version}.0.0").parse().unwrap();
            let endpoint = |word: &str| {
                let (node, ordinal) = word[1..].split_once('#').unwrap();
                let instance = InstanceKey {
                    app: "shop".parse().unwrap(),
                    coordinates: slice.clone(),
                    ordinal: ordinal.parse().unwrap(),
                };
                Endpoint { node: NodeId(node.parse().unwrap()), instance, revision: version }
            };
            let endpoints = words.map(endpoint).collect();
            Arm { version, slice: slice.clone(), weight, endpoints }
        };
        let arms = arms.iter().map(arm).collect();
        let split = Split::new(HERE, Some(TrafficRevision(3)), arms);
        Self { split, known: BTreeMap::new() }
    }

    /// `n2#0 busy 70`, `n2#0 unlinked`, `n2#0 broken`: what is known of an endpoint, of whatever
    /// version.
    pub(super) fn with(mut self, facts: &[&str]) -> Self {
        for fact in facts {
            let mut words = fact.split(' ');
            let endpoint = words.next().unwrap();
            let all = 0..self.split.endpoints().len();
            let which: Vec<usize> = all.filter(|e| self.name(*e) == endpoint).collect();
            let mut signal = FREE;
            match words.next().unwrap() {
                "busy" => signal.outstanding = words.next().unwrap().parse().unwrap(),
                "unlinked" => signal.connected = false,
                "broken" => {
                    let fail = |b: Breaker, _| b.on_failed(Tick(0));
                    signal.breaker = (0..5).fold(signal.breaker, fail);
                }
                word => panic!("no fact {word}"),
            }
            assert!(!which.is_empty(), "no endpoint {endpoint}");
            self.known.extend(which.into_iter().map(|e| (e, signal)));
        }
        self
    }

    pub(super) fn name(&self, endpoint: usize) -> String {
        let Endpoint { node, instance, .. } = &self.split.endpoints()[endpoint];
        format!("n{}#{}", node.0, instance.ordinal)
    }

    pub(super) fn tried(&self, names: &[&str]) -> Tried {
        let mut tried = Tried::default();
        let all = 0..self.split.endpoints().len();
        all.filter(|e| names.contains(&&*self.name(*e))).for_each(|e| tried.add(e));
        tried
    }
}

/// Nothing is on its way there, and nothing has failed.
const FREE: Signal =
    Signal { connected: true, outstanding: 0, comfortable: 64, breaker: Breaker::NEW };

impl Signals for World {
    fn signal(&self, endpoint: usize) -> Signal {
        self.known.get(&endpoint).copied().unwrap_or(FREE)
    }
}

pub(super) fn ask(turn: u64) -> Ask<'static> {
    Ask { turn, now: Tick(10), affinity: None, sticky: None, pin: None, tried: &NOWHERE }
}
