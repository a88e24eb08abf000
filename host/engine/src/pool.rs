//! Who may work, who is idle, who waits. Knows no wasm: what it keeps is any `T`.

use crate::runtime::{IDLE_TICKS_MAX, Shared, Trim};
use aether_types::CallError;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// Slots for `busy_max` callers at a time, with what earlier ones left warm.
pub(crate) struct Pool<T> {
    busy_max: usize,
    queue_max: usize,
    shared: Arc<Shared>,
    state: Mutex<State<T>>,
    /// Slots that are taken and callers that wait, to be read without the lock.
    calls: AtomicUsize,
    /// Told when the last busy slot of a closed pool is given back.
    quiet: Notify,
}

struct State<T> {
    /// The last one in is the first one out, so that the rest can grow old. With the tick at which
    /// it became idle.
    idle: Vec<(u64, T)>,
    busy: usize,
    waiting: VecDeque<Waiter<T>>,
    closed: bool,
}

struct Waiter<T> {
    since: Instant,
    tx: oneshot::Sender<Lease<T>>,
}

/// A slot. What is put into it is warm for the next caller; what is not, is gone.
pub(crate) struct Lease<T> {
    /// None only after the slot was given back.
    pool: Option<Arc<Pool<T>>>,
    item: Option<T>,
}

/// Numbers of a pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) idle: usize,
    pub(crate) busy: usize,
    pub(crate) waiting: usize,
}

/// What callers are told to wait when nobody in the queue has waited for a millisecond yet.
const RETRY_MILLIS_MIN: u64 = 1;

impl<T> Pool<T> {
    pub(crate) fn new(busy_max: usize, queue_max: usize, shared: Arc<Shared>) -> Arc<Self> {
        let (idle, waiting) = (Vec::new(), VecDeque::new());
        let state = Mutex::new(State { idle, busy: 0, waiting, closed: false });
        let (calls, quiet) = (AtomicUsize::new(0), Notify::new());
        Arc::new(Self { busy_max, queue_max, shared, state, calls, quiet })
    }

    /// A slot, at once or after those who came earlier. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full, with the time that the first in it has waited, which is
    /// what a newcomer would wait too. `Unavailable` when the pool is closed.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease<T>, CallError> {
        let rx = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(CallError::Unavailable("the slice is being stopped".to_owned()));
            }
            if state.busy < self.busy_max {
                return Ok(self.slot(&mut state));
            }
            self.enqueue(&mut state)?
        };
        let stopped = || CallError::Unavailable("the slice was stopped".to_owned());
        rx.await.map_err(|_| stopped())
    }

    /// A slot beyond the limit and after the pool was closed: for hooks.
    pub(crate) fn lease_for_hook(self: &Arc<Self>) -> Lease<T> {
        self.slot(&mut self.state.lock())
    }

    fn slot(self: &Arc<Self>, state: &mut State<T>) -> Lease<T> {
        state.busy += 1;
        self.calls.fetch_add(1, Relaxed);
        let item = state.idle.pop().map(|(_, item)| item);
        Lease { pool: Some(Arc::clone(self)), item }
    }

    fn enqueue(&self, state: &mut State<T>) -> Result<oneshot::Receiver<Lease<T>>, CallError> {
        if state.waiting.len() >= self.queue_max {
            // Those who gave up stay in the queue until somebody looks.
            let before = state.waiting.len();
            state.waiting.retain(|waiter| !waiter.tx.is_closed());
            self.calls.fetch_sub(before - state.waiting.len(), Relaxed);
        }
        if state.waiting.len() >= self.queue_max {
            let waited = state.waiting.front().map(|first| first.since.elapsed());
            let millis = waited.map(|waited| u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
            return Err(CallError::Overloaded(millis.map(|m| m.max(RETRY_MILLIS_MIN))));
        }
        let (tx, rx) = oneshot::channel();
        state.waiting.push_back(Waiter { since: Instant::now(), tx });
        self.calls.fetch_add(1, Relaxed);
        Ok(rx)
    }

    /// Gives a slot, warm or cold, to the first who still waits.
    fn release(self: Arc<Self>, mut item: Option<T>) {
        let mut state = self.state.lock();
        while let Some(waiter) = state.waiting.pop_front() {
            drop(state);
            self.calls.fetch_sub(1, Relaxed);
            let lease = Lease { pool: Some(Arc::clone(&self)), item };
            match waiter.tx.send(lease) {
                Ok(()) => return,
                Err(mut lease) => {
                    lease.pool = None;
                    item = lease.item.take();
                }
            }
            state = self.state.lock();
        }
        state.busy -= 1;
        self.calls.fetch_sub(1, Relaxed);
        if let Some(item) = item {
            state.idle.push((self.shared.ticks(), item));
        }
        // Only who closed the pool waits for this; most calls are spared the notice.
        if state.closed && state.busy == 0 {
            self.quiet.notify_waiters();
        }
    }

    /// Takes no new callers; those who are in stay in.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Waits until no caller is in; to be used on a closed pool only.
    ///
    /// # Errors
    /// The number of callers that were still in at the deadline.
    pub(crate) async fn quiet(&self, deadline: Instant) -> Result<(), usize> {
        loop {
            let quiet = self.quiet.notified();
            let census = self.census();
            if census.busy + census.waiting == 0 {
                return Ok(());
            }
            if timeout_at(deadline, quiet).await.is_err() {
                return Err(census.busy + census.waiting);
            }
        }
    }

    /// Drops everything that is warm, and refuses those who wait.
    pub(crate) fn clear(&self) {
        let (idle, waiting) = {
            let mut state = self.state.lock();
            self.calls.fetch_sub(state.waiting.len(), Relaxed);
            (std::mem::take(&mut state.idle), std::mem::take(&mut state.waiting))
        };
        drop((idle, waiting));
    }

    /// Callers that are in or wait, those included that gave up waiting a moment ago.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    pub(crate) fn census(&self) -> Census {
        let state = self.state.lock();
        let waiting = state.waiting.iter().filter(|waiter| !waiter.tx.is_closed()).count();
        Census { idle: state.idle.len(), busy: state.busy, waiting }
    }
}

