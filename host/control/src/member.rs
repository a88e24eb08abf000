//! One member of the replicated map: a group, and the requests of this node around it. Knows no
//! clock, disk or link, and does not hold the state.

use std::collections::VecDeque;

use aether_consensus::{
    Committed, Config, Effect as GroupEffect, Group, PersistNumber, ProposalId, ReadId, Refusal,
    Restored, Role, StartError, Status, Term,
};
use aether_kv::{Command, LeaseExpire, LeaseGrant, LeaseKeepAlive, LeaseRevoke, LeaseTime, State};
use aether_types::{LogIndex, NodeId, versioned::DecodeError};
use bytes::Bytes;

use crate::{
    Answer, Change, Done, Effect, Error, Forward, Forwarded, Message, NotTaken, Reply, Tick,
    Ticket, Write,
    forwards::Forwards,
    lease_clock::LeaseClock,
    waiting::{Request, Waiting},
};

/// Writes that wait for an answer on one node; more are refused as exhausted.
pub const REQUESTS_MAX: usize = 16_384;

/// Writes that a leader holds back while others are under way.
const BATCH_MAX: usize = 1_024;

/// Bytes of keys and values at which a message to the leader is full. A transaction more makes it
/// 5 MiB at most, a third of what a link takes.
const FORWARD_BYTES: usize = 1 << 20;

/// What a member is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub group: Config,
    /// Drawn at each start of the process, from 64 random bits: names of proposals begin with it.
    pub run: u64,
    /// How long a write waits for a leader and a majority.
    pub timeout_ms: u64,
}

/// One member of one group whose state machine is the map.
pub struct Member {
    settings: Settings,
    group: Group,
    now: Tick,
    last_number: u64,
    waiting: Waiting,
    forwards: Forwards,
    /// Writes of other nodes, to be taken with the next batch.
    forwarded: VecDeque<Foreign>,
    lease_clock: Option<LeaseClock>,
    /// Of the state, as it was last changed.
    lease_time: LeaseTime,
    /// The leader's own command that ends leases, while it is under way.
    expiring: Option<ProposalId>,
    /// Up to this term, entries were handed out by earlier calls of `advance`.
    handed_out: Term,
    /// What was sent in terms before this one is settled.
    settled: Term,
    /// Whether something may let go what was not sent.
    try_unsent: bool,
    effects: Vec<Effect>,
}

/// A write that another node sent to the leader of a term.
struct Foreign {
    from: NodeId,
    term: Term,
    write: Forwarded,
}

/// What came of trying to send a write.
enum Tried {
    Proposed(ProposalId),
    ToLeader(Forwarded),
    Later,
    Refused(Error),
}

impl Member {
    /// Starts from what is on disk, with a state in which nothing is applied.
    pub fn new(settings: Settings, restored: Restored) -> Result<Self, StartError> {
        let started = restored.hard_state.term;
        Ok(Self {
            group: Group::new(settings.group.clone(), restored)?,
            settings,
            now: Tick(0),
            last_number: 0,
            waiting: Waiting::default(),
            forwards: Forwards::new(started),
            forwarded: VecDeque::new(),
            lease_clock: None,
            lease_time: LeaseTime(0),
            expiring: None,
            handed_out: Term(0),
            settled: Term(0),
            try_unsent: false,
            effects: Vec::new(),
        })
    }

    /// Asks for a change, on any node. Answered by one `Reply`, at the latest when its time is up.
    ///
    /// `decided` is the term in which this node, as the leader, decided on it.
    pub fn write(&mut self, write: Write, decided: Option<Term>) -> Ticket {
        let ticket = Ticket(self.next_number());
        if self.waiting.len() >= REQUESTS_MAX {
            self.reply(ticket, Err(Refusal::ProposalsExhausted.into()));
            return ticket;
        }
        #[cfg(feature = "planted")]
        let decided = decided
            .filter(|_| self.settings.group.planted != Some(aether_consensus::Planted::SkipFence));
        let until = Tick(self.now.0.saturating_add(self.settings.timeout_ms));
        self.waiting.add(ticket, Request { write, decided, until, sent: None });
        self.try_unsent = true;
        ticket
    }

    /// Asks when a linearizable read is safe, on any node. Answered by one `Reply`.
    pub fn read(&mut self) -> Ticket {
        let ticket = Ticket(self.next_number());
        let read = ReadId(self.name(ticket.0));
        match self.group.read_index(read) {
            Ok(()) => self.waiting.add_read(read, ticket),
            Err(refusal) => self.reply(ticket, Err(refusal.into())),
        }
        ticket
    }

