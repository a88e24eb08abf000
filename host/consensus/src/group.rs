//! One member of one Raft group: raft stepped by inputs, its wishes turned into effects. Knows no
//! clock, disk or link; assembles, while the rules stand in the files beside.

mod ready;
mod status;

use std::collections::{BTreeMap, VecDeque};

use aether_types::{LogIndex, NodeId};
use bytes::Bytes;
use raft::{Changer, ProgressState, RawNode, SnapshotStatus, eraftpb};

use crate::{
    Body, Change, Config, ConfigError, ENTRY_BYTES_MAX, Effect, Membership, MembershipChange,
    MembershipError, Message, PersistNumber, Position, ProposalId, ReadId, Refusal, Restored,
    RestoredError, Snapshot, Term,
    config::{READ_ELECTIONS_MAX, SNAPSHOT_ELECTIONS_MAX},
    convert,
    log::Log,
    reads::Reads,
    screen::{Fault, names_nobody, screen},
};

pub use status::{Role, Status};

/// One member of one Raft group.
pub struct Group {
    config: Config,
    node: RawNode<Log>,
    membership: Membership,
    /// Everything up to here was handed out as effects.
    applied: LogIndex,
    applied_term: Term,
    effects: Vec<Effect>,
    /// What may be said only once the disk has caught up, in order.
    held: VecDeque<Held>,
    asked: PersistNumber,
    persisted: PersistNumber,
    ticks: u64,
    leader: (Option<NodeId>, Role),
    /// The term in which this node leads and has applied an entry of its own.
    leading: Option<Term>,
    proposed: BTreeMap<LogIndex, ProposalId>,
    reads: Reads,
    /// Since when a snapshot is on its way to a follower.
    snapshots_sent: BTreeMap<NodeId, u64>,
    snapshot_wanted: Option<(Position, Membership)>,
    messages_dropped: u64,
}

/// The consequences of one step of raft that wait for the disk.
struct Held {
    until: PersistNumber,
    /// Raft's own number of the step; none for a compaction, of which raft knows nothing.
    ready: Option<u64>,
    messages: Vec<eraftpb::Message>,
    restore: Option<Snapshot>,
}

/// Why a group cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the log on disk is damaged")]
    Restored(#[from] RestoredError),
}

