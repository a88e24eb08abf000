//! Requests between being asked and being answered. Knows no group and no messages.

use std::collections::{BTreeMap, VecDeque};

use aether_consensus::{ProposalId, ReadId, Term};

use crate::{Tick, Ticket, Write};

/// One request that waits.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) write: Write,
    /// Only in this term, by this node.
    pub(crate) decided: Option<Term>,
    pub(crate) until: Tick,
    /// Under which name it was proposed or sent on, and in which term.
    pub(crate) sent: Option<(ProposalId, Term)>,
}

/// Everything that waits on this node.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    writes: BTreeMap<Ticket, Request>,
    sent: BTreeMap<ProposalId, Ticket>,
    /// Not sent yet, oldest first. A ticket may have been answered since.
    unsent: VecDeque<Ticket>,
    reads: BTreeMap<ReadId, Ticket>,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(crate) fn unsent_len(&self) -> usize {
        self.unsent.len()
    }

    pub(crate) fn add(&mut self, ticket: Ticket, request: Request) {
        self.writes.insert(ticket, request);
        self.unsent.push_back(ticket);
    }

    pub(crate) fn add_read(&mut self, read: ReadId, ticket: Ticket) {
        self.reads.insert(read, ticket);
    }

    pub(crate) fn take_read(&mut self, read: ReadId) -> Option<Ticket> {
        self.reads.remove(&read)
    }

    pub(crate) fn take_unsent(&mut self) -> VecDeque<Ticket> {
        std::mem::take(&mut self.unsent)
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Request> {
        self.writes.get(&ticket)
    }

    pub(crate) fn keep_unsent(&mut self, ticket: Ticket) {
        self.unsent.push_back(ticket);
    }

    pub(crate) fn on_sent(&mut self, ticket: Ticket, id: ProposalId, term: Term) {
        let request = self.writes.get_mut(&ticket).expect("what is sent waits");
        request.sent = Some((id, term));
        self.sent.insert(id, ticket);
    }

    /// The request that was sent under this name, which is answered now.
    pub(crate) fn take_sent(&mut self, id: ProposalId) -> Option<Ticket> {
        let ticket = self.sent.remove(&id)?;
        self.writes.remove(&ticket);
        Some(ticket)
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Request> {
        let request = self.writes.remove(&ticket)?;
        request.sent.map(|(id, _)| self.sent.remove(&id));
        Some(request)
    }

    /// What was sent under this name has had no effect: it can be sent again.
    pub(crate) fn unsend(&mut self, id: ProposalId) {
        if let Some(ticket) = self.sent.remove(&id) {
            let request = self.writes.get_mut(&ticket).expect("what was sent waits");
            request.sent = None;
            self.unsent.push_back(ticket);
        }
    }

    /// What was sent in terms before this one, oldest first.
    pub(crate) fn sent_before(&self, term: Term) -> Vec<(Ticket, ProposalId)> {
        let sent = self.writes.iter().filter_map(|(ticket, request)| {
            let (id, sent) = request.sent?;
            (sent < term).then_some((*ticket, id))
        });
        sent.collect()
    }

    pub(crate) fn overdue(&self, now: Tick) -> Vec<Ticket> {
        let overdue = self.writes.iter().filter(|(_, request)| request.until <= now);
        overdue.map(|(ticket, _)| *ticket).collect()
    }

    pub(crate) fn check(&self) {
        for (id, ticket) in &self.sent {
            let sent = self.writes.get(ticket).and_then(|request| request.sent);
            assert_eq!(sent.map(|(id, _)| id), Some(*id), "what was sent waits under its name");
        }
        let unsent = self.writes.iter().filter(|(_, request)| request.sent.is_none());
        for (ticket, _) in unsent {
            let count = self.unsent.iter().filter(|other| *other == ticket).count();
            assert_eq!(count, 1, "what is not sent stands in the queue once");
        }
    }
}
