//! Where the work of the management API is done: connections, and what is asked of the store, on a
//! thread of its own; everything else on the node's threads. Knows no request.
//!
//! A node whose threads are all busy with slices still answers its operators. And one thread takes
//! up in one turn what is ready together, so that the answers to one batch of writes leave a
//! connection in one piece.

use crate::error::ApiError;
use std::io;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Runs `serve` to its end on a thread and a runtime of its own.
///
/// # Errors
/// The system gives no thread, or what ran on it panicked.
pub(crate) async fn on_own_thread<F>(
    listener: TcpListener,
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()>,
{
    let listener = listener.into_std()?;
    let mut builder = Builder::new_current_thread();
    // What other threads wake goes before what it leads to here: first all answers of a batch, then
    // the connections that write them.
    let runtime = builder.enable_all().global_queue_interval(1).build()?;
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new().name("api".into()).spawn(move || {
        let served = runtime.block_on(async {
            serve(TcpListener::from_std(listener)?).await;
            Ok(())
        });
        // Nobody waits if the node has ended.
        drop(end.send(served));
    })?;
    ended.await.unwrap_or_else(|_| Err(io::Error::other("the thread of the API panicked")))
}

/// The threads of the node, for work that may take long or run slices.
#[derive(Debug, Clone)]
pub(crate) struct Workers(Handle);

impl Workers {
    /// Those of the caller's runtime.
    pub(crate) fn here() -> Self {
        Self(Handle::current())
    }

    /// Does it there; if the future is dropped, so is the work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let mut running = JoinSet::new();
        running.spawn_on(work, &self.0);
        let ended = running.join_next().await.expect("one was spawned");
        ended.unwrap_or_else(|error| Err(ApiError::internal(error)))
    }
}
