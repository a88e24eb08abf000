//! All links of a node: who is linked, who should be, what is told about it. Knows no frame.

mod accept;
mod dial;
mod handshake;
mod peers;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aether_types::{ClusterId, NodeId};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Addresses, CallFailure, Class, DownReason, Faults, Handler, Request, Response, Run, Stats,
    Stream, StreamError, Tls,
    faults::FaultTable,
    hello::{Hello, Purpose},
    limits::{CLOCK_SKEW_MAX, UNKNOWN_MAX},
    link::Link,
    port::Port,
    stats::{Counters, add},
    threads,
};

pub(crate) use handshake::{Connection, HelloError, dial_connection};
use peers::{Entry, Peers};

/// What a process says about itself.
#[derive(Clone)]
pub struct Settings {
    /// Drawn by the process.
    pub run: Run,
    /// How often the node has started, as its disk has it; this run counts.
    pub starts: u64,
    pub addresses: Addresses,
    /// Difference of wall clocks above which a peer is refused; [`CLOCK_SKEW_MAX`] is a good one.
    pub clock_skew_max: Duration,
    /// The wall clock: milliseconds since 1970.
    pub clock_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Settings {
    /// A first start, with a run that is drawn, the usual skew and the system's clock.
    pub fn new(addresses: Addresses) -> Self {
        let clock = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_millis() as u64
        };
        Self {
            run: Run(rand::random()),
            starts: 1,
            addresses,
            clock_skew_max: CLOCK_SKEW_MAX,
            clock_ms: Arc::new(clock),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("run", &self.run).finish_non_exhaustive()
    }
}

/// One link as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    Up {
        since: Instant,
    },
    Down {
        since: Instant,
        reason: DownReason,
        /// None while it is dialed, or if it is not dialed at all.
        retry_at: Option<Instant>,
    },
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// In the order of [`Class::ALL`].
    pub links: [LinkState; 3],
    /// From its last hello.
    pub run: Option<Run>,
    pub addresses: Option<Addresses>,
}

impl PeerStatus {
    pub fn of(&self, class: Class) -> &LinkState {
        &self.links[class as usize]
    }

    /// All classes are linked.
    pub fn is_up(&self) -> bool {
        self.links.iter().all(LinkState::is_up)
    }
}

