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

/// Why a message must not reach raft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No node of this version says that; the reason is for a log line.
    Impossible(&'static str),
    /// The leader counts on an entry that this node acknowledged and has not: its disk has
    /// forgotten. A heartbeat names no index beyond what the follower itself acknowledged in the
    /// leader's term, and what is acknowledged is on disk before.
    Forgotten(LogIndex),
}

impl From<&'static str> for Fault {
    fn from(reason: &'static str) -> Self {
        Self::Impossible(reason)
    }
}

pub(crate) fn screen(message: &Message, group: GroupId, raft: &Raft<Log>) -> Result<(), Fault> {
    let Message { from, to, term, body, .. } = message;
    let is_read = matches!(body, Body::Read { .. });
    let stale = term.0 < raft.term;
    match () {
        () if message.group != group => Err("for another group".into()),
        () if to.0 != raft.id => Err("for another node".into()),
        () if from.0 == raft.id || *from == NodeId(0) => Err("from nobody".into()),
        () if term.0 > NUMBER_MAX => Err("impossible term".into()),
        () if (*term == Term(0)) != is_read => Err("term missing or out of place".into()),
        () if stale && !is_read => Ok(()),
        () => screen_body(body, *term, raft),
    }
}

fn screen_body(body: &Body, term: Term, raft: &Raft<Log>) -> Result<(), Fault> {
    let last = LogIndex(raft.raft_log.last_index());
    let leads = raft.state == StateRole::Leader && term.0 == raft.term;
    match body {
        Body::Append { previous, commit, entries } => {
            // A node with nothing takes a snapshot first: the log does not name the founders.
            if raft.raft_log.last_index() == 0 && !entries.is_empty() && previous.index.0 == 0 {
                return Err("entries before the snapshot".into());
            }
            if leads {
                return Err("two leaders in one term".into());
            }
            screen_number(*commit)?;
            Ok(screen_entries(*previous, term, entries)?)
        }
        Body::Appended { upto, .. } if leads && *upto > last => {
            Err("appended what was not sent".into())
        }
        Body::Appended { upto, commit } => Ok(screen_number(*upto.max(commit))?),
        Body::AppendRefused { refused, hint, commit } => {
            screen_number(*refused.max(commit))?;
            Ok(screen_number(hint.index)?)
        }
        Body::Heartbeat { .. } if leads => Err("two leaders in one term".into()),
        Body::Heartbeat { commit, .. } if *commit > last => {
            screen_number(*commit)?;
            Err(Fault::Forgotten(*commit))
        }
        Body::Heartbeat { .. } | Body::HeartbeatAnswer { .. } => Ok(()),
        Body::Snapshot(_) if leads => Err("two leaders in one term".into()),
        Body::Snapshot(snapshot) => Ok(screen_snapshot(snapshot, term, NodeId(raft.id))?),
        Body::Poll { last, commit } | Body::Vote { last, commit, .. } => {
            Ok(screen_number(last.index.max(commit.index))?)
        }
        Body::PollAnswer { commit, .. } | Body::VoteAnswer { commit, .. } => {
            Ok(screen_number(commit.index)?)
        }
        Body::ReadAnswer { index, .. } => Ok(screen_number(*index)?),
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
    // Raft takes term 0 for that of any entry that its log does not have.
    if (previous.index == LogIndex(0)) != (previous.term == Term(0)) {
        return Err("entries after one of no term");
    }
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
