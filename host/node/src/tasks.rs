//! Every task of the process: its name, and what its end means. Knows nothing of what the tasks do.

use crate::run::Error;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What happens when a task ends with an error or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The node cannot go on without it.
    StopNode,
    /// Its loss harms nobody else.
    Log,
}

/// Spawns tasks, ends them together, and remembers why the node had to stop.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    failed: Arc<parking_lot::Mutex<Option<Error>>>,
    /// How many run of each name.
    running: Arc<parking_lot::Mutex<BTreeMap<&'static str, usize>>>,
}

/// How long the end of a node may take before it says what it waits for.
const JOIN_TIME: Duration = Duration::from_secs(5);

impl Tasks {
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown,
            failed: Arc::default(),
            running: Arc::default(),
        }
    }

    /// Cancelled when the node stops; every task watches it.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    pub(crate) fn spawn<F, E>(&self, name: &'static str, on_failure: OnFailure, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let this = self.clone();
        let task = self.tracker.spawn(task);
        *self.running.lock().entry(name).or_default() += 1;
        self.tracker.spawn(async move {
            let ended = task.await;
            this.running.lock().entry(name).and_modify(|count| *count -= 1);
            let failure = match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => with_causes(&*error.into()),
                Err(join) => format!("panicked: {join}"),
            };
            this.on_failure(name, on_failure, &failure);
        });
    }

    fn on_failure(&self, name: &'static str, on_failure: OnFailure, failure: &str) {
        tracing::error!(task = name, failure, "task failed");
        if on_failure == OnFailure::StopNode {
            self.end(Error::Failed(format!("{name}: {failure}")));
        }
    }

    /// Stops the node for this reason, if it is the first.
    pub(crate) fn end(&self, reason: Error) {
        self.failed.lock().get_or_insert(reason);
        self.shutdown.cancel();
    }

    /// Waits until every task has ended.
    pub(crate) async fn join(&self) {
        self.tracker.close();
        while tokio::time::timeout(JOIN_TIME, self.tracker.wait()).await.is_err() {
            let mut running = self.running.lock().clone();
            running.retain(|_, count| *count > 0);
            tracing::warn!(?running, "the node waits for its tasks to end");
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.lock().is_some()
    }

    /// The first failure that stopped the node, once.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failed.lock().take()
    }
}

/// An error with all its causes, on one line.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

/// The last run of every reconciler, for whoever asks what the node is doing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Runs(Arc<parking_lot::Mutex<BTreeMap<&'static str, Run>>>);

#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Milliseconds since 1970.
    pub(crate) ended_ms: u64,
    pub(crate) took: Duration,
    pub(crate) error: Option<String>,
}

impl Runs {
    /// Notes a run that began at `since`.
    pub(crate) fn note(&self, name: &'static str, since: Instant, error: Option<String>) {
        let run = Run { ended_ms: crate::unix_ms(), took: since.elapsed(), error };
        self.0.lock().insert(name, run);
    }

    /// Sorted by name.
    pub(crate) fn all(&self) -> Vec<(&'static str, Run)> {
        self.0.lock().iter().map(|(name, run)| (*name, run.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ControlFailure;

    async fn failure(on_failure: OnFailure, panic: bool) -> (Option<String>, bool) {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("sick", on_failure, async move {
            assert!(!panic, "sick");
            let source = std::io::Error::other("no disk");
            let (action, path) = ("write", "log".into());
            Err(ControlFailure::Storage(aether_storage::Error::Io { action, path, source }))
        });
        tasks.join().await;
        (tasks.failure().map(|error| error.to_string()), tasks.shutdown().is_cancelled())
    }

    #[tokio::test]
    async fn a_vital_task_takes_the_node_with_it() {
        let stopped = failure(OnFailure::StopNode, false).await;
        let text = "the node had to stop: sick: failed to write the log: write log: no disk";
        assert_eq!(stopped, (Some(text.to_owned()), true));
        assert!(failure(OnFailure::StopNode, true).await.0.unwrap().contains("panicked"));
        assert_eq!(failure(OnFailure::Log, true).await, (None, false));
    }
}
