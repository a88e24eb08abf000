//! The thread that owns this node's member of the replicated map, its log on disk and its copy of
//! the map. Executes what the member wants in the order that it wants; decides nothing, and knows
//! nothing of what the keys mean.

mod answers;
#[cfg(test)]
mod tests;
mod thread;

use crate::disk::DiskFaults;
use crate::run::Error;
use crate::tasks::{OnFailure, Tasks};
use aether_consensus::{Config, GroupId, MembershipChange, Persist, Restored, Status, Term};
use aether_control::{Done, Member, Message, Settings, Ticket, Write};
use aether_kv::{State, Transaction, TransactionError};
use aether_storage::{Error as StorageError, Log};
use aether_types::{ErrorKind, LogIndex, NodeId, Revision};
use answers::Answers;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
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

/// Bytes of a snapshot that this thread writes itself. A larger one takes longer than a heartbeat
/// may be late: at 100 MB/s, 10 ms.
const SNAPSHOT_HERE_MAX: usize = 1 << 20;

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

/// What other threads have done for the control thread.
#[derive(Debug)]
enum Back {
    /// The state as it was at a `TakeSnapshot`.
    Snapshot {
        index: LogIndex,
        data: Bytes,
    },
    Written(Box<Written>),
}

/// What a thread that wrote a large snapshot gives back.
#[derive(Debug)]
struct Written {
    log: Log,
    steps: Vec<Persist>,
    result: Result<(), StorageError>,
}

/// Who waits for an answer.
#[derive(Debug)]
struct Reply {
    sender: oneshot::Sender<Result<Done, ControlError>>,
    /// Where it waits.
    runtime: Handle,
}

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
        let (sender, answer) = oneshot::channel();
        let reply = Reply { sender, runtime: Handle::current() };
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
    pub(crate) disk_faults: Arc<DiskFaults>,
    /// What is on disk of the group: nothing on a node that has joined and heard of no leader yet.
    pub(crate) restored: Restored,
    pub(crate) outlet: Outlet,
}

/// The control thread's side.
pub(crate) struct ControlLoop {
    member: Member,
    disk: Disk,
    disk_faults: Arc<DiskFaults>,
    events: Receiver<Event>,
    /// From threads that this one starts, and for them.
    back: Receiver<Back>,
    bring_back: Sender<Back>,
    shared: Arc<Shared>,
    waiting: BTreeMap<Ticket, Reply>,
    answers: Answers,
    outlet: Outlet,
    tasks: Tasks,
    started: Instant,
    next_tick: Instant,
    /// The status is to be told: not after every step, because that wakes whoever follows it.
    has_news: bool,
    stopping: bool,
}

/// Where the log on disk is.
enum Disk {
    Here(Log),
    /// A thread writes a large snapshot; what is to be written after it, in order.
    Away(Vec<Persist>),
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
    let (control, control_loop) = open(start, tasks)?;
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
fn open(start: Start, tasks: &Tasks) -> Result<(Control, ControlLoop), ControlFailure> {
    let Start { node, run, log, disk_faults, restored, outlet } = start;
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
    // At most one snapshot is made at a time, and one written.
    let (bring_back, back) = bounded(2);
    let control = Control { events: sender, shared: Arc::clone(&shared) };
    let started = Instant::now();
    let control_loop = ControlLoop {
        member: Member::new(settings, restored)?,
        disk: Disk::Here(log),
        disk_faults,
        events,
        back,
        bring_back,
        shared,
        waiting: BTreeMap::new(),
        answers: Answers::default(),
        outlet,
        tasks: tasks.clone(),
        started,
        next_tick: started + TICK,
        has_news: true,
        stopping: false,
    };
    Ok((control, control_loop))
}
