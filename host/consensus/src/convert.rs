//! Our types to raft's and back. What comes from raft was put there by this file or by raft itself,
//! so a shape that neither produces is a bug.

use std::collections::BTreeSet;

use aether_types::{LogIndex, NodeId};
use bytes::Bytes;
use raft::eraftpb::{self, ConfChangeType, ConfChangeV2, ConfState, EntryType, MessageType};

use crate::{
    Body, Change, Entry, GroupId, HardState, Membership, MembershipChange, Message, Payload,
    Position, ProposalId, ReadId, Snapshot, Term,
};

pub(crate) fn entry_to_raft(entry: &Entry) -> eraftpb::Entry {
    let Position { index, term } = entry.position;
    let mut to = eraftpb::Entry { index: index.0, term: term.0, ..Default::default() };
    match &entry.payload {
        Payload::Empty => {}
        Payload::Command { id, bytes } => {
            to.context = proposal_context(*id);
            to.data = bytes.clone();
        }
        Payload::Membership { id, change } => {
            to.set_entry_type(EntryType::EntryConfChangeV2);
            to.context = membership_context(*id, change);
        }
    }
    to
}

pub(crate) fn entry_from_raft(entry: eraftpb::Entry) -> Entry {
    let payload = match entry.get_entry_type() {
        EntryType::EntryNormal if entry.context.is_empty() => Payload::Empty,
        EntryType::EntryNormal => {
            Payload::Command { id: ProposalId(number(&entry.context)), bytes: entry.data }
        }
        // The change stands in the context: the data, if any, is raft's own encoding of it.
        EntryType::EntryConfChangeV2 => {
            let (id, change) = match entry.context.is_empty() {
                true => (None, MembershipChange::default()),
                false => postcard::from_bytes(&entry.context).expect("written by this file"),
            };
            Payload::Membership { id, change }
        }
        EntryType::EntryConfChange => unreachable!("changes are proposed in the second version"),
    };
    Entry { position: position(entry.index, entry.term), payload }
}

