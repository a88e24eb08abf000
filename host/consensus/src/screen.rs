//! Which messages may reach raft: one that passes breaks no invariant that raft asserts, whoever
//! sent it. Knows no wire format.

use aether_types::{LogIndex, NodeId};
use raft::{Raft, StateRole};

use crate::{
    Body, Change, ENTRY_BYTES_MAX, Entry, GroupId, Message, Payload, Position, Snapshot, Term,
    log::Log,
};

/// Beyond any index or term that will ever be reached; sums with it do not overflow.
const NUMBER_MAX: u64 = 1 << 62;

/// The reason is for a log line.
pub(crate) fn screen(
    message: &Message,
    group: GroupId,
    raft: &Raft<Log>,
) -> Result<(), &'static str> {
    let Message { from, to, term, body, .. } = message;
    let is_read = matches!(body, Body::Read { .. });
    let stale = term.0 < raft.term;
    match () {
        () if message.group != group => Err("for another group"),
        () if to.0 != raft.id => Err("for another node"),
        () if from.0 == raft.id || *from == NodeId(0) => Err("from nobody"),
        () if term.0 > NUMBER_MAX => Err("impossible term"),
        () if (*term == Term(0)) != is_read => Err("term missing or out of place"),
        () if stale && !is_read => Ok(()),
        () => screen_body(body, *term, raft),
    }
}

fn screen_body(body: &Body, term: Term, raft: &Raft<Log>) -> Result<(), &'static str> {
    let last = LogIndex(raft.raft_log.last_index());
    let leads = raft.state == StateRole::Leader && term.0 == raft.term;
    match body {
        Body::Append { previous, commit, entries } => {
            // A node with nothing takes a snapshot first: the log does not name the founders.
            if raft.raft_log.last_index() == 0 && !entries.is_empty() && previous.index.0 == 0 {
                return Err("entries before the snapshot");
            }
            if leads {
                return Err("two leaders in one term");
            }
            screen_number(*commit)?;
            screen_entries(*previous, term, entries)
        }
        Body::Appended { upto, .. } if leads && *upto > last => Err("appended what was not sent"),
        Body::Appended { upto, commit } => screen_number(*upto.max(commit)),
        Body::AppendRefused { refused, hint, commit } => {
            screen_number(*refused.max(commit))?;
            screen_number(hint.index)
        }
        Body::Heartbeat { .. } if leads => Err("two leaders in one term"),
        Body::Heartbeat { commit, .. } if *commit > last => Err("commits what is not here"),
        Body::Heartbeat { .. } | Body::HeartbeatAnswer { .. } => Ok(()),
        Body::Snapshot(_) if leads => Err("two leaders in one term"),
        Body::Snapshot(snapshot) => screen_snapshot(snapshot, term, NodeId(raft.id)),
        Body::Poll { last, commit } | Body::Vote { last, commit, .. } => {
            screen_number(last.index.max(commit.index))
        }
        Body::PollAnswer { commit, .. } | Body::VoteAnswer { commit, .. } => {
            screen_number(commit.index)
        }
        Body::ReadAnswer { index, .. } => screen_number(*index),
        Body::TakeOver | Body::Read { .. } => Ok(()),
    }
}

fn screen_number(index: LogIndex) -> Result<(), &'static str> {
    if index.0 > NUMBER_MAX { Err("impossible index") } else { Ok(()) }
}

fn screen_entries(
    mut previous: Position,
    term: Term,
    entries: &[Entry],
) -> Result<(), &'static str> {
    screen_number(previous.index)?;
    for Entry { position, payload } in entries {
        if position.index.0 != previous.index.0 + 1 {
            return Err("a gap between entries");
        }
        if position.term < previous.term || position.term > term || position.term == Term(0) {
            return Err("an entry of an impossible term");
        }
        match payload {
            Payload::Command { bytes, .. } if bytes.len() > ENTRY_BYTES_MAX => {
                return Err("an entry that is too large");
            }
            Payload::Membership { change, .. } if change.0.iter().any(names_nobody) => {
                return Err("a change of no node");
            }
            _ => previous = *position,
        }
    }
    Ok(())
}

pub(crate) fn names_nobody(change: &Change) -> bool {
    let (Change::Voter(node) | Change::Learner(node) | Change::Remove(node)) = change;
    *node == NodeId(0)
}

fn screen_snapshot(snapshot: &Snapshot, term: Term, node: NodeId) -> Result<(), &'static str> {
    let Snapshot { position, membership, .. } = snapshot;
    screen_number(position.index)?;
    match () {
        () if position.index == LogIndex(0) => Err("a snapshot of nothing"),
        () if position.term == Term(0) || position.term > term => Err("a snapshot from nowhere"),
        () if membership.validate().is_err() => Err("a snapshot with impossible members"),
        () if !membership.contains(node) => Err("a snapshot for others"),
        () => Ok(()),
    }
}
