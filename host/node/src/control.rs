//! The thread that owns this node's member of the replicated map, its log on disk and its copy of
//! the map. Executes what the member wants in the order that it wants; decides nothing, and knows
//! nothing of what the keys mean.

use crate::run::Error;
use crate::tasks::{OnFailure, Tasks};
use aether_consensus::{Config, GroupId, MembershipChange, Persist, Restored, Status, Term};
use aether_control::{Answer, Done, Effect, Member, Message, Settings, Tick, Ticket, Write};
use aether_kv::{State, Transaction, TransactionError};
use aether_storage::{Error as StorageError, Log};
use aether_types::{ErrorKind, LogIndex, NodeId, Revision};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The group that holds blueprints, the plan and what nodes observe.
pub(crate) const CONTROL_GROUP: GroupId = GroupId(0);

/// Heartbeats are 2 ticks apart. A follower that hears nothing for 10 to 20 stands for election;
/// one whose link to the leader breaks does so at once.
const TICK: Duration = Duration::from_millis(50);

/// Requests and messages that wait for the control thread. Beyond it requests are refused as
/// exhausted, and messages dropped, which Raft repeats.
const EVENTS_MAX: usize = 8_192;

/// Events that are taken up together: one write to disk for all of them.
const BATCH_MAX: usize = 1_024;

/// How long a write waits for a leader and a majority.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a full disk is left alone before it is tried again.
const FULL_DISK_RETRY: Duration = Duration::from_millis(500);

/// A write that did not happen, or of which nobody knows; or a read that cannot be confirmed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    Invalid(#[from] TransactionError),
    #[error(transparent)]
    Failed(#[from] aether_control::Error),
    #[error("too many writes wait for the log")]
    Busy,
    #[error("the disk of this node is full: free space in its data folder")]
    DiskFull,
    #[error("the node is stopping")]
    Stopping,
}

impl ControlError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::Failed(error) => error.kind(),
            Self::Busy | Self::DiskFull => ErrorKind::Exhausted,
            Self::Stopping => ErrorKind::Unavailable,
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
    #[error("it ends at entry {last}, and this node has acknowledged entry {acknowledged}")]
    Forgotten { acknowledged: LogIndex, last: LogIndex },
    #[error("failed to start the control group")]
    Start(#[from] aether_consensus::StartError),
}

/// Where messages to other nodes go. Quick, and free to lose them.
pub(crate) type Outlet = Box<dyn Fn(NodeId, Message) + Send>;

/// Handle of the control thread. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    events: Sender<Event>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Written by the control thread alone, for the time of one command.
    state: RwLock<State>,
    revision: watch::Sender<Revision>,
    /// The term in which this node leads, once it has seen everything before.
    leading: watch::Sender<Option<Term>>,
    status: watch::Sender<Option<Arc<Status>>>,
    disk_full: AtomicBool,
}

#[derive(Debug)]
enum Event {
    Write { write: Write, decided: Option<Term>, reply: Reply },
    Read { reply: Reply },
    HandOver { to: NodeId },
    Message(Message),
    Unreachable(NodeId),
    Stop,
}

type Reply = oneshot::Sender<Result<Done, ControlError>>;

impl Control {
    /// All or nothing; durable on a majority, and applied here, when it returns.
    pub(crate) async fn transact(
        &self,
        transaction: Transaction,
    ) -> Result<Revision, ControlError> {
        self.transaction(transaction, None).await
    }

    /// Like [`Control::transact`], but refused if the leader has changed since `decided`.
    pub(crate) async fn transact_as_leader(
        &self,
        transaction: Transaction,
        decided: Term,
    ) -> Result<Revision, ControlError> {
        self.transaction(transaction, Some(decided)).await
    }

    async fn transaction(
        &self,
        transaction: Transaction,
        decided: Option<Term>,
    ) -> Result<Revision, ControlError> {
        let write = Write::Transaction(transaction.try_into()?);
        match self.ask(|reply| Event::Write { write, decided, reply }).await? {
            Done::Applied(aether_kv::Done::Transaction { revision }) => Ok(revision),
            done => unreachable!("a transaction was answered with {done:?}"),
        }
    }

    /// Changes the members of the group, in the term in which it was decided.
    pub(crate) async fn change_members(
        &self,
        change: MembershipChange,
        decided: Term,
    ) -> Result<(), ControlError> {
        let (write, decided) = (Write::Members(change), Some(decided));
        self.ask(|reply| Event::Write { write, decided, reply }).await.map(drop)
    }

    /// Returns when this node's copy of the map has everything that was acknowledged anywhere
    /// before the call.
    pub(crate) async fn fresh(&self) -> Result<(), ControlError> {
        self.ask(|reply| Event::Read { reply }).await.map(drop)
    }

