//! A fault in the words of the command that orders it.

use super::{Calls, Trouble};
use std::fmt;

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |name, set| if set { name } else { "" };
        match self {
            Self::Kill { node } => write!(f, "kill {node}"),
            Self::Stop { node } => write!(f, "stop {node}"),
            Self::Partition { groups: [from, to], one_way } => {
                let (from, to) = (Numbers(from), Numbers(to));
                write!(f, "partition {from} {to}{}", flag(" --one-way", *one_way))
            }
            Self::Latency { from, to, time } => {
                write!(f, "latency {} {} --time {time}", Numbers(from), Numbers(to))
            }
            Self::Loss { from, to, share } => {
                write!(f, "loss {} {} --share {share}", Numbers(from), Numbers(to))
            }
            Self::SlowDisk { node, time } => write!(f, "slow-disk {node} --time {time}"),
            Self::FailedSync { node } => write!(f, "failed-sync {node}"),
            Self::Cpu { node, threads } => write!(f, "cpu {node} --threads {threads}"),
            Self::Memory { node, size } => write!(f, "memory {node} --size {size}"),
            Self::Clock { node, apart, behind } => {
                write!(f, "clock {node} --apart {apart}{}", flag(" --behind", *behind))
            }
            Self::CallFailure { calls } => write!(f, "call-failure {calls}"),
            Self::CallDelay { calls, time } => write!(f, "call-delay {calls} --time {time}"),
            Self::Crash { calls } => write!(f, "crash {calls}"),
        }
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, slice, function, share } = self;
        write!(f, "{slice} --share {share}")?;
        if let Some(function) = function {
            write!(f, " --function {function}")?;
        }
        match nodes.is_empty() {
            true => Ok(()),
            false => write!(f, " --nodes {}", Numbers(nodes)),
        }
    }
}

/// A group of nodes.
struct Numbers<'a>(&'a [usize]);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, number) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{number}")?;
        }
        Ok(())
    }
}
