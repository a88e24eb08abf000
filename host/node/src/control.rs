//! The control group of this node: one thread that owns the Raft group, its log on disk and the
//! replicated map. Knows nothing of what the keys mean.

use aether_consensus::{
    Committed, Config, Effect, Group, GroupId, Loss, ProposalId, Refusal, Restored, Status, Term,
};
use aether_kv::{Applied, Command, Done, Refused, State, Transaction, TransactionError};
use aether_storage::{Error as StorageError, Log};
use aether_types::{ErrorKind, NodeId, Revision};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The group that holds blueprints, the plan and what nodes observe.
pub(crate) const CONTROL_GROUP: GroupId = GroupId(0);

/// Heartbeats are 2 ticks apart, elections at least 10.
const TICK: Duration = Duration::from_millis(100);

/// Requests that wait for the control thread; more are refused as exhausted.
const REQUESTS_MAX: usize = 4_096;

/// Requests that are taken up together: one write to disk for all of them.
const BATCH_MAX: usize = 1_024;

/// How long a write waits for its majority.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A write that did not happen, or of which nobody knows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    NotProposed(#[from] Refusal),
    #[error("too many writes wait for the log")]
    Busy,
    #[error("another leader's write took its place")]
    Lost,
    #[error("no majority has confirmed the write in time; it may still take effect")]
    Unknown,
    #[error("the node is stopping")]
    Stopping,
}

impl ControlError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Refused(refused) => refused.kind(),
            Self::NotProposed(refusal) => refusal.kind(),
            Self::Busy => ErrorKind::Exhausted,
            Self::Lost | Self::Unknown | Self::Stopping => ErrorKind::Unavailable,
        }
    }
}

