//! What other nodes ask of this one, and what it asks of them: the transport's port. Knows no
//! sockets.

use crate::admission::Admissions;
use crate::control::{CONTROL_GROUP, Control};
use crate::counts::Counting;
use crate::depot::{Depot, blocking};
use crate::logs::AllLogs;
use crate::members;
use crate::projector::Pictures;
use crate::reach::{Leavers, Reach, Seen};
use crate::records::{Duty, NodeRecord};
use crate::remote::{self, Callees};
use crate::run::Error;
use crate::samples::{Sample, Samples};
use crate::scaling::Desk;
use crate::shared_code::SharedCode;
use crate::shared_history::SharedHistory;
use crate::slow::AllSlow;
use crate::tasks::{OnFailure, Tasks};
use aether_consensus::Body;
use aether_control::Message;
use aether_engine::CodeKey;
use aether_telemetry::{BusyReport, Report};
use aether_transport::{
    Admission, Class, DownReason, Handler, JoinRequest, LinkState, Links, Peer, PeerStatus,
    Refusal, Request, Response, Statuses, Stream, StreamError,
};
use aether_types::NodeId;
use aether_types::versioned::{Versioned, decode, encode};
use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Snapshots up to this length go with the other messages of a group: at 1 Gbit/s, heartbeats wait
/// 8 ms for one.
const SHORT_BYTES_MAX: usize = 1 << 20;

/// The longest message: a snapshot of the largest state (64 MiB) with its history (8 MiB) and room.
const MESSAGE_BYTES_MAX: usize = 96 << 20;

/// Links to other nodes; there are none while the node starts.
#[derive(Debug, Default, Clone)]
pub(crate) struct Network(Arc<OnceLock<Links>>);

/// What a request between nodes is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A function of a slice.
    Call = 1,
    /// The node that asks is about to end. Answered when this one sends it nothing that others
    /// could take.
    Leave = 2,
    /// Lines of the node's log.
    Logs = 3,
    /// Calls that took too long there.
    SlowCalls = 4,
    /// What the leader's controller has decided, or is to decide now.
    Controller = 5,
}

/// What a one-way message beside calls is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// How the node is.
    Sample = 0,
    /// What its slices have counted.
    Counts = 1,
    /// How many calls of its slices run or wait.
    Busy = 2,
}

/// What a stream between nodes is about. The order is part of the format: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StreamHead {
    /// The other node sends the bytes of an artifact, or resets.
    GetArtifact(aether_types::Digest),
    /// This node sends them, and the other one answers with an empty end when they are stored.
    PutArtifact(aether_types::Digest),
    /// An HTTP request for a slice: what follows is its body.
    Http(Box<remote::HttpHead>),
    /// A message of a group that is too long to go with the others.
    Message,
    /// The other node sends compiled code, or resets.
    GetCode(CodeKey),
    /// The other node sends what it has kept of the last two hours.
    GetHistory,
}

impl Versioned for StreamHead {
    const FORMAT: u8 = 2;
}

impl Network {
    pub(crate) fn links(&self) -> Option<&Links> {
        self.0.get()
    }

    pub(crate) fn begin(&self, links: Links) {
        self.0.set(links).expect("a node starts its links once");
    }

    /// What another node has to say to a question, or why it says nothing.
    pub(crate) async fn ask<A: Versioned>(
        &self,
        node: NodeId,
        request: Request,
    ) -> Result<A, String> {
        let links = self.links().ok_or("this node is starting")?;
        let answer = links.call(node, Class::Calls, request).await;
        match answer.map_err(|error| error.to_string())? {
            Response { status: 0, body } => {
                decode(&body).map_err(|error| format!("its answer: {error}"))
            }
            Response { body, .. } => Err(String::from_utf8_lossy(&body).into_owned()),
        }
    }

