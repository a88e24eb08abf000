//! The clock on the heads of one connection's requests. Knows no requests.
//!
//! hyper asks for a new timer with each head and drops it when the head is there, long before its
//! time. A timer of the runtime would be entered in its wheel and taken out again each time, 3 % of
//! what a small request costs. Here one is entered per connection, and rings at the earliest time
//! that any head may have needed it; what it then says of a later head is "not yet".

use hyper::rt::{Sleep, Timer};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

type Bell = Pin<Box<tokio::time::Sleep>>;

/// One for each connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadTimer(Arc<Mutex<Option<Bell>>>);

#[derive(Debug)]
struct HeadSleep {
    bell: Arc<Mutex<Option<Bell>>>,
    deadline: tokio::time::Instant,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadSleep { bell: Arc::clone(&self.0), deadline: deadline.into() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        *sleep = self.sleep_until(deadline);
    }
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Box::pin(tokio::time::sleep_until(self.deadline));
        let bell = bell.get_or_insert_with(new);
        if bell.deadline() > self.deadline {
            bell.as_mut().reset(self.deadline);
        }
        while bell.as_mut().poll(cx).is_ready() {
            if tokio::time::Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            bell.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_own_time() {
        let timer = HeadTimer::default();
        let start = tokio::time::Instant::now();
        let seconds =
            |seconds| timer.sleep_until((start + Duration::from_secs(seconds)).into_std());
        let now = || start.elapsed().as_secs();
        // Asked once and dropped: the head was there in time.
        let mut first = seconds(10);
        assert!(polled(&mut first).await.is_pending());
        drop(first);
        // A later head is not cut when the time of the first is over, but at its own.
        seconds(25).await;
        assert_eq!(now(), 25);
        // Nor does an earlier one wait for a later one's.
        let mut late = seconds(100);
        assert!(polled(&mut late).await.is_pending());
        seconds(40).await;
        assert_eq!(now(), 40);
        seconds(30).await;
        assert_eq!(now(), 40, "its time was over already");
    }

    async fn polled(sleep: &mut Pin<Box<dyn Sleep>>) -> Poll<()> {
        std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await
    }
}
