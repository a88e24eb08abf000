//! What a group is told at start, and its limits. Knows no time: a tick is whatever the shell says.

use aether_types::NodeId;

use crate::GroupId;

/// Voters of a group: with seven, three may be lost. More would only slow every write.
pub const VOTERS_MAX: usize = 7;

/// Bytes of one command: the largest transaction (4 MiB) and room for its names.
pub const ENTRY_BYTES_MAX: usize = 5 << 20;

/// Reads that wait for confirmation at once; all that wait are confirmed by one round.
pub const READS_MAX: usize = 10_000;

/// Append messages on their way to one follower: 64 MiB of them at most, if each has 1 MiB.
pub(crate) const MESSAGES_IN_FLIGHT_MAX: usize = 64;

/// Bytes of proposals that are not committed yet. Beyond it, proposals are refused.
pub(crate) const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;

/// Bytes of entries applied between two looks at anything else.
pub(crate) const APPLY_BYTES_MAX: u64 = 16 << 20;

/// Election time-outs after which an unconfirmed read is refused.
pub(crate) const READ_ELECTIONS_MAX: u64 = 10;

/// Election time-outs after which a snapshot on its way counts as lost.
pub(crate) const SNAPSHOT_ELECTIONS_MAX: u64 = 30;

/// Settings of one group on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub group: GroupId,
    pub node: NodeId,
    /// Where the random election time-outs come from: equal seeds, equal runs.
    pub seed: u64,
    /// Ticks between two heartbeats of the leader.
    pub heartbeat_ticks: usize,
    /// Ticks without a leader before an election, at least; at most twice as many.
    pub election_ticks: usize,
    /// Entries in the log that make a snapshot due.
    pub log_entries_max: u64,
    /// Bytes of them that make a snapshot due.
    pub log_bytes_max: u64,
    /// Entries before a snapshot that are kept for followers that are a little behind.
    pub log_entries_kept: u64,
    /// Bytes of entries in one message, if there is more than one.
    pub message_bytes_max: u64,
    #[cfg(feature = "planted")]
    pub planted: Option<crate::Planted>,
}

/// Settings that no group can run with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("a node id is not 0")]
    NodeZero,
    #[error("1 <= heartbeat ticks < election ticks does not hold for {heartbeat} and {election}")]
    Ticks { heartbeat: usize, election: usize },
}

impl Config {
    /// The settings for control groups.
    pub fn new(group: GroupId, node: NodeId, seed: u64) -> Self {
        Self {
            group,
            node,
            seed,
            heartbeat_ticks: 2,
            election_ticks: 10,
            log_entries_max: 50_000,
            log_bytes_max: 64 << 20,
            log_entries_kept: 1_000,
            message_bytes_max: 1 << 20,
            #[cfg(feature = "planted")]
            planted: None,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let (heartbeat, election) = (self.heartbeat_ticks, self.election_ticks);
        match () {
            () if self.node == NodeId(0) => Err(ConfigError::NodeZero),
            () if heartbeat == 0 || election <= heartbeat => {
                Err(ConfigError::Ticks { heartbeat, election })
            }
            () => Ok(()),
        }
    }

    pub(crate) fn for_raft(&self, applied: u64) -> raft::Config {
        raft::Config {
            id: self.node.0,
            election_tick: self.election_ticks,
            heartbeat_tick: self.heartbeat_ticks,
            applied,
            max_size_per_msg: self.message_bytes_max,
            max_inflight_msgs: MESSAGES_IN_FLIGHT_MAX,
            check_quorum: true,
            pre_vote: true,
            max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
            max_committed_size_per_ready: APPLY_BYTES_MAX,
            batch_append: true,
            ..raft::Config::default()
        }
    }

    /// Ticks without a leader before this node stands for election in a term: a pure function, so
    /// that a run can be repeated.
    pub(crate) fn election_timeout(&self, term: u64) -> usize {
        // splitmix64: consecutive inputs give unrelated outputs.
        let mut x =
            self.seed ^ self.node.0.rotate_left(32) ^ term.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        self.election_ticks + (x % self.election_ticks as u64) as usize
    }
}