    /// Raft's way out: what cannot be sent now is lost, and repeated. Long messages, which are
    /// snapshots, go beside the others, so that heartbeats do not wait for them.
    pub(crate) fn send(&self, to: NodeId, message: Message, tasks: &Tasks) {
        let Some(links) = self.links() else { return };
        if !is_long(&message) {
            let group = u64::from(message.group().0);
            links.send(to, Class::Consensus, group, message.encode().into());
            return;
        }
        let links = links.clone();
        tasks.spawn("snapshot", OnFailure::Log, async move {
            let bytes = Bytes::from(blocking(move || message.encode()).await);
            let head = StreamHead::Message.bytes();
            let Stream { mut send, recv } = links.open(to, Class::Bulk, head).await?;
            drop(recv);
            send.send(bytes).await?;
            send.finish()
        });
    }
}

/// Whether a message would hold up others on its link: a snapshot of a state that is not small.
/// Appended entries are bounded by what one message may have.
fn is_long(message: &Message) -> bool {
    match message {
        Message::Raft(message) => match &message.body {
            Body::Snapshot(snapshot) => snapshot.data.len() > SHORT_BYTES_MAX,
            _ => false,
        },
        _ => false,
    }
}

/// How long other nodes have to take up that this one goes.
const LEAVE_TIME: Duration = Duration::from_secs(1);

impl Network {
    /// Tells every node that answers that this one is about to end; returns when they have taken it
    /// up, or their time is over. How many were told.
    pub(crate) async fn leave(&self) -> usize {
        let Some(links) = self.links() else { return 0 };
        let statuses = links.statuses().borrow().clone();
        let up = statuses.iter().filter(|(_, status)| status.is_up());
        let told = up.map(|(node, _)| {
            let deadline = Instant::now() + LEAVE_TIME;
            let request = Request { kind: Kind::Leave as u32, deadline, body: Bytes::new() };
            links.call(*node, Class::Calls, request)
        });
        join_all(told).await.len()
    }
}

/// Answers other nodes.
pub(crate) struct Switchboard {
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) admissions: Admissions,
    pub(crate) depot: Depot,
    pub(crate) code: SharedCode,
    pub(crate) callees: Callees,
    pub(crate) samples: Samples,
    pub(crate) counting: Counting,
    pub(crate) leavers: Arc<Leavers>,
    pub(crate) logs: AllLogs,
    pub(crate) slow: AllSlow,
    pub(crate) desk: Desk,
    pub(crate) history: SharedHistory,
}

impl Handler for Switchboard {
    fn welcome(&self, peer: &Peer) -> Result<(), Refusal> {
        let picture = self.pictures.borrow();
        if let Some(known) = picture.world.nodes.get(&peer.node) {
            known.check_newer(peer)?;
        }
        match picture.world.members.get(&peer.node).map(|at| at.value.duty) {
            Some(Duty::Removed) => Err(Refusal::Removed { node: peer.node }),
            // A node that joined a moment ago may know of members that this one has not heard of.
            _ => Ok(()),
        }
    }

    fn on_message(&self, from: NodeId, class: Class, group: u64, bytes: Bytes) {
        if class == Class::Calls {
            return self.on_notice(from, group, &bytes);
        }
        let known = class == Class::Consensus && group == u64::from(CONTROL_GROUP.0);
        match Message::decode(&bytes) {
            Ok(message) if known && message.from() == from => self.control.on_message(message),
            _ => tracing::warn!(%from, ?class, group, "dropped a message that makes no sense"),
        }
    }