    /// Hands leadership to another voter; see [`Group::transfer_leader`].
    pub fn transfer_leader(&mut self, node: NodeId) -> Result<(), Refusal> {
        self.group.transfer_leader(node)
    }

    /// Stands for election now, if this node may.
    pub fn campaign(&mut self) {
        self.group.campaign();
    }

    /// One tick of the group has passed; `now` is this node's clock.
    pub fn tick(&mut self, now: Tick, state: &State) {
        assert!(now >= self.now, "the clock of a node does not go back");
        self.now = now;
        self.group.tick();
        for ticket in self.waiting.overdue(now) {
            let request = self.waiting.remove(ticket).expect("it was just seen");
            let error = match request.sent {
                Some(_) => Error::Unknown,
                None => Refusal::NotLeader { leader: self.group.leader() }.into(),
            };
            self.reply(ticket, Err(error));
        }
        self.expire_leases(state);
        self.try_unsent = true;
    }

    /// A message from another node. Bad ones are dropped.
    pub fn on_message(&mut self, message: Message) {
        let config = &self.settings.group;
        match message {
            Message::Raft(message) => self.group.on_message(message),
            message if message.group() != config.group || message.to() != config.node => {}
            Message::Forward(Forward { from, term, writes, .. }) => {
                let foreign = |write| Foreign { from, term, write };
                self.forwarded.extend(writes.into_iter().map(foreign));
            }
            Message::NotTaken(NotTaken { id, refusal, .. }) => self.on_not_taken(id, refusal),
        }
    }

    /// The link to a node broke: what was sent may be lost.
    pub fn on_unreachable(&mut self, node: NodeId) {
        self.group.on_unreachable(node);
    }

    /// Everything up to this `Persist` is durable.
    pub fn on_persisted(&mut self, number: PersistNumber) {
        self.group.on_persisted(number);
    }

    /// The state as it was at a `TakeSnapshot`.
    pub fn on_snapshot(&mut self, index: LogIndex, data: Bytes) {
        self.group.on_snapshot(index, data);
    }

    /// Takes everything that is to be done now. Call it again until there is nothing.
    pub fn advance(&mut self) -> Vec<Effect> {
        self.settle_lost();
        if !self.holds_back() {
            for foreign in std::mem::take(&mut self.forwarded) {
                self.on_foreign(foreign);
            }
            if std::mem::take(&mut self.try_unsent) {
                self.send_unsent();
            }
        }
        for effect in self.group.advance() {
            self.on_effect(effect);
        }
        self.handed_out = self.group.applied().term;
        std::mem::take(&mut self.effects)
    }

    /// Executes a `Change` on the state.
    ///
    /// # Errors
    /// The bytes are not of this version: the node must stop, since the others go on.
    pub fn apply(&mut self, state: &mut State, change: Change) -> Result<(), DecodeError> {
        match change {
            Change::Restore(snapshot) => {
                *state = State::decode(&snapshot.data)?;
                let covered = snapshot.position.term;
                for (ticket, _) in self.waiting.sent_before(Term(covered.0 + 1)) {
                    self.waiting.remove(ticket);
                    self.reply(ticket, Err(Error::Unknown));
                }
            }
            Change::Apply(Committed { index, id, bytes, .. }) => {
                let command = Command::decode(&bytes)?;
                let result = state.apply(index, &command).result;
                self.expiring.take_if(|expiring| *expiring == id);
                if let Some(ticket) = self.waiting.take_sent(id) {
                    self.reply(ticket, result.map(Done::Applied).map_err(Error::from));
                }
            }
        }
        self.lease_time = state.lease_time();
        if let Some(clock) = &mut self.lease_clock {
            clock.on_applied(self.lease_time, self.now);
        }
        Ok(())
    }

    pub fn status(&self) -> Status {
        self.group.status()
    }

    /// Panics if an invariant does not hold.
    pub fn check(&self) {
        self.group.check();
        self.waiting.check();
        let leads = self.group.role() == Role::Leader;
        assert!(self.lease_clock.is_none() || leads, "only the leader says what time it is");
    }

