//! Nodes of a cluster that is nothing but links, and handlers that write down what they see.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use aether_types::{ClusterId, NodeId};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    Addresses, Admission, Authority, Class, DownReason, Handler, JoinRequest, LinkState, Links,
    NodeKey, Peer, PeerStatus, Refusal, Request, Response, Settings, Stream, Tls,
};

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);
pub(crate) const ECHO: u32 = 1;
pub(crate) const HANG: u32 = 2;
pub(crate) const PANIC: u32 = 3;
/// Answers when the handler's gate opens.
pub(crate) const GATE: u32 = 4;
/// Answers with the name of the thread that begins it.
pub(crate) const WHERE: u32 = 5;
/// Computes for 100 ms.
pub(crate) const BUSY: u32 = 6;

/// A limit for tests that would hang; none waits for it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("this happens soon")
}

/// What a handler saw.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Message(NodeId, Class, u64, Bytes),
    /// A request of this kind arrived.
    Called(u32),
    /// A handler's future was dropped before it answered.
    Dropped,
    Link(NodeId, Class, bool),
}

type Admit = Box<dyn Fn(JoinRequest) -> Result<Admission, Refusal> + Send + Sync>;

pub(crate) struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    pub(crate) gate: watch::Sender<bool>,
    pub(super) removed: Mutex<Vec<NodeId>>,
    pub(super) admit: Mutex<Option<Admit>>,
    pub(super) streams: mpsc::UnboundedSender<(Bytes, Stream)>,
    /// Why links were lost.
    lost: Mutex<Vec<(NodeId, Class, DownReason)>>,
}

impl Recorder {
    pub(crate) fn new()
    -> (Arc<Self>, mpsc::UnboundedReceiver<Seen>, mpsc::UnboundedReceiver<(Bytes, Stream)>) {
        let (seen_tx, seen) = mpsc::unbounded_channel();
        let (streams_tx, streams) = mpsc::unbounded_channel();
        let handler = Self {
            seen: seen_tx,
            gate: watch::Sender::new(false),
            removed: Mutex::default(),
            admit: Mutex::default(),
            streams: streams_tx,
            lost: Mutex::default(),
        };
        (Arc::new(handler), seen, streams)
    }
}

struct OnDrop(mpsc::UnboundedSender<Seen>, bool);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if !self.1 {
            let _ = self.0.send(Seen::Dropped);
        }
    }
}

impl Handler for Recorder {
    fn welcome(&self, peer: &Peer) -> Result<(), Refusal> {
        match self.removed.lock().contains(&peer.node) {
            true => Err(Refusal::Removed { node: peer.node }),
            false => Ok(()),
        }
    }

    fn on_message(&self, from: NodeId, class: Class, group: u64, bytes: Bytes) {
        let _ = self.seen.send(Seen::Message(from, class, group, bytes));
    }

    fn call(&self, _: &Peer, request: Request) -> BoxFuture<'static, Response> {
        let (seen, mut gate) = (self.seen.clone(), self.gate.subscribe());
        Box::pin(async move {
            let mut body = request.body;
            if request.kind != ECHO {
                let _ = seen.send(Seen::Called(request.kind));
            }
            match request.kind {
                PANIC => panic!("a handler that panics on purpose"),
                HANG => {
                    let _guard = OnDrop(seen, false);
                    pending().await
                }
                GATE => drop(gate.wait_for(|open| *open).await),
                WHERE => body = thread::current().name().unwrap_or_default().to_owned().into(),
                BUSY => {
                    let until = Instant::now() + Duration::from_millis(100);
                    while Instant::now() < until {}
                }
                _ => {}
            }
            Response { status: 200, body }
        })
    }

    fn on_stream(&self, _: &Peer, head: Bytes, stream: Stream) {
        let _ = self.streams.send((head, stream));
    }

    fn on_link(&self, peer: NodeId, class: Class, state: &LinkState) {
        if let LinkState::Down { reason, .. } = state {
            self.lost.lock().push((peer, class, reason.clone()));
        }
        let _ = self.seen.send(Seen::Link(peer, class, state.is_up()));
    }

    fn admit(&self, request: JoinRequest) -> BoxFuture<'static, Result<Admission, Refusal>> {
        let answer = match &*self.admit.lock() {
            Some(admit) => admit(request),
            None => Err(Refusal::BadToken),
        };
        Box::pin(async move { answer })
    }
}