impl<T: Send> Trim for Pool<T> {
    fn trim(&self, ticks: u64) {
        let old: Vec<_> = {
            let mut state = self.state.lock();
            let old = state.idle.partition_point(|(since, _)| since + IDLE_TICKS_MAX < ticks);
            state.idle.drain(..old).collect()
        };
        drop(old);
    }
}

impl<T> Lease<T> {
    /// What an earlier caller left, if anything. Gone unless it is put back.
    pub(crate) fn take(&mut self) -> Option<T> {
        self.item.take()
    }

    pub(crate) fn put(&mut self, item: T) {
        self.item = Some(item);
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.release(self.item.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::time::Duration;

    fn pool(busy_max: usize, queue_max: usize) -> Arc<Pool<u32>> {
        Pool::new(busy_max, queue_max, Arc::default())
    }

    async fn pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }

    #[tokio::test]
    async fn the_last_warm_one_is_used_first_and_old_ones_go() {
        let pool = pool(2, 0);
        let (mut a, mut b) = (pool.lease().await.unwrap(), pool.lease().await.unwrap());
        assert_eq!((a.take(), b.take()), (None, None));
        a.put(1);
        b.put(2);
        drop(a);
        pool.shared.ticks.store(10, Relaxed);
        drop(b);
        let mut c = pool.lease().await.unwrap();
        assert_eq!(c.take(), Some(2));
        c.put(2);
        drop(c);
        pool.trim(IDLE_TICKS_MAX + 5);
        assert_eq!(pool.census(), Census { idle: 1, busy: 0, waiting: 0 });
        assert_eq!(pool.lease().await.unwrap().take(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_and_fair() {
        let pool = pool(1, 1);
        let mut a = pool.lease().await.unwrap();
        a.put(7);
        let mut b = Box::pin(pool.lease());
        assert!(pending(&mut b).await);
        tokio::time::advance(Duration::from_millis(30)).await;
        assert_eq!(pool.lease().await.err(), Some(CallError::Overloaded(Some(30))));
        assert_eq!(pool.calls(), 2);
        // Who gave up makes room.
        drop(b);
        let mut c = Box::pin(pool.lease());
        assert!(pending(&mut c).await);
        drop(a);
        assert_eq!(c.await.unwrap().take(), Some(7));
        assert_eq!(pool.census(), Census { idle: 0, busy: 0, waiting: 0 });
        assert_eq!(pool.calls(), 0);
    }

    #[tokio::test]
    async fn a_slot_that_nobody_takes_is_not_lost() {
        let pool = pool(1, 4);
        let a = pool.lease().await.unwrap();
        let mut b = Box::pin(pool.lease());
        let mut c = Box::pin(pool.lease());
        assert!(pending(&mut b).await && pending(&mut c).await);
        drop(a);
        // The slot is on its way to `b`, who goes away without it.
        drop(b);
        drop(c.await.unwrap());
        assert_eq!((pool.census().busy, pool.calls()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_pool_serves_who_is_in_and_nobody_else() {
        let pool = pool(1, 4);
        let a = pool.lease().await.unwrap();
        let mut b = pin!(pool.lease());
        assert!(pending(&mut b).await);
        pool.close();
        let refused = CallError::Unavailable("the slice is being stopped".to_owned());
        assert_eq!(pool.lease().await.err(), Some(refused));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(pool.quiet(soon).await, Err(2));
        drop(a);
        let b = b.await.unwrap();
        let mut quiet = Box::pin(pool.quiet(Instant::now() + Duration::from_secs(30)));
        assert!(pending(&mut quiet).await);
        drop(b);
        assert_eq!(quiet.await, Ok(()));
    }
}
