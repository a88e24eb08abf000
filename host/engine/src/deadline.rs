//! Ends what takes too long, at the price of a timer only for what waits. Knows no guest.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// Why guest code was stopped by the clock of its engine.
#[derive(Debug, thiserror::Error)]
#[error("the deadline of the call passed")]
pub(crate) struct DeadlinePassed;

/// The output of `future`, or None when the deadline comes first; then it is to be dropped.
/// Borrowed, because a future that is handed over is kept twice: where it came in, and where it is
/// polled.
pub(crate) async fn until<F: Future>(
    deadline: Instant,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => timeout_at(deadline, future).await.ok(),
    }
}
