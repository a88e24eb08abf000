//! Ends what takes too long, at the price of a timer only for what waits. Knows no guest.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// Why guest code was stopped by the clock of its engine.
#[derive(Debug, thiserror::Error)]
#[error("the deadline of the call passed")]
pub(crate) struct DeadlinePassed;

/// The output of `future`, or None when the deadline comes first. Then `future` is dropped.
pub(crate) async fn until<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => timeout_at(deadline, future).await.ok(),
    }
}