pub(super) struct Cluster {
    pub(super) authority: Authority,
}

pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) links: Links,
    pub(super) address: String,
    pub(super) handler: Arc<Recorder>,
    pub(super) seen: mpsc::UnboundedReceiver<Seen>,
    pub(super) streams: mpsc::UnboundedReceiver<(Bytes, Stream)>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        Self { authority: Authority::create(CLUSTER).unwrap() }
    }

    pub(super) fn tls(&self, id: u64) -> Tls {
        let key = NodeKey::generate().unwrap();
        let certificate = self.authority.issue(NodeId(id), &key.csr().unwrap()).unwrap();
        let ca = self.authority.ca_pem();
        Tls::new((CLUSTER, NodeId(id)), ca, &certificate, &key.pem()).unwrap()
    }

    pub(super) async fn node(&self, id: u64) -> Node {
        self.node_with(id, |_| {}).await
    }

    pub(super) async fn node_with(&self, id: u64, change: impl FnOnce(&mut Settings)) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let said = Addresses { cluster: address.clone(), ..Addresses::default() };
        let mut settings = Settings::new(said);
        change(&mut settings);
        let (handler, seen, streams) = Recorder::new();
        let links = Links::start(settings, self.tls(id), listener, handler.clone()).unwrap();
        Node { id: NodeId(id), links, address, handler, seen, streams }
    }

    /// Two nodes with all links up, all dialed by the first.
    pub(super) async fn pair(&self) -> (Node, Node) {
        let (one, two) = (self.node(1).await, self.node(2).await);
        one.peers(&[&two]);
        one.up(&two).await;
        two.up(&one).await;
        (one, two)
    }
}

impl Node {
    pub(super) fn peers(&self, others: &[&Self]) {
        let peers = others.iter().map(|it| (it.id, vec![it.address.clone()]));
        self.links.set_peers(peers.collect::<BTreeMap<_, _>>());
    }

    pub(super) async fn until(&self, other: NodeId, holds: impl Fn(&PeerStatus) -> bool) {
        let mut statuses = self.links.statuses();
        let found = statuses.wait_for(|all| all.get(&other).is_some_and(&holds));
        let found = timeout(LONG, found).await.is_ok();
        assert!(found, "{:?}", self.links.statuses().borrow().get(&other));
    }

    pub(super) async fn up(&self, other: &Self) {
        self.until(other.id, PeerStatus::is_up).await;
    }

    /// Why a class is not linked, once it is not: why it was lost, whatever dials have found since,
    /// or why it never was.
    pub(super) async fn down(&self, other: NodeId, class: Class) -> DownReason {
        let down = |status: &PeerStatus| !status.of(class).is_up();
        self.until(other, down).await;
        let lost = self.handler.lost.lock();
        if let Some((.., reason)) = lost.iter().find(|lost| (lost.0, lost.1) == (other, class)) {
            return reason.clone();
        }
        match self.links.statuses().borrow()[&other].of(class) {
            LinkState::Down { reason, .. } => reason.clone(),
            LinkState::Up { .. } => unreachable!("it was down"),
        }
    }

    pub(super) async fn call(
        &self,
        to: NodeId,
        kind: u32,
        body: &'static [u8],
    ) -> Result<Response, crate::CallFailure> {
        self.links.call(to, Class::Calls, request(kind, body)).await
    }

    /// The next thing seen that is of interest.
    pub(super) async fn sees(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        soon(async {
            loop {
                let seen = self.seen.recv().await.unwrap();
                if wanted(&seen) {
                    return seen;
                }
            }
        })
        .await
    }
}

pub(crate) fn request(kind: u32, body: &'static [u8]) -> Request {
    let body = Bytes::from_static(body);
    Request { kind, deadline: Instant::now() + LONG, body }
}