/// Why the control thread ended; the node cannot go on without it.
#[derive(Debug, thiserror::Error)]
pub enum ControlFailure {
    #[error("failed to write the log")]
    Storage(#[from] StorageError),
    #[error("failed to read a committed command or a snapshot")]
    Decode(#[from] aether_types::versioned::DecodeError),
    #[error("failed to start the control group")]
    Start(#[from] aether_consensus::StartError),
}

/// Handle of the control thread. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    requests: Sender<Request>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Written by the control thread alone, for the time of one command.
    state: RwLock<State>,
    revision: watch::Sender<Revision>,
    /// The term in which this node leads, once it has seen everything before.
    leading: watch::Sender<Option<Term>>,
    status: RwLock<Option<Status>>,
}

#[derive(Debug)]
enum Request {
    Propose { command: Command, decided: Option<Term>, reply: oneshot::Sender<Answer> },
    Stop,
}

type Answer = Result<Done, ControlError>;

impl Control {
    /// All or nothing; durable on a majority when it returns.
    pub(crate) async fn transact(
        &self,
        transaction: Transaction,
    ) -> Result<Revision, ControlError> {
        self.write(transaction, None).await
    }

    /// Like [`Control::transact`], but refused if the leader has changed since `decided`.
    pub(crate) async fn transact_as_leader(
        &self,
        transaction: Transaction,
        decided: Term,
    ) -> Result<Revision, ControlError> {
        self.write(transaction, Some(decided)).await
    }

    async fn write(
        &self,
        transaction: Transaction,
        decided: Option<Term>,
    ) -> Result<Revision, ControlError> {
        let command = Command::Transaction(transaction.try_into()?);
        let (reply, answer) = oneshot::channel();
        self.requests.try_send(Request::Propose { command, decided, reply }).map_err(
            |e| match e {
                TrySendError::Full(_) => ControlError::Busy,
                TrySendError::Disconnected(_) => ControlError::Stopping,
            },
        )?;
        match tokio::time::timeout(WRITE_TIMEOUT, answer).await {
            Ok(Ok(Ok(Done::Transaction { revision }))) => Ok(revision),
            Ok(Ok(Ok(done))) => unreachable!("a transaction was answered with {done:?}"),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(ControlError::Stopping),
            Err(_) => Err(ControlError::Unknown),
        }
    }

    /// Looks at this node's copy of the state, which may be behind the leader's. Keep it short:
    /// commands wait.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.read())
    }

    /// Changes whenever a command has changed the state. Carries no data but the revision.
    pub(crate) fn revisions(&self) -> watch::Receiver<Revision> {
        self.shared.revision.subscribe()
    }

    /// The term in which this node leads.
    pub(crate) fn leading(&self) -> watch::Receiver<Option<Term>> {
        self.shared.leading.subscribe()
    }

    /// The group as it was a moment ago; none before the first step.
    pub(crate) fn status(&self) -> Option<Status> {
        self.shared.status.read().clone()
    }

    /// Ends the control thread after what it is doing. What is proposed later is refused.
    pub(crate) fn stop(&self) {
        // A full queue ends too: the thread sees the stop as soon as there is room, and a thread
        // that is gone needs none.
        let _ = self.requests.send_timeout(Request::Stop, WRITE_TIMEOUT);
    }
}

/// The control thread's side.
pub(crate) struct ControlLoop {
    group: Group,
    log: Log,
    requests: Receiver<Request>,
    shared: Arc<Shared>,
    waiting: BTreeMap<ProposalId, oneshot::Sender<Answer>>,
    next_tick: Instant,
}

/// Starts from what is on disk, or founds the group with this node as its only voter.
pub(crate) fn open(
    node: NodeId,
    seed: u64,
    log: Log,
) -> Result<(Control, ControlLoop), ControlFailure> {
    let restored = match log.load(CONTROL_GROUP)? {
        Some(restored) => restored,
        None => {
            let founding = Restored::founding([node], State::new().encode().into());
            log.persist(&[founding.to_persist(CONTROL_GROUP)])?;
            founding
        }
    };
    let group = Group::new(Config::new(CONTROL_GROUP, node, seed), restored)?;
    let (sender, requests) = bounded(REQUESTS_MAX);
    let shared = Arc::new(Shared {
        state: RwLock::new(State::new()),
        revision: watch::Sender::new(Revision(0)),
        leading: watch::Sender::new(None),
        status: RwLock::new(None),
    });
    let control = Control { requests: sender, shared: Arc::clone(&shared) };
    let next_tick = Instant::now() + TICK;
    let waiting = BTreeMap::new();
    Ok((control, ControlLoop { group, log, requests, shared, waiting, next_tick }))
}

impl ControlLoop {
    /// Runs until it is stopped. Waits for one event, takes all that are ready, steps the group,
    /// then persists, sends, applies and replies in the order in which the group hands it out.
    pub(crate) fn run(mut self) -> Result<(), ControlFailure> {
        self.execute()?;
        loop {
            let wait = self.next_tick.saturating_duration_since(Instant::now());
            match self.requests.recv_timeout(wait) {
                Ok(Request::Stop) => return Ok(()),
                Ok(request) => self.propose(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            for _ in 1..BATCH_MAX {
                match self.requests.try_recv() {
                    Ok(Request::Stop) => return self.execute(),
                    Ok(request) => self.propose(request),
                    Err(_) => break,
                }
            }
            if Instant::now() >= self.next_tick {
                self.next_tick = Instant::now() + TICK;
                self.group.tick();
            }
            self.execute()?;
        }
    }

    fn propose(&mut self, request: Request) {
        let Request::Propose { command, decided, reply } = request else { return };
        let id = ProposalId(rand::random());
        match self.group.propose(id, decided, command.encode().into()) {
            Ok(()) => drop(self.waiting.insert(id, reply)),
            // Nobody waits any more if the receiver is gone.
            Err(refusal) => drop(reply.send(Err(refusal.into()))),
        }
    }

    fn execute(&mut self) -> Result<(), ControlFailure> {
        loop {
            let effects = self.group.advance();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.on_effect(effect)?;
            }
        }
        *self.shared.status.write() = Some(self.group.status());
        Ok(())
    }

    fn on_effect(&mut self, effect: Effect) -> Result<(), ControlFailure> {
        match effect {
            Effect::Persist(persist) => {
                let number = persist.number;
                self.log.persist(&[persist])?;
                self.group.on_persisted(number);
            }
            Effect::Send(message) => {
                unreachable!("the only voter of its group has nobody to send {message:?} to")
            }
            Effect::Restore(snapshot) => {
                let state = State::decode(&snapshot.data)?;
                self.changed(|shared| *shared = state);
            }
            Effect::Apply(committed) => self.apply(&committed)?,
            Effect::ProposalLost { id, loss } => {
                let error = match loss {
                    Loss::NotApplied => ControlError::Lost,
                    Loss::Unknown => ControlError::Unknown,
                };
                self.reply(id, Err(error));
            }
            Effect::LeaderChanged { leader, role, term } => {
                tracing::info!(?leader, ?role, term = term.0, "leader changed");
                if leader != Some(self.group.status().node) {
                    self.shared.leading.send_replace(None);
                }
            }
            Effect::Leading { term } => {
                self.shared.leading.send_replace(Some(term));
            }
            Effect::TakeSnapshot { index } => {
                let data = self.shared.state.read().encode();
                self.group.on_snapshot(index, data.into());
            }
            // Members change and reads are confirmed only where there are other nodes.
            Effect::MembershipChanged { .. }
            | Effect::ReadReady { .. }
            | Effect::ReadRefused { .. } => {}
        }
        Ok(())
    }

    fn apply(&mut self, committed: &Committed) -> Result<(), ControlFailure> {
        let command = Command::decode(&committed.bytes)?;
        let mut result = None;
        self.changed(|state| {
            let Applied { result: applied, .. } = state.apply(committed.index, &command);
            result = Some(applied);
        });
        let result = result.expect("the command was applied");
        self.reply(committed.id, result.map_err(ControlError::from));
        Ok(())
    }

    /// Changes the state and wakes whoever follows it.
    fn changed(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.state.write();
        change(&mut state);
        let revision = state.revision();
        drop(state);
        self.shared.revision.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
    }

    fn reply(&mut self, id: ProposalId, answer: Answer) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // Nobody waits any more if the receiver is gone.
            drop(waiting.send(answer));
        }
    }
}
