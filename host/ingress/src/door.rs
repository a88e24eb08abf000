//! The front door: takes connections, serves them, and closes without losing a request. Knows no
//! routes.

use crate::connection;
use crate::limits::Limits;
use crate::port::Application;
use crate::stats::{Counters, Stats};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Cheap to clone: all clones are the same door.
#[derive(Clone)]
pub struct FrontDoor(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) app: Arc<dyn Application>,
    pub(crate) limits: Limits,
    pub(crate) counters: Arc<Counters>,
}

/// How closing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections with a request in flight that were cut at the end of `drain_time_max`.
    pub connections_cut: usize,
}

/// How long to wait when the system has no file descriptor left: until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl FrontDoor {
    pub fn new(app: Arc<dyn Application>, limits: Limits) -> Self {
        Self(Arc::new(Shared { app, limits, counters: Arc::default() }))
    }

    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// Serves until `shutdown`, then lets requests in flight finish, for `drain_time_max` at most.
    /// Dropping the future cuts every connection at once.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) -> Drained {
        let slots = Arc::new(Semaphore::new(self.0.limits.connections_max));
        let mut connections = JoinSet::new();
        while let Some(accepted) = shutdown.run_until_cancelled(accept(&listener, &slots)).await {
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, slot)) => {
                    let (door, shutdown) = (self.clone(), shutdown.clone());
                    connections.spawn(async move {
                        let _slot = slot;
                        door.connection(stream, peer, shutdown).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        self.drain(connections).await
    }

    /// Serves one connection until either side closes it; after `shutdown` it takes no new request.
    pub async fn connection<T>(&self, io: T, peer: SocketAddr, shutdown: CancellationToken)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _open = Open::new(self.0.counters.clone());
        connection::serve(self.0.clone(), io, peer, shutdown).await;
    }

    async fn drain(&self, mut connections: JoinSet<()>) -> Drained {
        let all_done = async { while connections.join_next().await.is_some() {} };
        let in_time = timeout(self.0.limits.drain_time_max, all_done).await.is_ok();
        let connections_cut = if in_time { 0 } else { connections.len() };
        connections.shutdown().await;
        Drained { connections_cut }
    }
}

/// The next connection, when there is a place for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    // Answers are written whole: waiting to fill a segment would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream, peer, slot))
}

/// Counts a connection for as long as it lives.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: Arc<Counters>) -> Self {
        counters.connections.fetch_add(1, Relaxed);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}
