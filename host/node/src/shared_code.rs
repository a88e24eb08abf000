//! Compiled code of the cluster: asked for before this node compiles, given to others who ask.
//! Knows no plan; what the bytes must be is the engine's to say.

use crate::depot::{BYTES_MAX, Depot, NOT_HERE, blocking};
use crate::network::StreamHead;
use aether_engine::{CodeKey, Engine};
use aether_transport::{Stream, StreamError};
use aether_types::NodeId;
use aether_types::description::Description;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How long other nodes are asked, all together. A component of 18 MB compiles in 20 s.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// This node's compiled code and its way to that of others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedCode {
    pub(crate) engine: Engine,
    pub(crate) depot: Depot,
}

impl SharedCode {
    /// Brings the code of a component to this node's disk, if another node has it: those of
    /// `holders` are asked first. Whatever goes wrong costs the time to compile and no more.
    pub(crate) async fn fetch(&self, description: &Description, holders: &[NodeId]) {
        let key = self.engine.code_key(description);
        let engine = self.engine.clone();
        if blocking(move || engine.has_code(&key)).await {
            return;
        }
        if tokio::time::timeout(FETCH_TIME_MAX, self.ask(key, holders)).await.is_err() {
            tracing::warn!(component = %key.component, "other nodes take too long to send code");
        }
    }

    async fn ask(&self, key: CodeKey, holders: &[NodeId]) {
        let mut nodes = self.depot.others();
        nodes.sort_by_key(|node| !holders.contains(node));
        let component = key.component;
        for node in nodes {
            let sealed = match self.depot.read(node, StreamHead::GetCode(key), BYTES_MAX).await {
                Ok(sealed) => sealed,
                Err(StreamError::Reset(NOT_HERE)) => continue,
                Err(error) => {
                    tracing::warn!(%node, %component, %error, "failed to fetch compiled code");
                    continue;
                }
            };
            // Only members of this cluster have links to this node: see docs/decisions.
            let engine = self.engine.clone();
            match blocking(move || engine.keep_code(&key, &sealed)).await {
                Ok(()) => {
                    tracing::info!(%node, %component, "compiled code came from another node");
                    return;
                }
                Err(error) => tracing::error!(%node, %component, %error, "refused compiled code"),
            }
        }
    }

    /// Another node wants the code.
    pub(crate) fn serve(&self, key: CodeKey, stream: Stream) {
        let engine = self.engine.clone();
        self.depot.answer("compiled code", stream, move || engine.code(&key));
    }
}
