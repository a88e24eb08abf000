//! What the cluster has measured in the last two hours: asked for once by a node that starts, told
//! to those that ask. Knows no point.

use crate::counts::Counting;
use crate::depot::{Depot, NOT_HERE, blocking};
use crate::network::StreamHead;
use crate::samples::Samples;
use crate::tasks::with_causes;
use aether_telemetry::{PAST_BYTES_MAX, Past};
use aether_transport::{STREAM_DROPPED, Stream, StreamError};
use aether_types::NodeId;
use aether_types::versioned::{DecodeError, decode, encode};
use rand::seq::SliceRandom;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests;

/// How long a node listens at least before it asks: until it has heard of others what they count,
/// and of those that start with it.
const LISTEN_MIN: Duration = Duration::from_secs(3);

/// How long it waits at most until it hears every other node. Of one that it hears later, what was
/// said between the answer and then is missing.
const LISTEN_MAX: Duration = Duration::from_secs(8);

/// Up to so long a node waits beyond that, by chance: of many that start together, not all ask at
/// the same time.
const JITTER: Duration = Duration::from_secs(1);

/// How often it looks whether it hears the others.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long one node may take to answer: at most 8 MiB, at 1 MB/s.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Nodes that are asked at most. Each of them is one by chance.
const ASKED_MAX: usize = 5;

/// This node's history, and its way to that of others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedHistory {
    depot: Depot,
    samples: Samples,
    counting: Counting,
    /// It has asked, as far as there was anybody.
    is_whole: Arc<AtomicBool>,
}

/// What a node told, and when it was asked, as history counts.
struct Answer {
    past: Past,
    asked: Duration,
    answered: Duration,
}

/// Why a node gave no history.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("its version knows no history to give")]
    Unknown,
    #[error("it took longer than {ANSWER_TIME:?}")]
    Late,
    #[error(transparent)]
    Stream(StreamError),
    #[error(transparent)]
    Answer(#[from] DecodeError),
}

impl SharedHistory {
    /// `is_alone`: there is nobody else in the cluster yet.
    pub(crate) fn new(depot: Depot, samples: Samples, counting: Counting, is_alone: bool) -> Self {
        Self { depot, samples, counting, is_whole: Arc::new(AtomicBool::new(is_alone)) }
    }

    /// Asks others for what was before this node's start, as soon as there are any that answer.
    pub(crate) async fn ask(self, shutdown: CancellationToken) -> Result<(), Infallible> {
        if !self.is_whole.load(Ordering::Relaxed) {
            shutdown.run_until_cancelled(self.ask_when_heard()).await;
        }
        Ok(())
    }

    /// Another node starts.
    pub(crate) fn serve(&self, stream: Stream) {
        let this = self.clone();
        self.depot.answer("history", stream, move || Some(encode(&this.past())));
    }

    async fn ask_when_heard(&self) {
        let mut reaches = self.depot.reaches.clone();
        let answers = reaches.wait_for(|reach| reach.0.values().any(|seen| seen.up)).await;
        if answers.map(drop).is_err() {
            return;
        }
        self.listen(Instant::now()).await;
        let mut nodes = self.depot.others();
        nodes.shuffle(&mut rand::rng());
        nodes.truncate(ASKED_MAX);
        ask_in_turn(nodes, |node| self.fetch(node), |answer| self.keep(answer)).await;
        self.is_whole.store(true, Ordering::Relaxed);
    }

    /// Returns when what is heard from then on has no gap to what another node tells.
    async fn listen(&self, since: Instant) {
        tokio::time::sleep_until(since + LISTEN_MIN).await;
        let hears_all = || {
            let known: Vec<_> = self.depot.reaches.borrow().0.keys().copied().collect();
            known.into_iter().all(|node| self.samples.follows(node))
        };
        while !hears_all() && since.elapsed() < LISTEN_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep(JITTER.mul_f64(rand::random())).await;
    }

    async fn fetch(&self, node: NodeId) -> Result<Answer, Silence> {
        let asked = self.samples.timeline.now();
        let read = self.depot.read(node, StreamHead::GetHistory, PAST_BYTES_MAX);
        let bytes = match timeout(ANSWER_TIME, read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(StreamError::Reset(STREAM_DROPPED | NOT_HERE))) => return Err(Silence::Unknown),
            Ok(Err(error)) => return Err(Silence::Stream(error)),
            Err(_) => return Err(Silence::Late),
        };
        let answered = self.samples.timeline.now();
        let past = blocking(move || decode::<Past>(&bytes)).await?;
        Ok(Answer { past, asked, answered })
    }

    fn past(&self) -> Past {
        let is_whole = self.is_whole.load(Ordering::Relaxed);
        let taken = self.samples.timeline.now();
        self.samples.with_fleet(|fleet| {
            self.counting.with_traffic(|traffic| Past::of(taken, is_whole, fleet, traffic))
        })
    }

    fn keep(&self, answer: Answer) {
        let Answer { past, asked, answered } = answer;
        self.samples.with_fleet(|fleet| {
            self.counting.with_traffic(|traffic| past.put_in((asked, answered), fleet, traffic));
        });
    }
}

/// Asks one node after the other, until one has the whole history; keeps what any has.
async fn ask_in_turn<F: Future<Output = Result<Answer, Silence>>>(
    nodes: Vec<NodeId>,
    fetch: impl Fn(NodeId) -> F,
    keep: impl Fn(Answer),
) {
    for node in nodes {
        match fetch(node).await {
            Ok(answer) => {
                let is_whole = answer.past.is_whole;
                keep(answer);
                tracing::info!(%node, is_whole, "history came from another node");
                if is_whole {
                    return;
                }
            }
            Err(silence) => {
                let reason = with_causes(&silence);
                tracing::info!(%node, reason, "a node gave no history");
            }
        }
    }
}