pub(crate) fn proposal_context(id: ProposalId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

pub(crate) fn membership_context(id: Option<ProposalId>, change: &MembershipChange) -> Bytes {
    postcard::to_allocvec(&(id, change)).expect("values in memory serialise into a vector").into()
}

pub(crate) fn read_context(read: ReadId) -> Vec<u8> {
    read.0.to_be_bytes().to_vec()
}

pub(crate) fn read_from_context(context: &[u8]) -> ReadId {
    ReadId(number(context))
}

fn number(context: &[u8]) -> u128 {
    u128::from_be_bytes(context.try_into().expect("contexts of proposals and reads are 16 bytes"))
}

pub(crate) fn change_to_raft(change: &MembershipChange) -> ConfChangeV2 {
    let mut to = ConfChangeV2::default();
    for step in &change.0 {
        let mut single = eraftpb::ConfChangeSingle::default();
        let (kind, node) = match step {
            Change::Voter(node) => (ConfChangeType::AddNode, node),
            Change::Learner(node) => (ConfChangeType::AddLearnerNode, node),
            Change::Remove(node) => (ConfChangeType::RemoveNode, node),
        };
        single.set_change_type(kind);
        single.node_id = node.0;
        to.mut_changes().push(single);
    }
    to
}

pub(crate) fn membership_to_raft(membership: &Membership) -> ConfState {
    let ids = |nodes: &BTreeSet<NodeId>| nodes.iter().map(|node| node.0).collect();
    ConfState {
        voters: ids(&membership.voters),
        learners: ids(&membership.learners),
        voters_outgoing: ids(&membership.voters_outgoing),
        learners_next: ids(&membership.learners_next),
        auto_leave: membership.auto_leave,
        ..Default::default()
    }
}

pub(crate) fn membership_from_raft(state: &ConfState) -> Membership {
    let nodes = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect();
    Membership {
        voters: nodes(&state.voters),
        learners: nodes(&state.learners),
        voters_outgoing: nodes(&state.voters_outgoing),
        learners_next: nodes(&state.learners_next),
        auto_leave: state.auto_leave,
    }
}

pub(crate) fn hard_state_to_raft(state: HardState) -> eraftpb::HardState {
    eraftpb::HardState {
        term: state.term.0,
        vote: state.vote.map_or(raft::INVALID_ID, |node| node.0),
        commit: state.commit.0,
        ..Default::default()
    }
}

pub(crate) fn hard_state_from_raft(state: &eraftpb::HardState) -> HardState {
    let vote = (state.vote != raft::INVALID_ID).then_some(NodeId(state.vote));
    HardState { term: Term(state.term), vote, commit: LogIndex(state.commit) }
}

pub(crate) fn snapshot_to_raft(snapshot: &Snapshot) -> eraftpb::Snapshot {
    let mut to = eraftpb::Snapshot { data: snapshot.data.clone(), ..Default::default() };
    let metadata = to.mut_metadata();
    metadata.index = snapshot.position.index.0;
    metadata.term = snapshot.position.term.0;
    metadata.set_conf_state(membership_to_raft(&snapshot.membership));
    to
}

pub(crate) fn snapshot_from_raft(snapshot: &eraftpb::Snapshot) -> Snapshot {
    let metadata = snapshot.get_metadata();
    Snapshot {
        position: position(metadata.index, metadata.term),
        membership: membership_from_raft(metadata.get_conf_state()),
        data: snapshot.data.clone(),
    }
}

fn position(index: u64, term: u64) -> Position {
    Position { index: LogIndex(index), term: Term(term) }
}

/// The message has passed the screen.
pub(crate) fn message_to_raft(message: Message) -> eraftpb::Message {
    let mut to = eraftpb::Message::default();
    to.from = message.from.0;
    to.to = message.to.0;
    to.term = message.term.0;
    to.set_msg_type(message_type(&message.body));
    let read = |id: Option<ReadId>| Bytes::from(id.map(read_context).unwrap_or_default());
    match message.body {
        Body::Append { previous, commit, entries } => {
            to.index = previous.index.0;
            to.log_term = previous.term.0;
            to.commit = commit.0;
            to.set_entries(entries.iter().map(entry_to_raft).collect::<Vec<_>>().into());
        }
        Body::Appended { upto, commit } => {
            to.index = upto.0;
            to.commit = commit.0;
        }
        Body::AppendRefused { refused, hint, commit } => {
            to.reject = true;
            to.index = refused.0;
            to.reject_hint = hint.index.0;
            to.log_term = hint.term.0;
            to.commit = commit.0;
        }
        Body::Heartbeat { commit, read: id } | Body::HeartbeatAnswer { commit, read: id } => {
            to.commit = commit.0;
            to.context = read(id);
        }
        Body::Snapshot(snapshot) => to.set_snapshot(snapshot_to_raft(&snapshot)),
        Body::Poll { last, commit } => election_to_raft(&mut to, last, commit, false),
        Body::Vote { last, commit, by_order } => election_to_raft(&mut to, last, commit, by_order),
        Body::PollAnswer { granted, commit } | Body::VoteAnswer { granted, commit } => {
            to.reject = !granted;
            to.commit = commit.index.0;
            to.commit_term = commit.term.0;
        }
        Body::TakeOver => {}
        Body::Read { read } => to.set_entries(vec![read_entry(read)].into()),
        Body::ReadAnswer { read, index } => {
            to.index = index.0;
            to.set_entries(vec![read_entry(read)].into());
        }
    }
    to
}

fn message_type(body: &Body) -> MessageType {
    match body {
        Body::Append { .. } => MessageType::MsgAppend,
        Body::Appended { .. } | Body::AppendRefused { .. } => MessageType::MsgAppendResponse,
        Body::Heartbeat { .. } => MessageType::MsgHeartbeat,
        Body::HeartbeatAnswer { .. } => MessageType::MsgHeartbeatResponse,
        Body::Snapshot(_) => MessageType::MsgSnapshot,
        Body::Poll { .. } => MessageType::MsgRequestPreVote,
        Body::PollAnswer { .. } => MessageType::MsgRequestPreVoteResponse,
        Body::Vote { .. } => MessageType::MsgRequestVote,
        Body::VoteAnswer { .. } => MessageType::MsgRequestVoteResponse,
        Body::TakeOver => MessageType::MsgTimeoutNow,
        Body::Read { .. } => MessageType::MsgReadIndex,
        Body::ReadAnswer { .. } => MessageType::MsgReadIndexResp,
    }
}

fn election_to_raft(to: &mut eraftpb::Message, last: Position, commit: Position, by_order: bool) {
    to.index = last.index.0;
    to.log_term = last.term.0;
    to.commit = commit.index.0;
    to.commit_term = commit.term.0;
    if by_order {
        to.context = Bytes::from_static(raft::CAMPAIGN_TRANSFER);
    }
}

fn read_entry(read: ReadId) -> eraftpb::Entry {
    eraftpb::Entry { data: read_context(read).into(), ..Default::default() }
}

pub(crate) fn message_from_raft(group: GroupId, mut message: eraftpb::Message) -> Message {
    let (from, to, term) = (NodeId(message.from), NodeId(message.to), Term(message.term));
    let commit = LogIndex(message.commit);
    let commit_position = position(message.commit, message.commit_term);
    let read = |context: &[u8]| (!context.is_empty()).then(|| read_from_context(context));
    let at = position(message.index, message.log_term);
    let body = match message.get_msg_type() {
        MessageType::MsgAppend => {
            let entries = message.take_entries().into_iter().map(entry_from_raft).collect();
            Body::Append { previous: at, commit, entries }
        }
        MessageType::MsgAppendResponse if message.reject => Body::AppendRefused {
            refused: at.index,
            hint: position(message.reject_hint, message.log_term),
            commit,
        },
        MessageType::MsgAppendResponse => Body::Appended { upto: at.index, commit },
        MessageType::MsgHeartbeat => Body::Heartbeat { commit, read: read(&message.context) },
        MessageType::MsgHeartbeatResponse => {
            Body::HeartbeatAnswer { commit, read: read(&message.context) }
        }
        MessageType::MsgSnapshot => Body::Snapshot(snapshot_from_raft(message.get_snapshot())),
        MessageType::MsgRequestPreVote => Body::Poll { last: at, commit: commit_position },
        MessageType::MsgRequestPreVoteResponse => {
            Body::PollAnswer { granted: !message.reject, commit: commit_position }
        }
        MessageType::MsgRequestVote => Body::Vote {
            last: at,
            commit: commit_position,
            by_order: message.context == raft::CAMPAIGN_TRANSFER,
        },
        MessageType::MsgRequestVoteResponse => {
            Body::VoteAnswer { granted: !message.reject, commit: commit_position }
        }
        MessageType::MsgTimeoutNow => Body::TakeOver,
        MessageType::MsgReadIndex => Body::Read { read: read_from_context(&first(&message).data) },
        MessageType::MsgReadIndexResp => {
            Body::ReadAnswer { read: read_from_context(&first(&message).data), index: at.index }
        }
        other => unreachable!("{other:?} never leaves a node"),
    };
    Message { group, from, to, term, body }
}

fn first(message: &eraftpb::Message) -> &eraftpb::Entry {
    message.entries.first().expect("a message about a read has one entry")
}
