//! What a node has kept of the last two hours, as one that starts takes it up. Knows no network and
//! no wall clock.

use crate::fleet::{Fleet, FleetPast};
use crate::history::Shift;
use crate::traffic::{Traffic, TrafficPast};
use aether_types::ByteSize;
use aether_types::versioned::Versioned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes of a whole past. Of 128 nodes there are 300 points of 38 bytes and 720 of 72 each, which
/// are 8 MiB; of requests some 50 KiB.
pub const PAST_BYTES_MAX: ByteSize = ByteSize::mib(12);

/// All points of nodes and requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// When it was taken, in the counting of the node that has it.
    taken: Duration,
    /// That node knows what those knew that were there before it: of requests it has heard more
    /// than one that has just begun to listen.
    pub is_whole: bool,
    fleet: FleetPast,
    traffic: TrafficPast,
}

impl Versioned for Past {
    const FORMAT: u8 = 1;
}

impl Past {
    pub fn of(taken: Duration, is_whole: bool, fleet: &Fleet, traffic: &Traffic) -> Self {
        Self { taken, is_whole, fleet: fleet.past(), traffic: traffic.past() }
    }

    /// Puts it beside what this node has heard itself. Its own points of nodes stay. `asked`
    /// and `answered` are moments of this node's counting, between which the past was taken. What
    /// cannot have been measured, or lies in the future, is left out.
    pub fn put_in(
        self,
        (asked, answered): (Duration, Duration),
        fleet: &mut Fleet,
        traffic: &mut Traffic,
    ) {
        let shift = Shift::of(self.taken, asked, answered);
        fleet.remember(self.fleet, &shift);
        match self.is_whole {
            true => traffic.replace(self.traffic, &shift),
            false => traffic.fill(self.traffic, &shift),
        }
    }
}

#[cfg(test)]
mod tests;
