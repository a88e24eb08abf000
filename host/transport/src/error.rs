//! What can go wrong on links, and what it says about work that was under way.

use aether_types::NodeId;

use crate::{FrameError, Refusal};

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    #[error("not linked yet")]
    New,
    #[error("connect: {0}")]
    Unreachable(String),
    #[error("TLS: {0}")]
    Handshake(String),
    #[error("no hello in time")]
    HelloTimeout,
    /// The peer refused us.
    #[error("the peer refuses: {0}")]
    Refused(Refusal),
    /// We refused the peer.
    #[error("refused: {0}")]
    Rejected(Refusal),
    /// Closed without a goodbye: the process or the way to it is gone.
    #[error("connection lost: {0}")]
    Reset(String),
    #[error("silent for {0} ms")]
    Silent(u64),
    #[error("against the protocol: {0}")]
    Violation(Violation),
    /// The peer shuts down.
    #[error("the peer said goodbye")]
    Goodbye,
    #[error("replaced by another link")]
    Replaced,
    /// Too much waits to be written: the peer or the way to it is slow.
    #[error("its queue is full")]
    Congested,
    /// Not among the peers any more.
    #[error("not a peer any more")]
    Dropped,
    #[error("this node shuts down")]
    Shutdown,
    /// By [`crate::Faults`].
    #[error("cut by fault injection")]
    Fault,
}

impl DownReason {
    /// The name of the reason in counters.
    pub fn label(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unreachable(_) => "unreachable",
            Self::Handshake(_) => "handshake",
            Self::HelloTimeout => "hello-timeout",
            Self::Refused(_) => "refused",
            Self::Rejected(_) => "rejected",
            Self::Reset(_) => "reset",
            Self::Silent(_) => "silent",
            Self::Violation(violation) => violation.label(),
            Self::Goodbye => "goodbye",
            Self::Replaced => "replaced",
            Self::Congested => "congested",
            Self::Dropped => "dropped",
            Self::Shutdown => "shutdown",
            Self::Fault => "fault",
        }
    }
}

/// What no correct peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a frame in the wrong place")]
    Order,
    #[error("more bytes on a stream than its window")]
    Window,
    #[error("more credit than there is window")]
    Credit,
    #[error("a stream that was never opened")]
    Stream,
    #[error("it does not take the answers it is owed")]
    Owed,
}

impl Violation {
    fn label(self) -> &'static str {
        match self {
            Self::Frame(FrameError::Format(_)) => "frame-format",
            Self::Frame(FrameError::Kind(_)) => "frame-kind",
            Self::Frame(FrameError::TooLong { .. }) => "frame-length",
            Self::Order => "frame-order",
            Self::Window => "stream-window",
            Self::Credit => "stream-credit",
            Self::Stream => "stream-unknown",
            Self::Owed => "owed",
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    #[error("no link to node {node}: {reason}")]
    NotSent { node: NodeId, reason: DownReason },
    #[error("the link to node {node} was lost before the answer: {reason}")]
    MaybeStarted { node: NodeId, reason: DownReason },
    /// Too many requests are in flight, at this end or at the other; it was not started.
    #[error("too many requests in flight to node {node}")]
    Overloaded { node: NodeId },
    #[error("no answer from node {node} within the deadline")]
    Deadline { node: NodeId },
    /// The handler at the other side panicked.
    #[error("node {node} failed to handle the request")]
    Failed { node: NodeId },
    #[error("{bytes} bytes are more than a frame holds ({most}): use a stream")]
    TooLong { bytes: usize, most: usize },
}

impl CallFailure {
    /// False: certainly not started, so another try cannot do it twice.
    pub fn may_have_started(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Overloaded { .. } | Self::TooLong { .. } => false,
            Self::MaybeStarted { .. } | Self::Deadline { .. } | Self::Failed { .. } => true,
        }
    }
}

/// Why a stream does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("no link to node {node}: {reason}")]
    NotSent { node: NodeId, reason: DownReason },
    #[error("the link was lost: {0}")]
    Lost(DownReason),
    /// The sender gave up, with a code that its application chose.
    #[error("the sender gave up with code {0}")]
    Reset(u64),
    /// The receiver does not want more, with a code that its application chose.
    #[error("the receiver stopped with code {0}")]
    Stopped(u64),
    #[error("too many streams to node {node}")]
    Overloaded { node: NodeId },
    #[error("{bytes} bytes are more than a frame holds ({most})")]
    TooLong { bytes: usize, most: usize },
}

/// Why material for TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {what}: no PEM of that kind in it")]
    Pem { what: &'static str },
    #[error("make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("use the certificates")]
    Rustls(#[from] rustls::Error),
    #[error("use the certificate authority: {0}")]
    Authority(String),
    #[error("the certificate is not that of node {node} of cluster {cluster}: it must name {name}")]
    WrongName { node: NodeId, cluster: aether_types::ClusterId, name: String },
}
