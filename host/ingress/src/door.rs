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

/// When a door closes: two steps, so that clients can go elsewhere before it does.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Everything is served on, and each connection ends after its next answer.
    pub notice: CancellationToken,
    /// No new connections.
    pub stop: CancellationToken,
}

/// Without notice.
impl From<CancellationToken> for Closing {
    fn from(stop: CancellationToken) -> Self {
        Self { notice: stop.clone(), stop }
    }
}

/// How closing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections with a request in flight that were cut at the end of `drain_time_max`.
    pub connections_cut: usize,
}

/// How long to wait when the system has no file descriptor left: until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that are taken from the backlog at the end: more than tokio's listeners hold
/// (1,024).
const BACKLOG_MAX: usize = 4_096;

impl FrontDoor {
    pub fn new(app: Arc<dyn Application>, limits: Limits) -> Self {
        Self(Arc::new(Shared { app, limits, counters: Arc::default() }))
    }

    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// Serves until it is told to stop, then lets requests in flight finish, for `drain_time_max`
    /// at most. Connections that the system has accepted by then are served like the others.
    /// Dropping the future cuts every connection at once.
    pub async fn serve(&self, listener: TcpListener, closing: impl Into<Closing>) -> Drained {
        let closing = closing.into();
        let slots = Arc::new(Semaphore::new(self.0.limits.connections_max));
        let mut connections = JoinSet::new();
        while let Some(accepted) = closing.stop.run_until_cancelled(accept(&listener, &slots)).await
        {
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, slot)) => {
                    connections.spawn(self.clone().kept(stream, peer, slot, closing.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        for (stream, peer) in backlog(listener) {
            // Without a place they would have waited for one; there is no time for that any more.
            if let Ok(slot) = slots.clone().try_acquire_owned() {
                connections.spawn(self.clone().kept(stream, peer, slot, closing.clone()));
            }
        }
        self.drain(connections).await
    }

    /// Serves one connection until either side closes it; once stopped, it takes no new request.
    pub async fn connection<T>(&self, io: T, peer: SocketAddr, closing: impl Into<Closing>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _open = Open::new(self.0.counters.clone());
        connection::serve(self.0.clone(), io, peer, closing.into()).await;
    }

    async fn kept(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
        closing: Closing,
    ) {
        self.connection(stream, peer, closing).await;
        drop(slot);
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

/// Closes the listener; what the system has accepted for it, and would reset, is taken first.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    // It is not blocking: the first error says that there is nobody left.
    let waiting = std::iter::from_fn(|| listener.accept().ok());
    let taken = waiting.take(BACKLOG_MAX).filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    });
    taken.collect()
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
