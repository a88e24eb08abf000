//! What follows from the inputs: raft's wishes turned into effects, in the order that makes them
//! safe. Knows no inputs.

#[cfg(feature = "planted")]
mod planted;

use std::collections::BTreeSet;

use aether_types::{LogIndex, NodeId};
use raft::{Ready, eraftpb};

use super::{Group, Held};
use crate::{
    Body, Committed, Effect, Loss, Membership, MembershipChange, Payload, Persist, PersistNumber,
    Position, ProposalId, ReadId, Role, Snapshot, Term, convert, reads::question_of,
};

impl Group {
    /// Takes everything that is to be done now.
    pub fn advance(&mut self) -> Vec<Effect> {
        loop {
            self.release_held();
            if self.is_only_voter() && self.role() != Role::Leader {
                self.campaign();
            }
            self.ask_reads();
            #[cfg(feature = "planted")]
            self.plant_commit();
            if !self.node.has_ready() {
                break;
            }
            self.take_ready();
        }
        let ready = self.reads.take_ready(self.applied);
        self.effects.extend(ready.into_iter().map(|id| Effect::ReadReady { id }));
        self.want_snapshot();
        std::mem::take(&mut self.effects)
    }

    fn ask_reads(&mut self) {
        let raft = &self.node.raft;
        // Raft would drop the question silently.
        let answerable = match self.role() {
            Role::Leader => raft.commit_to_current_term(),
            _ => self.known_leader().is_some(),
        };
        if answerable {
            let patience = self.config.election_ticks as u64;
            for read in self.reads.take_questions(self.ticks, patience) {
                let read = if self.role() == Role::Leader { self.name_round(read) } else { read };
                self.node.read_index(convert::read_context(read));
            }
        }
    }

    pub(super) fn name_round(&mut self, question: ReadId) -> ReadId {
        let round = self.reads.name_round(question);
        #[cfg(feature = "planted")]
        let round = self.plant_round(round);
        round
    }

    fn take_ready(&mut self) {
        let mut ready = self.node.ready();
        if ready.ss().is_some() {
            self.note_leader();
        }
        // A leader's messages may overtake its own disk: its own vote for them counts only later.
        // Not so those of the only voter, which was elected by nobody else: after a crash it would
        // not know its term, and lead in it again with other entries.
        let mut messages = ready.take_messages();
        messages.retain_mut(|message| self.is_whole(message));
        if !self.is_only_voter() {
            self.send(std::mem::take(&mut messages));
        }
        for state in ready.take_read_states() {
            let batch = convert::read_from_context(&state.request_ctx);
            self.reads.on_confirmed(batch, LogIndex(state.index));
        }
        let restore = self.persist_ready(&mut ready);
        messages.extend(ready.take_persisted_messages());
        self.held.push_back(Held {
            until: self.asked,
            ready: Some(ready.number()),
            messages,
            restore,
        });
        let committed = ready.take_committed_entries();
        self.node.advance_append_async(ready);
        self.apply(committed);
    }

    /// Where several inputs come before one step, raft takes any entries for the continuation of an
    /// empty message that waits for the same node. Names what they follow in such a message; false
    /// if that is not in the log any more, which is as if it were lost.
    fn is_whole(&self, message: &mut eraftpb::Message) -> bool {
        let first = message.entries.first().map(|entry| entry.index);
        let is_append = message.get_msg_type() == eraftpb::MessageType::MsgAppend;
        let Some(first) = first.filter(|first| is_append && *first != message.index + 1) else {
            return true;
        };
        // Raft's log gives what is not in it the term 0, which fits wherever a log is too short.
        let term = self.node.raft.raft_log.term(first - 1).unwrap_or(0);
        if term == 0 {
            return false;
        }
        (message.index, message.log_term) = (first - 1, term);
        true
    }

    /// Puts into the log, and asks to be put on disk, what raft says must be there. A commit index
    /// alone is not worth a write: it travels with the next one, and the leader tells it again.
    fn persist_ready(&mut self, ready: &mut Ready) -> Option<Snapshot> {
        if let Some(state) = ready.hs() {
            self.node.mut_store().set_hard_state(convert::hard_state_from_raft(state));
        }
        if !ready.must_sync() {
            return None;
        }
        let snapshot = Some(ready.snapshot()).filter(|snapshot| !snapshot.is_empty());
        let snapshot = snapshot.map(convert::snapshot_from_raft);
        if let Some(snapshot) = &snapshot {
            self.node.mut_store().restore(snapshot.clone());
        }
        self.persist(snapshot.clone(), ready.take_entries());
        snapshot
    }

    pub(super) fn persist(
        &mut self,
        snapshot: Option<Snapshot>,
        entries: Vec<eraftpb::Entry>,
    ) -> PersistNumber {
        self.asked = PersistNumber(self.asked.0 + 1);
        let mut retain = self.node.store().range();
        if let Some(first) = entries.first() {
            retain.end = retain.end.min(LogIndex(first.index));
        }
        self.node.mut_store().append(entries.clone());
        let hard_state = self.node.store().hard_state();
        #[cfg(feature = "planted")]
        let hard_state = self.plant_persist(hard_state);
        self.effects.push(Effect::Persist(Persist {
            group: self.config.group,
            number: self.asked,
            hard_state,
            snapshot,
            retain,
            entries: entries.into_iter().map(convert::entry_from_raft).collect(),
        }));
        self.asked
    }