impl Group {
    /// Starts from what is on disk. The only voter of a group leads after the first `advance`.
    pub fn new(config: Config, restored: Restored) -> Result<Self, StartError> {
        config.validate()?;
        restored.validate()?;
        let snapshot = restored.snapshot.clone();
        let applied = snapshot.position.index;
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&config.for_raft(applied.0), Log::new(restored), &logger)
            .expect("settings and log are validated");
        let mut group = Self {
            config,
            node,
            membership: snapshot.membership.clone(),
            applied,
            applied_term: snapshot.position.term,
            effects: Vec::new(),
            held: VecDeque::new(),
            asked: PersistNumber(0),
            persisted: PersistNumber(0),
            ticks: 0,
            leader: (None, Role::Follower),
            leading: None,
            proposed: BTreeMap::new(),
            reads: Reads::default(),
            snapshots_sent: BTreeMap::new(),
            snapshot_wanted: None,
            messages_dropped: 0,
        };
        if applied > LogIndex(0) {
            group.effects.push(Effect::Restore(snapshot));
        }
        group.draw_timeout();
        Ok(group)
    }

    /// Time passes.
    pub fn tick(&mut self) {
        self.ticks += 1;
        if self.may_stand() {
            self.node.tick();
            self.draw_timeout();
        }
        let elections = self.config.election_ticks as u64;
        if let Some(deadline) = self.ticks.checked_sub(elections * READ_ELECTIONS_MAX) {
            let refusal = Refusal::Unconfirmed { leader: self.leader.0 };
            for id in self.reads.take_expired(deadline) {
                self.effects.push(Effect::ReadRefused { id, refusal: refusal.clone() });
            }
        }
        let prs = self.node.raft.prs();
        let in_snapshot = |node: &NodeId| {
            prs.get(node.0).is_some_and(|progress| progress.state == ProgressState::Snapshot)
        };
        self.snapshots_sent.retain(|node, _| in_snapshot(node));
        let patience = elections * SNAPSHOT_ELECTIONS_MAX;
        let lost = self.snapshots_sent.iter().filter(|(_, sent)| self.ticks - **sent >= patience);
        for node in lost.map(|(node, _)| *node).collect::<Vec<_>>() {
            self.on_unreachable(node);
        }
    }

    /// A message from another node. Bad ones are counted and dropped.
    pub fn on_message(&mut self, mut message: Message) {
        let too_early = matches!(message.body, Body::TakeOver) && self.is_disk_behind();
        let screened = screen(&message, self.config.group, &self.node.raft);
        if let Err(Fault::Forgotten(acknowledged)) = screened {
            let last = self.last();
            self.effects.push(Effect::Forgotten { acknowledged, last });
        }
        let passes = screened.is_ok();
        if self.role() == Role::Leader
            && let Body::Read { read } = &mut message.body
        {
            *read = self.name_round(*read);
        }
        if too_early || !passes || self.node.step(convert::message_to_raft(message)).is_err() {
            self.messages_dropped += 1;
        }
        self.draw_timeout();
    }

    /// The link to a node broke: what was sent may be lost. If that node led, this one stops
    /// waiting for it, and stands for election soon: voters do so in turns, lowest id first.
    pub fn on_unreachable(&mut self, node: NodeId) {
        self.node.report_unreachable(node.0);
        if self.role() == Role::Follower && self.known_leader() == Some(node) {
            // Only a hint and a lease of raft's own, by which a voter refuses others its vote.
            self.node.raft.leader_id = raft::INVALID_ID;
            let voters = self.membership.voters.iter().filter(|voter| **voter != node);
            let turn = voters.take_while(|voter| **voter != self.config.node).count();
            let wait = 1 + turn * self.config.heartbeat_ticks;
            let raft = &mut self.node.raft;
            let early = raft.randomized_election_timeout().saturating_sub(wait);
            raft.election_elapsed = raft.election_elapsed.max(early);
        }
        if self.snapshots_sent.remove(&node).is_some() {
            self.node.report_snapshot(node.0, SnapshotStatus::Failure);
        }
    }

    /// Everything up to this `Persist` is durable.
    pub fn on_persisted(&mut self, number: PersistNumber) {
        assert!(number <= self.asked, "{number:?} was never asked for");
        self.persisted = self.persisted.max(number);
    }

    /// Proposes a command. Accepted means only that it is on its way: it is done when an `Apply`
    /// with the id comes, and lost when a `ProposalLost` does.
    ///
    /// `decided` is the term in which the command was decided on, for work that only the leader
    /// does: refused if another election has come since.
    pub fn propose(
        &mut self,
        id: ProposalId,
        decided: Option<Term>,
        bytes: Bytes,
    ) -> Result<(), Refusal> {
        self.may_propose()?;
        let now = Term(self.node.raft.term);
        if let Some(decided) = decided.filter(|decided| *decided != now) {
            return Err(Refusal::Fenced { decided, now });
        }
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: bytes.len() });
        }
        let proposed = self.node.propose(convert::proposal_context(id).into(), bytes.into());
        proposed.map_err(|_| Refusal::ProposalsExhausted)?;
        self.proposed.insert(self.last(), id);
        Ok(())
    }

    /// Proposes other members. Done when `MembershipChanged` comes with the id; a change of more
    /// than one voter has a second step, which the leader takes by itself.
    pub fn propose_membership(
        &mut self,
        id: ProposalId,
        change: MembershipChange,
    ) -> Result<(), Refusal> {
        self.may_propose()?;
        self.screen_change(&change).map_err(Refusal::Membership)?;
        let context = convert::membership_context(Some(id), &change).into();
        let proposed = self.node.propose_conf_change(context, convert::change_to_raft(&change));
        proposed.map_err(|_| Refusal::ProposalsExhausted)?;
        self.proposed.insert(self.last(), id);
        Ok(())
    }

    /// Asks when a read is safe, on any node. Answered by `ReadReady` or `ReadRefused`.
    pub fn read_index(&mut self, id: ReadId) -> Result<(), Refusal> {
        self.reads.add(id, self.ticks)
    }

    /// Stands for election now, if this node may.
    pub fn campaign(&mut self) {
        if self.may_stand() {
            // Cannot fail: only messages from others are refused.
            self.node.campaign().expect("standing for election is a local step");
            self.draw_timeout();
        }
    }

    /// Hands leadership to another voter. It is over when `LeaderChanged` comes; if the voter does
    /// not take over within an election time-out, this node goes on leading.
    pub fn transfer_leader(&mut self, node: NodeId) -> Result<(), Refusal> {
        self.may_propose()?;
        if node == self.config.node || !self.membership.voters.contains(&node) {
            return Err(Refusal::NoSuccessor { node });
        }
        self.node.transfer_leader(node.0);
        Ok(())
    }

    /// The state machine as it was at a `TakeSnapshot`. One that is not wanted any more is ignored.
    pub fn on_snapshot(&mut self, index: LogIndex, data: Bytes) {
        let wanted = self.snapshot_wanted.take_if(|(position, _)| position.index == index);
        let Some((position, membership)) = wanted else { return };
        let snapshot = Snapshot { position, membership, data };
        // A fraction, so that a snapshot is not due again at once.
        let (entries_kept, bytes_kept) =
            (self.config.log_entries_kept, self.config.log_bytes_max / 4);
        self.node.mut_store().compact(snapshot.clone(), entries_kept, bytes_kept);
        let until = self.persist(Some(snapshot), Vec::new());
        self.held.push_back(Held { until, ready: None, messages: Vec::new(), restore: None });
    }

    /// Whether the log of this node has entries that are not known to be on a majority.
    pub fn has_uncommitted(&self) -> bool {
        self.last() > LogIndex(self.node.raft.raft_log.committed)
    }

    fn last(&self) -> LogIndex {
        LogIndex(self.node.raft.raft_log.last_index())
    }

    fn is_only_voter(&self) -> bool {
        let Membership { voters, voters_outgoing, .. } = &self.membership;
        voters.len() == 1 && voters.contains(&self.config.node) && voters_outgoing.is_empty()
    }

    fn is_disk_behind(&self) -> bool {
        self.persisted < self.asked
    }

    /// Raft asserts of a node that stands for election that no snapshot waits for the disk, and of
    /// the only voter, which needs no answer from others, that nothing does.
    fn may_stand(&self) -> bool {
        let restoring = self.held.iter().any(|held| held.restore.is_some());
        let alone_and_behind = self.is_only_voter() && self.is_disk_behind();
        !restoring && !alone_and_behind
    }

    /// Raft draws the time-out from the thread's randomness; ours is a function of the seed.
    fn draw_timeout(&mut self) {
        let timeout = self.config.election_timeout(self.node.raft.term);
        self.node.raft.set_randomized_election_timeout(timeout);
    }

    fn may_propose(&self) -> Result<(), Refusal> {
        let raft = &self.node.raft;
        match self.role() {
            Role::Leader if raft.lead_transferee.is_some() => Err(Refusal::HandingOver),
            Role::Leader if self.membership.contains(self.config.node) => Ok(()),
            Role::Leader => Err(Refusal::NotLeader { leader: None }),
            _ => Err(Refusal::NotLeader { leader: self.known_leader() }),
        }
    }

    /// Tries the change on the members as they are. The leader's own removal is refused: it hands
    /// over first.
    fn screen_change(&self, change: &MembershipChange) -> Result<(), MembershipError> {
        if change.0.is_empty() {
            return Err(MembershipError::Nothing);
        }
        if change.0.iter().any(names_nobody) {
            return Err(MembershipError::NodeZero);
        }
        if self.node.raft.has_pending_conf() || self.membership.is_joint() {
            return Err(MembershipError::UnderWay);
        }
        let own = |step: &Change| {
            let (Change::Learner(node) | Change::Remove(node)) = step else { return false };
            *node == self.config.node
        };
        if change.0.iter().any(own) {
            return Err(MembershipError::Refused("the leader has to hand over first".into()));
        }
        let steps = convert::change_to_raft(change);
        let mut changer = Changer::new(self.node.raft.prs());
        let tried = match steps.enter_joint() {
            Some(auto_leave) => changer.enter_joint(auto_leave, &steps.changes),
            None => changer.simple(&steps.changes),
        };
        let (members, _) = tried.map_err(|error| MembershipError::Refused(error.to_string()))?;
        convert::membership_from_raft(&members.to_conf_state()).validate()
    }
}
