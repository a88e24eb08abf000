//! What a node must be able to do for its links, and the words for it. Implemented by the node.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use aether_types::NodeId;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::{Addresses, Class, LinkState, Refusal, Run, Secret, Stream, link::Patience};

/// What arrives on links. Methods that return no future are called by the task that drives the
/// link, on a thread of the links: they must be quick and never wait.
pub trait Handler: Send + Sync + 'static {
    /// Somebody with a valid certificate and hello wants to be linked, or was dialed and answers.
    /// `Refusal::Removed` and `Refusal::Other` are the node's to give: a certificate is for ever,
    /// so whoever left the cluster must be refused here.
    fn welcome(&self, peer: &Peer) -> Result<(), Refusal> {
        let _ = peer;
        Ok(())
    }

    /// A one-way message.
    fn on_message(&self, from: NodeId, class: Class, group: u64, bytes: Bytes);

    /// A request. Runs in a task of its own, in the runtime in which the links were started; where
    /// the peer waits for nothing else, a thread of the links polls it once before. It is dropped
    /// when the caller does not wait any more. An answer of more than
    /// [`crate::limits::FRAME_BYTES_MAX`] fails the call.
    fn call(&self, from: &Peer, request: Request) -> BoxFuture<'static, Response>;

    /// Somebody opened a stream. Spawn what serves it; it runs where requests do.
    fn on_stream(&self, from: &Peer, head: Bytes, stream: Stream);

    /// A link came up or went down. In order for each peer and class; a broken link is told here
    /// first.
    fn on_link(&self, peer: NodeId, class: Class, state: &LinkState) {
        let _ = (peer, class, state);
    }

    /// Somebody without a certificate asks to become a member. Compare the secret with those that
    /// are open, have a certificate issued, remember him, and answer.
    fn admit(&self, request: JoinRequest) -> BoxFuture<'static, Result<Admission, Refusal>> {
        drop(request);
        let reason = "this node takes no new members".into();
        Box::pin(async move { Err(Refusal::Other { reason }) })
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub node: NodeId,
    pub run: Run,
    /// How often the node has started, as its disk has it; this run counts.
    pub starts: u64,
    pub class: Class,
    pub addresses: Addresses,
}

/// A call to another node.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the body is: the node's to define.
    pub kind: u32,
    /// Until when the caller waits; it travels as the time that is left.
    pub deadline: Instant,
    pub body: Bytes,
}

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// What the body is, and what else there is to say: the node's to define.
    pub status: u64,
    pub body: Bytes,
}

/// A node that has no certificate yet.
pub struct JoinRequest {
    pub node: NodeId,
    pub addresses: Addresses,
    pub secret: Secret,
    /// A certificate request (PKCS #10, DER), of which only the public key counts; none where the
    /// node has a certificate from elsewhere.
    pub csr: Option<Bytes>,
}

/// What a new member gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// PEM; none for a node that asked for none.
    pub certificate: Option<String>,
    /// PEM.
    pub ca: String,
    /// The members and where they are.
    pub peers: Vec<(NodeId, Addresses)>,
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Who answers, and where his work is done: what takes long not on the threads of the links.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) work: Handle,
    pub(crate) patience: Arc<Patience>,
}

impl Port {
    /// Within the runtime that does the work.
    pub(crate) fn new(handler: Arc<dyn Handler>) -> Self {
        Self { handler, work: Handle::current(), patience: Arc::default() }
    }

    pub(crate) fn on_stream(&self, from: &Peer, head: Bytes, stream: Stream) {
        let _work = self.work.enter();
        self.handler.on_stream(from, head, stream);
    }
}

/// Time that is left until a deadline, as it travels: at least 1 ms, at most 49 days.
pub(crate) fn left_ms(deadline: Instant, now: Instant) -> u32 {
    let left = deadline.saturating_duration_since(now).as_millis();
    u32::try_from(left).unwrap_or(u32::MAX).max(1)
}

pub(crate) fn deadline(left_ms: u32, now: Instant) -> Instant {
    now + Duration::from_millis(left_ms.into())
}
