//! The choice of a target with everything that was looked at. Decides nothing itself: it asks the
//! same code as the calls do.

use crate::breaker::Tick;
use crate::choose::{
    ArmWhy, Ask, EndpointWhy, Exclusion, NoTarget, Pick, Signals, choose, exclusion,
};
use crate::split::Split;
use crate::table::Endpoint;
use aether_types::traffic::{TrafficRevision, Weight};
use aether_types::{Coordinates, Revision};
use std::fmt;

/// Where a call would go now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub pick: Result<Pick, NoTarget>,
    /// The switch of the traffic that this router follows.
    pub traffic: Option<TrafficRevision>,
    pub versions: Vec<VersionShown>,
    now: Tick,
}

/// One version with its endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionShown {
    pub version: Revision,
    pub slice: Coordinates,
    pub weight: Weight,
    pub endpoints: Vec<EndpointShown>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointShown {
    pub endpoint: Endpoint,
    pub outstanding: u32,
    pub standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Chosen(EndpointWhy),
    /// It could take the call; another one comes first.
    Possible,
    Excluded(Exclusion),
    /// Its version gets no such call.
    OtherVersion,
}

/// Where a call that asks this would go, with all candidates. Counts nothing and sends nothing.
pub fn explain(split: &Split, ask: &Ask<'_>, signals: &dyn Signals) -> Explained {
    let pick = choose(split, ask, signals);
    let show = |index: usize, weight: Weight, version: Revision| {
        let signal = signals.signal(index);
        let pinned = ask.pin.is_some_and(|pin| pin.version == version);
        let only = ask.pin.is_some_and(|pin| pin.only);
        let standing = match pick {
            Ok(pick) if pick.endpoint == index => Standing::Chosen(pick.why),
            _ if !pinned && (only || weight == Weight::NONE) => Standing::OtherVersion,
            _ => exclusion(index, ask, &signal).map_or(Standing::Possible, Standing::Excluded),
        };
        let endpoint = split.endpoints[index].clone();
        EndpointShown { endpoint, outstanding: signal.outstanding, standing }
    };
    let versions = split.arms.iter().map(|arm| VersionShown {
        version: arm.version,
        slice: arm.slice.clone(),
        weight: arm.weight,
        endpoints: arm.all.clone().map(|i| show(i, arm.weight, arm.version)).collect(),
    });
    Explained { pick, traffic: split.traffic(), versions: versions.collect(), now: ask.now }
}

impl Explained {
    /// Where the call goes and why, without the candidates.
    pub fn outcome(&self) -> String {
        let mut text = match &self.pick {
            Ok(pick) => format!("goes to revision {}, {}", pick.version, pick.arm),
            Err(nobody) => format!("goes to nobody: {}", Timed(nobody, self.now)),
        };
        if let Some(traffic) = self.traffic {
            text += &format!("; switch {traffic} of the traffic");
        }
        text
    }

    /// A candidate's standing in words.
    pub fn why(&self, standing: &Standing) -> String {
        Timed(standing, self.now).to_string()
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome())?;
        for version in &self.versions {
            let VersionShown { version, slice, weight, endpoints } = version;
            write!(f, "\n{weight} revision {version}, {slice}")?;
            if endpoints.is_empty() {
                write!(f, ": no instance is active")?;
            }
            for shown in endpoints {
                let EndpointShown { endpoint, outstanding, standing } = shown;
                let (ordinal, node) = (endpoint.instance.ordinal, endpoint.node.0);
                write!(f, "\n  #{ordinal} on node {node:x}, {outstanding} calls: ")?;
                write!(f, "{}", Timed(standing, self.now))?;
            }
        }
        Ok(())
    }
}

/// Something with a time in it, as seen from now.
struct Timed<'a, T>(&'a T, Tick);

fn wait(until: Tick, now: Tick) -> String {
    format!("keeps failing, next try in {} ms", until.0.saturating_sub(now.0))
}

impl fmt::Display for Timed<'_, Standing> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Standing::Chosen(why) => write!(f, "chosen, {why}"),
            Standing::Possible => f.write_str("another one comes first"),
            Standing::Excluded(Exclusion::Tried) => f.write_str("this call has failed there"),
            Standing::Excluded(Exclusion::Disconnected) => f.write_str("no link to its node"),
            Standing::Excluded(Exclusion::Broken(until)) => f.write_str(&wait(*until, self.1)),
            Standing::OtherVersion => f.write_str("its version gets no such call"),
        }
    }
}

impl fmt::Display for Timed<'_, NoTarget> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NoTarget::AllBroken(until) => write!(f, "every instance {}", wait(*until, self.1)),
            other => other.fmt(f),
        }
    }
}

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("no instance is active"),
            Self::NotThatVersion(version) => {
                write!(f, "revision {version}, which the request has, has no instance for it")
            }
            Self::AllTried => f.write_str("the call has failed at every instance"),
            Self::AllDisconnected => f.write_str("no node that has an instance can be reached"),
            Self::AllBroken(_) => f.write_str("every instance keeps failing"),
        }
    }
}

impl fmt::Display for ArmWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Only => "the only one that gets traffic",
            Self::Weight => "whose turn it is by the weights",
            Self::Sticky => "to which the request's key belongs",
            Self::Pinned => "which the request has already",
            Self::Instead => "as the version that should take it cannot",
        })
    }
}

impl fmt::Display for EndpointWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affinity => "the key of the call leads there",
            Self::Local => "on this node",
            Self::Only => "the only one that can",
            Self::LessLoaded => "the less loaded of two",
        })
    }
}