    /// The group inside, to look at.
    pub fn group(&self) -> &Group {
        &self.group
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn next_proposal(&mut self) -> ProposalId {
        let number = self.next_number();
        ProposalId(self.name(number))
    }

    /// A name that is unique in the cluster for ever.
    fn name(&self, number: u64) -> u128 {
        u128::from(self.settings.run) << 64 | u128::from(number)
    }

    fn reply(&mut self, ticket: Ticket, answer: Answer) {
        self.effects.push(Effect::Reply(Reply { ticket, answer }));
    }

    /// Whether a leader's next writes wait until those under way are committed, to share one write
    /// to disk and one message to each node. A write on its own never waits (as small packets do,
    /// RFC 896).
    fn holds_back(&self) -> bool {
        let held = self.forwarded.len() + self.waiting.unsent_len();
        self.group.role() == Role::Leader && self.group.has_uncommitted() && held < BATCH_MAX
    }

    fn send_unsent(&mut self) {
        let mut unsent: VecDeque<Ticket> = self.waiting.take_unsent();
        let (mut to_leader, mut bytes) = (Vec::new(), 0);
        while let Some(ticket) = unsent.pop_front() {
            let Some(request) = self.waiting.get(ticket) else { continue };
            let (write, decided) = (request.write.clone(), request.decided);
            match self.try_to_send(write, decided) {
                Tried::Proposed(id) => self.waiting.on_sent(ticket, id, self.group.term()),
                Tried::ToLeader(forwarded) => {
                    self.waiting.on_sent(ticket, forwarded.id, self.group.term());
                    bytes += forwarded.write.bytes();
                    to_leader.push(forwarded);
                    if bytes >= FORWARD_BYTES {
                        self.forward(std::mem::take(&mut to_leader));
                        bytes = 0;
                    }
                }
                Tried::Later => self.waiting.keep_unsent(ticket),
                Tried::Refused(error) => {
                    self.waiting.remove(ticket);
                    self.reply(ticket, Err(error));
                }
            }
        }
        if !to_leader.is_empty() {
            self.forward(to_leader);
        }
    }

    fn try_to_send(&mut self, write: Write, decided: Option<Term>) -> Tried {
        let id = self.next_proposal();
        let now = self.group.term();
        match (self.group.role(), decided, self.group.leader()) {
            (Role::Leader, ..) => match self.propose(id, write, decided) {
                Ok(()) => Tried::Proposed(id),
                Err(Refusal::NotLeader { .. } | Refusal::HandingOver) if decided.is_none() => {
                    Tried::Later
                }
                Err(refusal) => Tried::Refused(refusal.into()),
            },
            (_, Some(decided), _) => Tried::Refused(Refusal::Fenced { decided, now }.into()),
            (_, None, Some(_)) => Tried::ToLeader(Forwarded { id, write }),
            (_, None, None) => Tried::Later,
        }
    }

    /// Writes for the leader that this node follows.
    fn forward(&mut self, writes: Vec<Forwarded>) {
        let Config { group, node: from, .. } = self.settings.group;
        let to = self.group.leader().expect("no message has come since the writes were tried");
        let forward = Forward { group, from, to, term: self.group.term(), writes };
        self.effects.push(Effect::Send(Message::Forward(forward)));
    }

    /// As the leader.
    fn propose(
        &mut self,
        id: ProposalId,
        write: Write,
        decided: Option<Term>,
    ) -> Result<(), Refusal> {
        let now = || {
            let clock = self.lease_clock.as_ref();
            // Until it has seen all of the past, the leader does not know what time it is.
            clock.map(|clock| clock.time(self.now)).ok_or(Refusal::NotLeader { leader: None })
        };
        let command = match write {
            Write::Members(change) => return self.group.propose_membership(id, change),
            Write::Transaction(transaction) => Command::Transaction(transaction),
            Write::LeaseGrant { lease, ttl } => {
                Command::LeaseGrant(LeaseGrant { lease, ttl, now: now()? })
            }
            Write::LeaseKeepAlive { lease } => {
                Command::LeaseKeepAlive(LeaseKeepAlive { lease, now: now()? })
            }
            Write::LeaseRevoke { lease } => Command::LeaseRevoke(LeaseRevoke { lease }),
            Write::Compact { first } => Command::Compact(aether_kv::Compact { first }),
        };
        self.group.propose(id, decided, command.encode().into())
    }

    fn on_foreign(&mut self, foreign: Foreign) {
        let Foreign { from, term, write: Forwarded { id, write } } = foreign;
        // A double of what was taken before: any answer but the entry itself would be wrong.
        if !self.forwards.is_new(term, id) {
            return;
        }
        let leads = self.group.role() == Role::Leader && self.group.term() == term;
        let taken = match leads {
            true if !self.forwards.take(term, id) => Err(Refusal::ProposalsExhausted),
            // Whoever was removed has no say any more.
            true if !self.group.membership().contains(from) => {
                Err(Refusal::NotLeader { leader: None })
            }
            true => self.propose(id, write, None),
            false => Err(Refusal::NotLeader { leader: self.group.leader() }),
        };
        if let Err(refusal) = taken {
            let Config { group, node, .. } = self.settings.group;
            let not_taken = NotTaken { group, from: node, to: from, id, refusal };
            self.effects.push(Effect::Send(Message::NotTaken(not_taken)));
        }
    }

    fn on_not_taken(&mut self, id: ProposalId, refusal: Refusal) {
        match refusal {
            // Tried again with the next tick, or when there is another leader.
            Refusal::NotLeader { .. } | Refusal::HandingOver => self.waiting.unsend(id),
            refusal => {
                if let Some(ticket) = self.waiting.take_sent(id) {
                    self.reply(ticket, Err(refusal.into()));
                }
            }
        }
    }

    /// The entries of the last call are applied by now, and what came with them is answered. What
    /// was sent in a term before theirs will not come any more.
    fn settle_lost(&mut self) {
        if self.handed_out > self.settled {
            self.settled = self.handed_out;
            for (ticket, id) in self.waiting.sent_before(self.settled) {
                self.on_lost(ticket, id);
            }
        }
    }

    /// An entry of a later term is applied, and this did not come before it.
    fn on_lost(&mut self, ticket: Ticket, id: ProposalId) {
        match self.waiting.get(ticket).and_then(|request| request.decided) {
            Some(decided) => {
                self.waiting.remove(ticket);
                self.reply(ticket, Err(Error::Deposed { decided }));
            }
            None => {
                self.waiting.unsend(id);
                self.try_unsent = true;
            }
        }
    }

    /// Ends the leases whose time is over, one command at a time.
    fn expire_leases(&mut self, state: &State) {
        let Some(clock) = &self.lease_clock else { return };
        let now = clock.time(self.now);
        if self.expiring.is_some() || state.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        let term = clock.term;
        let id = self.next_proposal();
        let expire = Command::LeaseExpire(LeaseExpire { now });
        // If it is not accepted, the next tick tries again.
        if self.group.propose(id, Some(term), expire.encode().into()).is_ok() {
            self.expiring = Some(id);
        }
    }

    fn on_effect(&mut self, effect: GroupEffect) {
        let effect = match effect {
            GroupEffect::Persist(persist) => Effect::Persist(persist),
            GroupEffect::Send(message) => Effect::Send(Message::Raft(message)),
            GroupEffect::Restore(snapshot) => Effect::Change(Change::Restore(snapshot)),
            GroupEffect::Apply(committed) => Effect::Change(Change::Apply(committed)),
            GroupEffect::TakeSnapshot { index } => Effect::TakeSnapshot { index },
            GroupEffect::Forgotten { acknowledged, last } => {
                Effect::Forgotten { acknowledged, last }
            }
            // The member finds out by itself, also for what it sent on.
            GroupEffect::ProposalLost { .. } => return,
            GroupEffect::ReadReady { id } => return self.answer_read(id, Ok(Done::Fresh)),
            GroupEffect::ReadRefused { id, refusal } => {
                return self.answer_read(id, Err(refusal.into()));
            }
            GroupEffect::MembershipChanged { id, membership, .. } => {
                let ticket = id.and_then(|id| self.waiting.take_sent(id));
                if let Some(ticket) = ticket {
                    self.reply(ticket, Ok(Done::Members(membership.clone())));
                }
                Effect::MembershipChanged { membership }
            }
            GroupEffect::LeaderChanged { leader, role, term } => {
                (self.lease_clock, self.expiring) = (None, None);
                self.try_unsent = true;
                Effect::LeaderChanged { leader, role, term }
            }
            GroupEffect::Leading { term } => {
                self.lease_clock = Some(LeaseClock::start(term, self.lease_time, self.now));
                self.try_unsent = true;
                Effect::Leading { term }
            }
        };
        self.effects.push(effect);
    }

    fn answer_read(&mut self, read: ReadId, answer: Answer) {
        if let Some(ticket) = self.waiting.take_read(read) {
            self.reply(ticket, answer);
        }
    }
}