    fn release_held(&mut self) {
        while let Some(held) = self.held.pop_front_if(|held| held.until <= self.persisted) {
            let Some(ready) = held.ready else { continue };
            self.node.on_persist_ready(ready);
            self.send(held.messages);
            if let Some(snapshot) = held.restore {
                self.restore(snapshot);
            }
        }
    }

    fn send(&mut self, messages: Vec<eraftpb::Message>) {
        for message in messages {
            let mut message = convert::message_from_raft(self.config.group, message);
            if let Body::ReadAnswer { read, .. } = &mut message.body {
                *read = question_of(*read);
            }
            if matches!(message.body, Body::Snapshot(_)) {
                self.snapshots_sent.insert(message.to, self.ticks);
            }
            self.effects.push(Effect::Send(message));
        }
    }

    fn restore(&mut self, snapshot: Snapshot) {
        let Position { index, term } = snapshot.position;
        self.node.advance_apply_to(index.0);
        (self.applied, self.applied_term) = (index, term);
        self.membership = snapshot.membership.clone();
        self.snapshot_wanted = None;
        let later = self.proposed.split_off(&LogIndex(index.0 + 1));
        let covered = std::mem::replace(&mut self.proposed, later);
        self.effects.push(Effect::Restore(snapshot));
        for id in covered.into_values() {
            self.effects.push(Effect::ProposalLost { id, loss: Loss::Unknown });
        }
    }

    fn apply(&mut self, entries: Vec<eraftpb::Entry>) {
        for entry in entries {
            let entry = convert::entry_from_raft(entry);
            let Position { index, term } = entry.position;
            if let Some(id) = self.proposed.remove(&index)
                && entry.payload.proposal() != Some(id)
            {
                self.effects.push(Effect::ProposalLost { id, loss: Loss::NotApplied });
            }
            match entry.payload {
                Payload::Empty => {}
                Payload::Command { id, bytes } => {
                    self.effects.push(Effect::Apply(Committed { index, term, id, bytes }));
                }
                Payload::Membership { id, change } => self.apply_membership(index, id, &change),
            }
            (self.applied, self.applied_term) = (index, term);
            if self.role() == Role::Leader
                && term.0 == self.node.raft.term
                && self.leading != Some(term)
            {
                self.leading = Some(term);
                self.effects.push(Effect::Leading { term });
            }
        }
        // Also lets raft take the second step of a change of members.
        self.node.advance_apply_to(self.applied.0);
    }

    fn apply_membership(
        &mut self,
        index: LogIndex,
        id: Option<ProposalId>,
        change: &MembershipChange,
    ) {
        // The same on every node: a change that does not fit any more changes nothing.
        if let Ok(state) = self.node.apply_conf_change(&convert::change_to_raft(change)) {
            self.membership = convert::membership_from_raft(&state);
        }
        self.leave_office();
        let membership = self.membership.clone();
        self.effects.push(Effect::MembershipChanged { index, id, membership });
    }

    /// A leader that has no vote any more, because of what it found in its log when it was elected,
    /// leaves the group to the others. Raft would go on, and fail with the next commit.
    fn leave_office(&mut self) {
        let Membership { voters, voters_outgoing, .. } = &self.membership;
        let votes = |voters: &BTreeSet<NodeId>| voters.contains(&self.config.node);
        if self.role() == Role::Leader && !votes(voters) && !votes(voters_outgoing) {
            let term = self.node.raft.term;
            self.node.raft.become_follower(term, raft::INVALID_ID);
            self.draw_timeout();
        }
    }

    fn note_leader(&mut self) {
        let now = (self.known_leader(), self.role());
        if now.1 != Role::Leader {
            self.leading = None;
            self.snapshots_sent.clear();
        }
        if now != self.leader {
            self.leader = now;
            self.reads.on_leader_changed();
            let (leader, role) = now;
            let term = Term(self.node.raft.term);
            self.effects.push(Effect::LeaderChanged { leader, role, term });
        }
    }

    fn want_snapshot(&mut self) {
        let log = self.node.store();
        let (_, bytes) = log.weight();
        let entries = self.applied.0 - log.snapshot().position.index.0.min(self.applied.0);
        let due = entries >= self.config.log_entries_max
            || bytes >= self.config.log_bytes_max
            || log.is_snapshot_outdated();
        if !due || entries == 0 || self.snapshot_wanted.is_some() {
            return;
        }
        let index = self.applied;
        let term = log.term_at(index).expect("what was applied since the snapshot is in the log");
        self.snapshot_wanted = Some((Position { index, term }, self.membership.clone()));
        self.effects.push(Effect::TakeSnapshot { index });
    }
}
