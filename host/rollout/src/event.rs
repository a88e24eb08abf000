//! What happened in a rollout, for people and for the feed of events. Decides nothing.

use crate::command::Command;
use crate::state::{Time, Why};
use aether_types::traffic::{TrafficRevision, Weights};
use aether_types::{Coordinates, Revision};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Time,
    pub happened: Happened,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    Started,
    /// Instances for a stage are being started.
    Starting {
        stage: u32,
    },
    /// Not all of this slice are ready, but as many as its min-ready.
    FewerReady(Coordinates),
    /// Routers are to follow these weights.
    Switched {
        revision: TrafficRevision,
        weights: Weights,
    },
    /// All routers do.
    Acknowledged(TrafficRevision),
    /// The new version is as good as the old one.
    Healthy {
        requests: u64,
    },
    /// A slice of this version has nothing that is ready: the other one takes everything.
    Covered(Revision),
    /// It has again.
    Uncovered,
    /// The old version has had nothing that is ready for too long: the new one is given everything.
    OldIsGone,
    RollingBack(Why),
    /// It is tried again after some time.
    Cooling {
        ms: u64,
    },
    Retiring,
    Completed,
    RolledBack,
    Commanded(Command),
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Starting { stage } => write!(f, "starts instances for stage {}", stage + 1),
            Self::FewerReady(slice) => {
                write!(f, "goes on with as many of {slice} as must be ready, not with all")
            }
            Self::Switched { revision, weights } => {
                write!(f, "switch {revision}:")?;
                for (version, weight) in weights.iter() {
                    write!(f, " {weight} to revision {version}")?;
                }
                Ok(())
            }
            Self::Acknowledged(revision) => write!(f, "all routers follow switch {revision}"),
            Self::Healthy { requests } => {
                write!(f, "as good as before, after {requests} requests")
            }
            Self::Covered(version) => {
                write!(f, "nothing of revision {version} is ready: the other takes everything")
            }
            Self::Uncovered => f.write_str("what was not ready is ready again"),
            Self::OldIsGone => f.write_str("the old version does not come back: goes on at once"),
            Self::RollingBack(why) => write!(f, "rolls back: {why}"),
            Self::Cooling { ms } => write!(f, "is tried again in {} s", ms / 1_000),
            Self::Retiring => f.write_str("everything goes to the new version"),
            Self::Completed => f.write_str("completed"),
            Self::RolledBack => f.write_str("rolled back"),
            Self::Commanded(command) => write!(f, "somebody wants: {command}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(slice) => write!(f, "every instance of {slice} failed"),
            Self::NotReady(slice) => write!(f, "{slice} was not ready in time"),
            Self::Worse(fault) => fault.fmt(f),
            Self::Wanted => f.write_str("somebody wanted it"),
            Self::Concluded => f.write_str("the split was concluded for the old version"),
        }
    }
}