    async fn ask(&self, event: impl FnOnce(Reply) -> Event) -> Result<Done, ControlError> {
        let (reply, answer) = oneshot::channel();
        self.events.try_send(event(reply)).map_err(|e| match e {
            TrySendError::Full(_) => ControlError::Busy,
            TrySendError::Disconnected(_) => ControlError::Stopping,
        })?;
        // The member answers each request, at the latest when its time is over.
        answer.await.unwrap_or(Err(ControlError::Stopping))
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

    /// The group as it was at most a tick ago; none before the first step. Told with each tick, and
    /// at once when the leader or the members change.
    pub(crate) fn status(&self) -> watch::Receiver<Option<Arc<Status>>> {
        self.shared.status.subscribe()
    }

    /// Whether this node takes no part in its group because its disk has no room.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.shared.disk_full.load(Ordering::Relaxed)
    }

    /// Hands leadership over, if this node leads and the other one votes.
    pub(crate) fn hand_over(&self, to: NodeId) {
        // Where the queue is full, the next look at the members tries again.
        let _ = self.events.try_send(Event::HandOver { to });
    }

    /// A message of another node came.
    pub(crate) fn on_message(&self, message: Message) {
        // Raft repeats what is lost.
        let _ = self.events.try_send(Event::Message(message));
    }

    /// The link to another node broke.
    pub(crate) fn on_unreachable(&self, node: NodeId) {
        // It is a hint only.
        let _ = self.events.try_send(Event::Unreachable(node));
    }

    /// Ends the control thread after what it is doing. What is proposed later is refused.
    pub(crate) fn stop(&self) {
        // A full queue ends too: the thread sees the stop as soon as there is room, and a thread
        // that is gone needs none.
        let _ = self.events.send_timeout(Event::Stop, WRITE_TIMEOUT);
    }
}

/// What a control thread starts with.
pub(crate) struct Start {
    pub(crate) node: NodeId,
    /// Drawn at each start of the process.
    pub(crate) run: u64,
    pub(crate) log: Log,
    /// What is on disk of the group: nothing on a node that has joined and heard of no leader yet.
    pub(crate) restored: Restored,
    pub(crate) outlet: Outlet,
}

/// The control thread's side.
pub(crate) struct ControlLoop {
    member: Member,
    log: Log,
    events: Receiver<Event>,
    shared: Arc<Shared>,
    waiting: BTreeMap<Ticket, Reply>,
    outlet: Outlet,
    started: Instant,
    next_tick: Instant,
    /// The status is to be told: not after every step, because that wakes whoever follows it.
    has_news: bool,
    stopping: bool,
}

/// The log of a new cluster, with this node as its only voter.
pub(crate) fn found(node: NodeId, log: &mut Log) -> Result<Restored, ControlFailure> {
    let founding = Restored::founding([node], State::new().encode().into());
    log.persist(&[founding.to_persist(CONTROL_GROUP)])?;
    Ok(founding)
}

/// Starts the control thread. When it returns, the state is what the disk has of it.
pub(crate) async fn start(start: Start, tasks: &Tasks) -> Result<Control, ControlFailure> {
    let node = start.node;
    let (control, control_loop) = open(start)?;
    let ending = tasks.clone();
    tasks.spawn("control", OnFailure::StopNode, async move {
        let thread = tokio::task::spawn_blocking(move || control_loop.run());
        let ended = thread.await;
        match ended.expect("the control thread does not panic unless an invariant is broken") {
            Err(forgotten @ ControlFailure::Forgotten { .. }) => {
                ending.end(Error::StaleData { node, why: forgotten.to_string() });
                Ok(())
            }
            ended => ended,
        }
    });
    // A thread that has failed already stops the node.
    let _ = control.status().wait_for(Option::is_some).await;
    Ok(control)
}

/// Nothing is executed before the loop runs.
fn open(start: Start) -> Result<(Control, ControlLoop), ControlFailure> {
    let Start { node, run, log, restored, outlet } = start;
    let settings = Settings {
        group: Config::new(CONTROL_GROUP, node, run),
        run,
        timeout_ms: WRITE_TIMEOUT.as_millis() as u64,
    };
    let (sender, events) = bounded(EVENTS_MAX);
    let shared = Arc::new(Shared {
        state: RwLock::new(State::new()),
        revision: watch::Sender::new(Revision(0)),
        leading: watch::Sender::new(None),
        status: watch::Sender::new(None),
        disk_full: AtomicBool::new(false),
    });
    let control = Control { events: sender, shared: Arc::clone(&shared) };
    let started = Instant::now();
    let control_loop = ControlLoop {
        member: Member::new(settings, restored)?,
        log,
        events,
        shared,
        waiting: BTreeMap::new(),
        outlet,
        started,
        next_tick: started + TICK,
        has_news: true,
        stopping: false,
    };
    Ok((control, control_loop))
}

