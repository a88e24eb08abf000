//! Artifacts of the cluster: on this node's disk, or fetched from one that has them. Verified on
//! every read. Knows no coordinates and no blueprint.

use crate::keepers::{are_enough, keepers};
use crate::network::{Network, StreamHead};
use crate::reach::Reaches;
use crate::tasks::{OnFailure, Tasks, with_causes};
use aether_consensus::Membership;
use aether_storage::Artifacts;
use aether_transport::{Class, Stream, StreamError};
use aether_types::{ByteSize, Digest, ErrorKind, NodeId};
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

/// Larger artifacts are refused; the management API refuses larger uploads before that.
pub(crate) const BYTES_MAX: ByteSize = ByteSize::mib(256);

/// How long one node may take to send or take an artifact.
const COPY_TIMEOUT: Duration = Duration::from_secs(60);

/// What a node resets a stream with that asks for something which it does not have.
pub(crate) const NOT_HERE: u64 = 1;
/// What a node stops a stream with whose bytes it cannot keep.
const NOT_KEPT: u64 = 2;

/// Why an artifact could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DepotError {
    #[error(transparent)]
    Storage(#[from] aether_storage::Error),
    #[error("{digest} is not on most of the nodes that vote: {reason}")]
    TooFewCopies { digest: Digest, reason: String },
    #[error("no node that answers has artifact {digest}")]
    Nowhere { digest: Digest },
}

/// The artifacts of this node and its way to those of others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Depot {
    pub(crate) node: NodeId,
    pub(crate) artifacts: Artifacts,
    pub(crate) network: Network,
    pub(crate) reaches: Reaches,
    pub(crate) tasks: Tasks,
}

impl DepotError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) => error.kind(),
            Self::TooFewCopies { .. } | Self::Nowhere { .. } => ErrorKind::Unavailable,
        }
    }
}

impl Depot {
    /// Keeps the bytes here and on the nodes that should have them: on enough of those that vote,
    /// or it fails.
    pub(crate) async fn put(
        &self,
        bytes: Bytes,
        members: &Membership,
    ) -> Result<Digest, DepotError> {
        let digest = self.keep(bytes.clone()).await?;
        let keepers = keepers(members);
        let others = keepers.into_iter().filter(|node| *node != self.node);
        let sent = others.map(|node| self.hand(node, digest, bytes.clone()));
        let (mut copies, mut reasons) = (BTreeSet::from([self.node]), Vec::new());
        for sent in join_all(sent).await {
            match sent {
                Ok(node) => drop(copies.insert(node)),
                Err(reason) => reasons.push(reason),
            }
        }
        match are_enough(members, &copies) {
            true => Ok(digest),
            false => Err(DepotError::TooFewCopies { digest, reason: reasons.join("; ") }),
        }
    }

    /// Brings the bytes to a node's disk; if that fails, says why.
    async fn hand(&self, node: NodeId, digest: Digest, bytes: Bytes) -> Result<NodeId, String> {
        if !self.others().contains(&node) {
            return Err(format!("node {node} does not answer"));
        }
        match tokio::time::timeout(COPY_TIMEOUT, self.send(node, digest, bytes)).await {
            Ok(Ok(())) => Ok(node),
            Ok(Err(StreamError::Stopped(NOT_KEPT) | StreamError::Reset(NOT_KEPT))) => {
                Err(format!("node {node} cannot keep it; its log says why"))
            }
            Ok(Err(error)) => Err(format!("node {node}: {error}")),
            Err(_) => Err(format!("node {node} took longer than {COPY_TIMEOUT:?}")),
        }
    }

    /// The bytes, from this disk or from another node; in the latter case they are kept here.
    pub(crate) async fn get(&self, digest: Digest) -> Result<Bytes, DepotError> {
        let artifacts = self.artifacts.clone();
        match blocking(move || artifacts.get(&digest)).await {
            Ok(bytes) => return Ok(bytes.into()),
            Err(aether_storage::Error::NoArtifact { .. }) => {}
            // It is mended by the bytes of another node.
            Err(error @ aether_storage::Error::Damaged { .. }) => {
                tracing::warn!(%digest, %error, "an artifact is damaged on this disk");
            }
            Err(error) => return Err(error.into()),
        }
        for node in self.others() {
            let fetched = tokio::time::timeout(COPY_TIMEOUT, self.fetch(node, digest)).await;
            match fetched {
                Ok(Ok(bytes)) if Artifacts::digest(&bytes) == digest => {
                    self.keep(bytes.clone()).await?;
                    return Ok(bytes);
                }
                Ok(Ok(_)) => tracing::error!(%node, %digest, "a node sent other bytes"),
                Ok(Err(StreamError::Reset(NOT_HERE))) => {}
                Ok(Err(error)) => tracing::warn!(%node, %digest, %error, "failed to fetch"),
                Err(_) => tracing::warn!(%node, %digest, "a node took too long to send"),
            }
        }
        Err(DepotError::Nowhere { digest })
    }

