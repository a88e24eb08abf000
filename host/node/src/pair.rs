//! Two nodes of a cluster that is nothing but links, for tests of what travels on them.

use crate::depot::Depot;
use crate::network::{Network, StreamHead};
use crate::reach::{Reach, Seen};
use crate::tasks::Tasks;
use aether_storage::Artifacts;
use aether_transport::{
    Addresses, Authority, Class, Handler, Links, NodeKey, Peer, PeerStatus, Request, Response,
    Settings, Stream, Tls,
};
use aether_types::versioned::decode;
use aether_types::{ClusterId, NodeId};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const CLUSTER: ClusterId = ClusterId(0xc1);
pub(crate) const HERE: NodeId = NodeId(1);
pub(crate) const THERE: NodeId = NodeId(2);

/// What a node does with what the other one asks.
pub(crate) trait Answers: Send + Sync + 'static {
    fn call(&self, request: Request) -> BoxFuture<'static, Response>;
    fn on_stream(&self, head: StreamHead, stream: Stream);
}

/// Set once there are links: what answers usually needs them.
#[derive(Default)]
struct Later(OnceLock<Box<dyn Answers>>);

impl Handler for Later {
    fn on_message(&self, _: NodeId, _: Class, _: u64, _: Bytes) {}

    fn call(&self, _: &Peer, request: Request) -> BoxFuture<'static, Response> {
        self.0.get().expect("a node that is asked has answers").call(request)
    }

    fn on_stream(&self, _: &Peer, head: Bytes, stream: Stream) {
        let head = decode(&head).unwrap();
        self.0.get().expect("a node that is asked has answers").on_stream(head, stream);
    }
}

/// One of the two nodes.
pub(crate) struct Half {
    pub(crate) network: Network,
    answers: Arc<Later>,
}

impl Half {
    /// What this node keeps; of the others, only this one is there.
    pub(crate) fn depot(&self, artifacts: Artifacts, other: NodeId) -> Depot {
        let seen = Seen { up: true, run: 1, leaving: false, since: Instant::now() };
        let (_, reaches) = watch::channel(Arc::new(Reach([(other, seen)].into())));
        let tasks = Tasks::new(CancellationToken::new());
        let node = if other == THERE { HERE } else { THERE };
        Depot { node, artifacts, network: self.network.clone(), reaches, tasks }
    }

    pub(crate) fn answers(&self, answers: impl Answers) {
        assert!(self.answers.0.set(Box::new(answers)).is_ok());
    }
}

/// Both nodes, linked with each other: `HERE`, `THERE`.
pub(crate) async fn pair() -> [Half; 2] {
    let authority = Authority::create(CLUSTER).unwrap();
    let mut halves = Vec::new();
    let mut address = String::new();
    for id in [HERE, THERE] {
        let key = NodeKey::generate().unwrap();
        let certificate = authority.issue(id, &key.csr().unwrap()).unwrap();
        let tls = Tls::new((CLUSTER, id), authority.ca_pem(), &certificate, &key.pem()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        address = listener.local_addr().unwrap().to_string();
        let (network, answers) = (Network::default(), Arc::new(Later::default()));
        let settings = Settings::new(Addresses::default());
        let links = Links::start(settings, tls, listener, answers.clone());
        network.begin(links.unwrap());
        halves.push(Half { network, answers });
    }
    let links = [0, 1].map(|i| halves[i].network.links().unwrap());
    links[0].set_peers(BTreeMap::from([(THERE, vec![address])]));
    for (links, other) in links.into_iter().zip([THERE, HERE]) {
        let mut statuses = links.statuses();
        let up = statuses.wait_for(|all| all.get(&other).is_some_and(PeerStatus::is_up));
        drop(up.await.unwrap());
    }
    halves.try_into().unwrap_or_else(|_| unreachable!("two were made"))
}