impl ControlLoop {
    /// Runs until it is stopped: waits for one event, takes all that are ready, then does what the
    /// member wants.
    pub(crate) fn run(mut self) -> Result<(), ControlFailure> {
        self.execute()?;
        while !self.stopping {
            let wait = self.next_tick.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(wait) {
                Ok(event) => self.on_event(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            for _ in 1..BATCH_MAX {
                match self.events.try_recv() {
                    Ok(event) => self.on_event(event),
                    Err(_) => break,
                }
            }
            self.tick();
            self.execute()?;
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Write { write, decided, reply } => {
                let ticket = self.member.write(write, decided);
                self.waiting.insert(ticket, reply);
            }
            Event::Read { reply } => {
                let ticket = self.member.read();
                self.waiting.insert(ticket, reply);
            }
            // Refused where it makes no sense any more; whoever wants it looks again.
            Event::HandOver { to } => drop(self.member.transfer_leader(to)),
            Event::Message(message) => self.member.on_message(message),
            Event::Unreachable(node) => self.member.on_unreachable(node),
            Event::Stop => self.stopping = true,
        }
    }

    fn tick(&mut self) {
        if Instant::now() < self.next_tick {
            return;
        }
        self.next_tick = Instant::now() + TICK;
        self.has_news = true;
        let elapsed = self.started.elapsed().as_millis();
        let now = Tick(u64::try_from(elapsed).unwrap_or(u64::MAX));
        self.member.tick(now, &self.shared.state.read());
    }

    /// Does what the member wants, until it wants nothing. What follows a `Persist` need not wait
    /// for it, so the disk works while messages are on their way.
    fn execute(&mut self) -> Result<(), ControlFailure> {
        loop {
            let effects = self.member.advance();
            if effects.is_empty() {
                break;
            }
            let mut steps = Vec::new();
            for effect in effects {
                self.on_effect(effect, &mut steps)?;
            }
            let revision = self.shared.state.read().revision();
            let followed = &self.shared.revision;
            followed.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
            if let Some(number) = steps.last().map(|step: &Persist| step.number) {
                self.persist(&steps)?;
                self.member.on_persisted(number);
            }
        }
        if std::mem::take(&mut self.has_news) {
            self.shared.status.send_replace(Some(Arc::new(self.member.status())));
        }
        Ok(())
    }

    fn on_effect(
        &mut self,
        effect: Effect,
        steps: &mut Vec<Persist>,
    ) -> Result<(), ControlFailure> {
        match effect {
            Effect::Persist(step) => steps.push(step),
            Effect::Send(message) => (self.outlet)(message.to(), message),
            Effect::Change(change) => {
                let mut state = self.shared.state.write();
                self.member.apply(&mut state, change)?;
            }
            Effect::Reply(aether_control::Reply { ticket, answer }) => self.reply(ticket, answer),
            Effect::TakeSnapshot { index } => {
                let data = self.shared.state.read().encode();
                self.member.on_snapshot(index, data.into());
            }
            Effect::MembershipChanged { membership } => {
                tracing::info!(?membership, "members changed");
                self.has_news = true;
            }
            Effect::LeaderChanged { leader, role, term } => {
                let leader = leader.map(tracing::field::display);
                tracing::info!(leader, ?role, term = term.0, "leader changed");
                self.shared.leading.send_replace(None);
                self.has_news = true;
            }
            Effect::Forgotten { acknowledged, last } => {
                return Err(ControlFailure::Forgotten { acknowledged, last });
            }
            Effect::Leading { term } => {
                self.shared.leading.send_replace(Some(term));
            }
        }
        Ok(())
    }

    fn reply(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            // Nobody waits any more if the receiver is gone.
            drop(waiting.send(answer.map_err(ControlError::from)));
        }
    }

    /// A full disk stops nothing but writes: this node takes no part in its group until there is
    /// room again, and what it serves goes on.
    fn persist(&mut self, steps: &[Persist]) -> Result<(), ControlFailure> {
        let mut full = false;
        loop {
            match self.log.persist(steps) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Exhausted && !self.stopping => {
                    if !full {
                        let error = error_chain(&error);
                        tracing::error!(error, "the disk is full: writes are refused");
                    }
                    full = true;
                    self.shared.disk_full.store(true, Ordering::Relaxed);
                    self.refuse_for(FULL_DISK_RETRY);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if full {
            self.shared.disk_full.store(false, Ordering::Relaxed);
            tracing::info!("the disk has room again");
        }
        Ok(())
    }

    fn refuse_for(&mut self, time: Duration) {
        for (_, reply) in std::mem::take(&mut self.waiting) {
            // Nobody waits any more if the receiver is gone.
            drop(reply.send(Err(aether_control::Error::Unknown.into())));
        }
        let until = Instant::now() + time;
        while let Ok(event) = self.events.recv_deadline(until) {
            match event {
                Event::Write { reply, .. } | Event::Read { reply } => {
                    drop(reply.send(Err(ControlError::DiskFull)));
                }
                Event::Stop => {
                    self.stopping = true;
                    return;
                }
                Event::HandOver { .. } | Event::Message(_) | Event::Unreachable(_) => {}
            }
        }
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
