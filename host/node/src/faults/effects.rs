//! What all faults together do to links, calls, clock and disk: the worst of each kind counts.
//! Knows no clock and no end.

use super::{Entry, IN, Key, OUT};
use aether_api::{CallFault, ClockSide, FaultDirection, FaultKind, FaultLinks};
use aether_engine::{Tamper, TamperKind};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn on_links(faults: &[Entry]) -> BTreeMap<Key, aether_transport::Fault> {
    let mut all = BTreeMap::<Key, aether_transport::Fault>::new();
    for Entry { fault, nodes, .. } in faults {
        let Some(links) = links(&fault.kind) else { continue };
        let directions: &[bool] = match links.direction {
            FaultDirection::Both => &[IN, OUT],
            FaultDirection::In => &[IN],
            FaultDirection::Out => &[OUT],
        };
        for key in nodes.iter().flat_map(|node| directions.iter().map(|way| (*node, *way))) {
            let both = all.entry(key).or_default();
            match &fault.kind {
                FaultKind::Partition { .. } => both.cut = true,
                FaultKind::Latency { time, .. } => {
                    both.latency = both.latency.max(time.duration());
                }
                FaultKind::Loss { share, .. } => both.loss = both.loss.max(*share),
                _ => unreachable!("only these have links"),
            }
        }
    }
    all
}

pub(super) fn on_calls(faults: &[Entry]) -> Vec<Tamper> {
    let tamper = |calls: &CallFault, kind| Tamper {
        slice: calls.slice.clone(),
        function: calls.function.clone(),
        share: calls.share,
        kind,
    };
    let tampers = faults.iter().filter_map(|entry| match &entry.fault.kind {
        FaultKind::CallFailure { calls } => Some(tamper(calls, TamperKind::Fail)),
        FaultKind::CallDelay { calls, time } => {
            Some(tamper(calls, TamperKind::Delay(time.duration())))
        }
        FaultKind::Crash { calls } => Some(tamper(calls, TamperKind::Crash)),
        _ => None,
    });
    tampers.collect()
}

/// How much slower the disk is, and whether it cannot sync.
pub(super) fn on_disk(faults: &[Entry]) -> (Duration, bool) {
    let slow = faults.iter().filter_map(|entry| match &entry.fault.kind {
        FaultKind::SlowDisk { time } => Some(time.duration()),
        _ => None,
    });
    let fails = |entry: &Entry| matches!(entry.fault.kind, FaultKind::FailedSync);
    (slow.max().unwrap_or_default(), faults.iter().any(fails))
}

/// The newest fault of the clock counts.
pub(super) fn clock_offset_ms(faults: &[Entry]) -> i64 {
    let offset = faults.iter().rev().find_map(|entry| match &entry.fault.kind {
        FaultKind::Clock { apart, side } => {
            let apart = i64::try_from(apart.as_millis()).unwrap_or(i64::MAX);
            Some(if *side == ClockSide::Ahead { apart } else { -apart })
        }
        _ => None,
    });
    offset.unwrap_or(0)
}

pub(super) fn links(kind: &FaultKind) -> Option<&FaultLinks> {
    match kind {
        FaultKind::Partition { links }
        | FaultKind::Latency { links, .. }
        | FaultKind::Loss { links, .. } => Some(links),
        _ => None,
    }
}