impl LinkState {
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// Every peer that is wanted or linked.
pub type Statuses = Arc<BTreeMap<NodeId, PeerStatus>>;

/// The links of one node; cheap to clone. They end, without a word, with the last clone.
#[derive(Clone)]
pub struct Links(Arc<Owned>);

/// Ends the tasks, which all share what is in it.
struct Owned(Arc<Shared>);

/// What all tasks of the links share.
pub(crate) struct Shared {
    settings: Settings,
    tls: Tls,
    port: Port,
    /// Where all tasks of the links run.
    threads: Handle,
    peers: Peers,
    statuses: watch::Sender<Statuses>,
    pub(crate) faults: Arc<FaultTable>,
    pub(crate) counters: Arc<Counters>,
    unknown: Arc<Semaphore>,
    /// No new links: cancelled when a shutdown begins.
    closing: CancellationToken,
    /// Everything ends now.
    killed: CancellationToken,
    tasks: TaskTracker,
    /// What `set_peers` said last.
    wanted: Mutex<BTreeSet<NodeId>>,
}

impl Links {
    /// Takes connections from `listener`, and dials once there are peers. Links have threads of
    /// their own; the handler's work is done in the tokio runtime within which this is called.
    ///
    /// # Errors
    /// Those of the system, when it gives no threads.
    pub fn start(
        settings: Settings,
        tls: Tls,
        listener: TcpListener,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Self> {
        let (killed, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (ending, running) = (killed.clone(), tasks.clone());
        let threads = threads::start(async move {
            ending.cancelled().await;
            running.wait().await;
        })?;
        let shared = Arc::new(Shared {
            settings,
            tls,
            port: Port::new(handler),
            threads,
            peers: Peers::default(),
            statuses: watch::Sender::default(),
            faults: Arc::default(),
            counters: Arc::default(),
            unknown: Arc::new(Semaphore::new(UNKNOWN_MAX)),
            closing: CancellationToken::new(),
            killed,
            tasks,
            wanted: Mutex::default(),
        });
        let listener = listener.into_std()?;
        let listener = {
            // It must not be the caller's runtime that says when somebody connects.
            let _threads = shared.threads.enter();
            TcpListener::from_std(listener)?
        };
        shared.spawn(accept::run(shared.clone(), listener));
        Ok(Self(Arc::new(Owned(shared))))
    }

    /// Keeps links of every class to exactly these, each at the first of its addresses
    /// (`host:port`) that answers. Links to others are retired. The own id is skipped.
    pub fn set_peers(&self, peers: BTreeMap<NodeId, Vec<String>>) {
        let shared = self.shared();
        let own = shared.tls.node;
        let gone: Vec<_> = {
            let mut wanted = shared.wanted.lock();
            let now: BTreeSet<_> = peers.keys().copied().filter(|node| *node != own).collect();
            let gone = wanted.difference(&now).copied().collect();
            *wanted = now;
            gone
        };
        for node in gone {
            shared.drop_peer(node);
        }
        for (node, addresses) in peers.into_iter().filter(|(node, _)| *node != own) {
            shared.want_peer(node, addresses);
        }
    }

    /// Sends a one-way message, if there is a link with room; otherwise it is dropped and counted.
    /// Never waits.
    pub fn send(&self, to: NodeId, class: Class, group: u64, bytes: Bytes) -> bool {
        let sent = self.shared().link(to, class).is_ok_and(|link| link.send(group, bytes));
        if !sent {
            add(&self.shared().counters.messages_dropped, 1);
        }
        sent
    }

    /// Asks a peer and waits for its answer, at most until the request's deadline. Dropping the
    /// future drops the handler's future at the other side.
    pub async fn call(
        &self,
        to: NodeId,
        class: Class,
        request: Request,
    ) -> Result<Response, CallFailure> {
        let not_sent = |reason| CallFailure::NotSent { node: to, reason };
        let link = self.shared().link(to, class).map_err(not_sent)?;
        // A link that is being replaced has a successor.
        match link.call(request.clone()).await {
            Err(CallFailure::NotSent { reason: DownReason::Replaced, .. }) => {
                self.shared().link(to, class).map_err(not_sent)?.call(request).await
            }
            answer => answer,
        }
    }

    /// Opens a stream to a peer. Returns once it is queued; the peer may still refuse.
    pub async fn open(&self, to: NodeId, class: Class, head: Bytes) -> Result<Stream, StreamError> {
        let not_sent = |reason| StreamError::NotSent { node: to, reason };
        let link = self.shared().link(to, class).map_err(not_sent)?;
        match link.open(head.clone()).await {
            Err(StreamError::NotSent { reason: DownReason::Replaced, .. }) => {
                self.shared().link(to, class).map_err(not_sent)?.open(head).await
            }
            opened => opened,
        }
    }

    /// All peers; changes are told.
    pub fn statuses(&self) -> watch::Receiver<Statuses> {
        self.shared().statuses.subscribe()
    }

    pub fn stats(&self) -> Stats {
        self.shared().counters.read()
    }

    pub fn faults(&self) -> Faults {
        Faults::new(self.shared().faults.clone(), Arc::downgrade(self.shared()))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Takes no new links, says goodbye on those there are, gives what is in flight its time, and
    /// ends. What is left at `within` is cut.
    pub async fn shutdown(&self, within: Duration) {
        self.shared().closing.cancel();
        self.shared().tasks.close();
        self.shared().peers.each(|entry| entry.each_link(|link| link.retire(DownReason::Shutdown)));
        let _ = timeout(within, self.shared().tasks.wait()).await;
        self.kill();
        self.shared().tasks.wait().await;
    }

    /// Ends everything now, without a word: what a crash looks like to the peers.
    pub fn kill(&self) {
        self.shared().kill();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").field("node", &self.shared().tls.node).finish_non_exhaustive()
    }
}

impl Shared {
    fn node(&self) -> NodeId {
        self.tls.node
    }

    fn cluster(&self) -> ClusterId {
        self.tls.cluster
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let killed = self.killed.clone();
        let task = async move {
            killed.run_until_cancelled(task).await;
        };
        self.tasks.spawn_on(task, &self.threads);
    }

    fn kill(&self) {
        self.closing.cancel();
        self.killed.cancel();
        self.tasks.close();
    }

    fn hello(&self, purpose: Purpose) -> Hello {
        Hello {
            cluster: self.cluster(),
            node: self.node(),
            run: self.settings.run,
            starts: self.settings.starts,
            purpose,
            clock_ms: (self.settings.clock_ms)(),
            addresses: self.settings.addresses.clone(),
        }
    }

    /// The link to send on, or why there is none.
    fn link(&self, to: NodeId, class: Class) -> Result<Arc<Link>, DownReason> {
        let Some(entry) = self.peers.get(to) else { return Err(DownReason::New) };
        entry.link(class).ok_or_else(|| entry.why_down(class))
    }

    pub(crate) fn each_link(&self, node: NodeId, act: impl Fn(&Link)) {
        if let Some(entry) = self.peers.get(node) {
            entry.each_link(act);
        }
    }

    fn want_peer(self: &Arc<Self>, node: NodeId, addresses: Vec<String>) {
        let entry = self.peers.entry(node);
        if let Some(wanted) = entry.want(addresses) {
            self.publish(&entry);
            for class in Class::ALL {
                self.spawn(dial::keep(self.clone(), entry.clone(), class, wanted.clone()));
            }
        }
    }

    fn drop_peer(&self, node: NodeId) {
        if let Some(entry) = self.peers.get(node) {
            entry.unwant();
            entry.each_link(|link| link.retire(DownReason::Dropped));
            self.publish(&entry);
        }
    }

    /// Tells everybody how a peer is, as long as it is one.
    fn publish(&self, entry: &Entry) {
        self.statuses.send_modify(|all| {
            let all = Arc::make_mut(all);
            match entry.is_unused() {
                true => all.remove(&entry.node),
                false => all.insert(entry.node, entry.status()),
            };
        });
    }
}
