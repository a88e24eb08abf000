//! Links between nodes: one multiplexed, mutually authenticated TLS 1.3 connection per pair of
//! nodes and class of traffic. Knows no Raft, no slice and no replicated state.
//!
//! ```no_run
//! # use std::{collections::BTreeMap, sync::Arc, time::{Duration, Instant}};
//! # use aether_transport::*; use aether_types::{ClusterId, NodeId};
//! # async fn sketch(handler: Arc<dyn Handler>) -> Result<(), Box<dyn std::error::Error>> {
//! let (cluster, node, other) = (ClusterId(7), NodeId(1), NodeId(2));
//! // Once, where the cluster begins: an authority, and this node's certificate from it.
//! let authority = Authority::create(cluster)?;
//! let key = NodeKey::generate()?;
//! let certificate = authority.issue(node, &key.csr()?)?;
//! // On every start:
//! let tls = Tls::new((cluster, node), authority.ca_pem(), &certificate, &key.pem())?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8090").await?;
//! let said = Addresses { cluster: "10.0.0.1:8090".into(), ..Addresses::default() };
//! let settings = Settings::new(said);
//! let links = Links::start(settings, tls, listener, handler)?;
//! links.set_peers(BTreeMap::from([(other, vec!["10.0.0.2:8090".into()])]));
//! // Raft: never waits, may be lost. Calls: an answer or a typed failure. Bulk: streams.
//! links.send(other, Class::Consensus, 0, "vote".into());
//! let deadline = Instant::now() + Duration::from_secs(1);
//! let request = Request { kind: 1, deadline, body: "question".into() };
//! let answer = links.call(other, Class::Calls, request).await?;
//! let mut stream = links.open(other, Class::Bulk, "artifact …".into()).await?;
//! while let Some(bytes) = stream.recv.next().await? { drop(bytes) }
//! // A new node, with a token from a member whose handler then gets `admit`:
//! let token: Token = "aether1.…".parse()?;
//! let (key, settings) = (NodeKey::generate()?, Settings::new(Addresses::default()));
//! let admission = join("10.0.0.1:8090", &token, NodeId(3), Some(&key), &settings).await?;
//! links.shutdown(Duration::from_secs(5)).await;
//! # Ok(()) }
//! ```
//!
//! A peer's [`PeerStatus`] is in [`Links::statuses`]; [`Handler::on_link`] hears of each change
//! first. A call that fails says whether it may have been started.
#![forbid(unsafe_code)]

mod authority;
mod backoff;
mod error;
mod faults;
mod frame;
mod hello;
mod join;
pub mod limits;
mod link;
mod links;
mod liveness;
mod port;
mod resolve;
mod stats;
mod stream;
mod threads;
mod tls;
mod write_buffer;

#[cfg(test)]
mod tests;

pub use authority::{
    Authority, Fingerprint, NodeKey, Secret, Token, TokenError, fingerprint_of, name_of,
};
pub use error::{CallFailure, DownReason, StreamError, TlsError, Violation};
pub use faults::{Direction, Fault, Faults};
pub use frame::FrameError;
pub use hello::{Addresses, Class, Refusal, Run, Versions};
pub use join::{JoinError, join};
pub use links::{LinkState, Links, PeerStatus, Settings, Statuses};
pub use port::{Admission, Handler, JoinRequest, Peer, Request, Response};
pub use stats::Stats;
pub use stream::{RecvStream, STREAM_DROPPED, STREAM_OVERLOADED, SendStream, Stream};
pub use tls::Tls;