    fn call(&self, from: &Peer, request: Request) -> BoxFuture<'static, Response> {
        match request.kind {
            kind if kind == Kind::Call as u32 => self.callees.call(from.node, request),
            kind if kind == Kind::Logs as u32 => self.logs.answer(&request),
            kind if kind == Kind::SlowCalls as u32 => self.slow.answer(&request),
            kind if kind == Kind::Controller as u32 => self.desk.answer(request),
            kind if kind == Kind::Leave as u32 => self.on_leave(from, request.deadline),
            kind => {
                tracing::warn!(from = %from.node, kind, "refused a request of an unknown kind");
                Box::pin(std::future::ready(remote::unknown_kind(kind)))
            }
        }
    }

    fn on_stream(&self, from: &Peer, head: Bytes, stream: Stream) {
        match decode::<StreamHead>(&head) {
            Ok(StreamHead::GetArtifact(digest)) => self.depot.serve(digest, stream),
            Ok(StreamHead::PutArtifact(digest)) => self.depot.take(digest, stream),
            Ok(StreamHead::Http(head)) => self.callees.http(from.node, *head, stream),
            Ok(StreamHead::GetCode(key)) => self.code.serve(key, stream),
            Ok(StreamHead::GetHistory) => self.history.serve(stream),
            Ok(StreamHead::Message) => self.read_message(from.node, stream),
            // Dropping the stream resets it.
            Err(error) => tracing::warn!(from = %from.node, %error, "refused a stream"),
        }
    }

    fn on_link(&self, peer: NodeId, class: Class, state: &LinkState) {
        if class == Class::Consensus && !state.is_up() {
            self.control.on_unreachable(peer);
        }
    }

    fn admit(&self, request: JoinRequest) -> BoxFuture<'static, Result<Admission, Refusal>> {
        let admissions = self.admissions.clone();
        Box::pin(async move { admissions.admit(request).await })
    }
}

impl Switchboard {
    /// Nodes of another version may say what this one does not understand.
    fn on_notice(&self, from: NodeId, kind: u64, bytes: &[u8]) {
        let taken = match kind {
            kind if kind == Notice::Sample as u64 => {
                decode(bytes).map(|sample: Sample| self.samples.note(from, sample))
            }
            kind if kind == Notice::Counts as u64 => {
                decode(bytes).map(|report: Report| self.counting.on_report(from, report))
            }
            kind if kind == Notice::Busy as u64 => decode(bytes).map(|report: BusyReport| {
                self.counting.on_busy(from, self.samples.timeline.now(), report)
            }),
            _ => return,
        };
        if let Err(error) = taken {
            tracing::debug!(%from, kind, %error, "dropped a notice");
        }
    }

    fn on_leave(&self, from: &Peer, deadline: Instant) -> BoxFuture<'static, Response> {
        let (node, run) = (from.node, from.run.0);
        tracing::info!(%node, "a node is about to end");
        self.leavers.send_modify(|leavers| {
            leavers.insert(node, run);
        });
        let mut left = self.callees.routing.left();
        Box::pin(async move {
            let known = left.wait_for(|left| left.contains(&node));
            // It goes in any case; whoever waits for the answer does not wait longer.
            let _ = tokio::time::timeout_at(deadline.into(), known).await;
            Response { status: 0, body: Bytes::new() }
        })
    }

    fn read_message(&self, from: NodeId, stream: Stream) {
        let control = self.control.clone();
        self.callees.tasks.spawn("snapshot", OnFailure::Log, async move {
            let Stream { send, mut recv } = stream;
            drop(send);
            let mut bytes = Vec::new();
            while let Some(more) = recv.next().await? {
                bytes.extend_from_slice(&more);
                if bytes.len() > MESSAGE_BYTES_MAX {
                    break;
                }
            }
            match blocking(move || Message::decode(&bytes)).await {
                Ok(message) if message.from() == from => control.on_message(message),
                _ => tracing::warn!(%from, "dropped a long message that makes no sense"),
            }
            Ok::<(), StreamError>(())
        });
    }
}

impl StreamHead {
    pub(crate) fn bytes(&self) -> Bytes {
        encode(self).into()
    }
}

/// Keeps the links to those who are members.
pub(crate) async fn follow_members(
    links: Links,
    node: NodeId,
    mut pictures: Pictures,
    introduced: BTreeMap<NodeId, Vec<String>>,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        let known = members::peers(&pictures.borrow_and_update().clone(), node);
        let known: BTreeMap<_, _> = known.into_iter().map(|(id, at)| (id, vec![at])).collect();
        // A node that has joined knows nobody from the state yet.
        links.set_peers(if known.is_empty() { introduced.clone() } else { known });
        match shutdown.run_until_cancelled(pictures.changed()).await {
            Some(Ok(())) => {}
            _ => return Ok(()),
        }
    }
}