    /// Whether the bytes are on this disk as they were put there.
    pub(crate) async fn is_whole(&self, digest: Digest) -> bool {
        let artifacts = self.artifacts.clone();
        blocking(move || artifacts.get(&digest).is_ok()).await
    }

    /// Another node wants the bytes.
    pub(crate) fn serve(&self, digest: Digest, stream: Stream) {
        let artifacts = self.artifacts.clone();
        self.answer("artifact", stream, move || artifacts.get(&digest).ok());
    }

    /// Answers a stream with what is read from this disk, or that there is nothing.
    pub(crate) fn answer(
        &self,
        what: &'static str,
        stream: Stream,
        read: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) {
        self.tasks.spawn(what, OnFailure::Log, async move {
            let Stream { mut send, recv } = stream;
            drop(recv);
            match blocking(read).await {
                // A reader that is gone has said so to its user.
                Some(bytes) => match send.send(bytes.into()).await {
                    Ok(()) => drop(send.finish()),
                    Err(error) => tracing::debug!(what, %error, "a reader went away"),
                },
                None => send.reset(NOT_HERE),
            }
            Ok::<(), Infallible>(())
        });
    }

    /// Another node wants the bytes kept here.
    pub(crate) fn take(&self, digest: Digest, stream: Stream) {
        let this = self.clone();
        self.tasks.spawn("artifact", OnFailure::Log, async move {
            let Stream { send, mut recv } = stream;
            match read_all(&mut recv, BYTES_MAX).await {
                Ok(bytes) if Artifacts::digest(&bytes) == digest => match this.keep(bytes).await {
                    Ok(_) => drop(send.finish()),
                    Err(error) => {
                        let error = with_causes(&error);
                        tracing::warn!(%digest, error, "failed to keep an artifact");
                        send.reset(NOT_KEPT);
                    }
                },
                _ => send.reset(NOT_KEPT),
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn keep(&self, bytes: Bytes) -> Result<Digest, aether_storage::Error> {
        let artifacts = self.artifacts.clone();
        blocking(move || artifacts.put(&bytes)).await
    }

    /// Those that answer.
    pub(crate) fn others(&self) -> Vec<NodeId> {
        let reach = self.reaches.borrow().clone();
        reach.0.iter().filter(|(_, seen)| seen.up).map(|(id, _)| *id).collect()
    }

    async fn send(&self, to: NodeId, digest: Digest, bytes: Bytes) -> Result<(), StreamError> {
        let Stream { mut send, mut recv } = self.open(to, StreamHead::PutArtifact(digest)).await?;
        send.send(bytes).await?;
        send.finish()?;
        // It ends when the bytes are on that node's disk.
        while recv.next().await?.is_some() {}
        Ok(())
    }

    async fn fetch(&self, from: NodeId, digest: Digest) -> Result<Bytes, StreamError> {
        self.read(from, StreamHead::GetArtifact(digest), BYTES_MAX).await
    }

    /// All that another node answers, up to so many bytes; [`NOT_HERE`] where it has nothing.
    pub(crate) async fn read(
        &self,
        from: NodeId,
        head: StreamHead,
        bytes_max: ByteSize,
    ) -> Result<Bytes, StreamError> {
        let Stream { send, mut recv } = self.open(from, head).await?;
        send.finish()?;
        read_all(&mut recv, bytes_max).await
    }

    async fn open(&self, node: NodeId, head: StreamHead) -> Result<Stream, StreamError> {
        let links = self.network.links().expect("a node that answers was linked");
        links.open(node, Class::Bulk, head.bytes()).await
    }
}

async fn read_all(
    recv: &mut aether_transport::RecvStream,
    bytes_max: ByteSize,
) -> Result<Bytes, StreamError> {
    let mut all = Vec::new();
    while let Some(bytes) = recv.next().await? {
        all.extend_from_slice(&bytes);
        if all.len() as u64 > bytes_max.bytes() {
            return Err(StreamError::Stopped(NOT_KEPT));
        }
    }
    Ok(all.into())
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("reading and writing files does not panic")
}
