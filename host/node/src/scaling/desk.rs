//! What the leader's controller has decided, asked for on any node. Keeps nothing of other nodes.

use crate::control::Control;
use crate::network::{Kind, Network};
use aether_api::ApiError;
use aether_scaling::{Time, Verdict};
use aether_transport::{Class, Request, Response};
use aether_types::NodeId;
use aether_types::versioned::{Versioned, decode, encode};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long the leader has to look and decide.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Those who wait for a decision at a time; more are told to come back.
const ASKS_MAX: usize = 16;

/// Asks the controller, wherever it is.
#[derive(Clone)]
pub(crate) struct Desk {
    node: NodeId,
    control: Control,
    network: Network,
    asks: mpsc::Sender<Asked>,
    seen: Seen,
}

/// What this node's controller decided last; None: it does not lead.
pub(crate) type Seen = Arc<Mutex<Option<Said>>>;

/// Somebody wants it to look now.
pub(crate) struct Asked {
    pub(crate) dry_run: bool,
    pub(crate) reply: oneshot::Sender<Said>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// What it decided last.
    Last,
    /// What it decides now.
    Now { dry_run: bool },
}

/// What the controller decided.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// None: it has not looked yet.
    pub(crate) at: Option<Time>,
    pub(crate) verdicts: Vec<Verdict>,
}

impl Versioned for Ask {
    const FORMAT: u8 = 1;
}

impl Versioned for Said {
    const FORMAT: u8 = 1;
}

impl Desk {
    /// Also what the controller listens to, and where it leaves what it decided.
    pub(crate) fn new(
        node: NodeId,
        control: Control,
        network: Network,
    ) -> (Self, mpsc::Receiver<Asked>, Seen) {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let seen = Seen::default();
        (Self { node, control, network, asks, seen: Arc::clone(&seen) }, asked, seen)
    }

    /// Asks the leader; says who it is.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<(NodeId, Said), ApiError> {
        let leader = self.control.status().borrow().as_ref().and_then(|status| status.leader);
        let leader = leader.ok_or_else(|| ApiError::unavailable("the cluster has no leader"))?;
        if leader == self.node {
            return Ok((leader, self.own(ask).await.map_err(ApiError::unavailable)?));
        }
        let links = self.network.links();
        let links = links.ok_or_else(|| ApiError::unavailable("this node is starting"))?;
        let (kind, deadline) = (Kind::Controller as u32, Instant::now() + ANSWER_TIME);
        let request = Request { kind, deadline, body: encode(&ask).into() };
        let unheard = |why: String| {
            ApiError::unavailable(format!("node {leader}, which leads, does not answer: {why}"))
        };
        let answer = links.call(leader, Class::Calls, request).await;
        match answer.map_err(|error| unheard(error.to_string()))? {
            Response { status: 0, body } => {
                Ok((leader, decode(&body).map_err(|error| unheard(error.to_string()))?))
            }
            Response { body, .. } => {
                Err(ApiError::unavailable(String::from_utf8_lossy(&body).into_owned()))
            }
        }
    }

    /// Another node asks.
    pub(crate) fn answer(&self, request: Request) -> BoxFuture<'static, Response> {
        let this = self.clone();
        Box::pin(async move {
            let said = match decode::<Ask>(&request.body) {
                Ok(ask) => this.own(ask).await,
                Err(error) => Err(error.to_string()),
            };
            match said {
                Ok(said) => Response { status: 0, body: encode(&said).into() },
                Err(why) => Response { status: 1, body: why.into() },
            }
        })
    }

    async fn own(&self, ask: Ask) -> Result<Said, String> {
        let not_leading = || {
            format!("node {} has just begun to lead, or does not any more: try again", self.node)
        };
        match ask {
            Ask::Last => self.seen.lock().clone().ok_or_else(not_leading),
            Ask::Now { dry_run } => {
                let (reply, said) = oneshot::channel();
                let busy = |_| "too many wait for the controller already".to_owned();
                self.asks.try_send(Asked { dry_run, reply }).map_err(busy)?;
                said.await.map_err(|_| not_leading())
            }
        }
    }
}