/// This node was taken out of its cluster.
#[derive(Debug, thiserror::Error)]
#[error("this node was removed from its cluster: to use it again, give it an empty data folder")]
pub(crate) struct Expelled;

/// Keeps the view of who answers up to date with the links. Ends when others say that this node is
/// no member any more.
pub(crate) async fn follow_links(
    (mut statuses, mut leavers): (
        watch::Receiver<Statuses>,
        watch::Receiver<BTreeMap<NodeId, u64>>,
    ),
    reaches: watch::Sender<Arc<Reach>>,
    (node, tasks): (NodeId, Tasks),
    shutdown: CancellationToken,
) -> Result<(), Expelled> {
    loop {
        let seen = statuses.borrow_and_update().clone();
        for refusal in seen.values().flat_map(|status| &status.links).filter_map(refusal) {
            match refusal {
                Refusal::Removed { .. } => return Err(Expelled),
                Refusal::StaleData { own, known, .. } => {
                    let why = format!("the cluster knows of {known} starts, this folder of {own}");
                    tasks.end(Error::StaleData { node, why });
                    return Ok(());
                }
                _ => {}
            }
        }
        let leaving = leavers.borrow_and_update().clone();
        reaches.send_if_modified(|reach| {
            let next = reach.next(&seen, &leaving, Instant::now());
            let changed = *next != **reach;
            *reach = next;
            changed
        });
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            Ok(()) = statuses.changed() => {}
            Ok(()) = leavers.changed() => {}
            else => return Ok(()),
        }
    }
}

/// What a peer says against this node.
fn refusal(link: &LinkState) -> Option<&Refusal> {
    match link {
        LinkState::Down { reason: DownReason::Refused(refusal), .. } => Some(refusal),
        _ => None,
    }
}

impl NodeRecord {
    /// Each start of a node counts its disk up, and a record tells of the newest. A disk that knows
    /// of fewer, or of as many and another one, is a copy from before: it must not vote.
    fn check_newer(&self, peer: &Peer) -> Result<(), Refusal> {
        let (own, known) = (peer.starts, self.starts);
        match own > known || (own == known && peer.run.0 == self.run) {
            true => Ok(()),
            false => Err(Refusal::StaleData { node: peer.node, own, known }),
        }
    }
}

impl Reach {
    fn next(
        &self,
        statuses: &BTreeMap<NodeId, PeerStatus>,
        leavers: &BTreeMap<NodeId, u64>,
        now: Instant,
    ) -> Arc<Self> {
        let seen = |(id, status): (&NodeId, &PeerStatus)| {
            let (up, run) = (status.is_up(), status.run.map_or(0, |run| run.0));
            let before = self.0.get(id).filter(|seen| seen.up == up && seen.run == run);
            let since = before.map_or(now, |seen| seen.since);
            (*id, Seen { up, run, leaving: leavers.get(id) == Some(&run), since })
        };
        Arc::new(Self(statuses.iter().map(seen).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aether_transport::{Addresses, Run};

    #[test]
    fn a_folder_that_knows_of_fewer_starts_is_an_older_copy() {
        let record = NodeRecord { starts: 3, run: 30, ..NodeRecord::default() };
        let rows = [(4, 40, true), (3, 30, true), (3, 31, false), (2, 20, false), (2, 30, false)];
        for (starts, run, welcome) in rows {
            let (node, run) = (NodeId(1), Run(run));
            let peer =
                Peer { node, run, starts, class: Class::Calls, addresses: Addresses::default() };
            let refusal = Refusal::StaleData { node, own: starts, known: 3 };
            let expected = if welcome { Ok(()) } else { Err(refusal) };
            assert_eq!(record.check_newer(&peer), expected, "{starts} {run:?}");
        }
    }
}
