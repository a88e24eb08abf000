//! Who may work, who is idle, who waits. Knows no wasm: what it keeps is any `T`.

use crate::CallContext;
use crate::context::Urgency;
use crate::queue::{Pace, Pushed, Queue, Who};
use crate::runtime::{IDLE_TICKS_MAX, Shared, Trim};
use aether_types::{CallError, Coordinates};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// Slots for `busy_max` callers at a time, with what earlier ones left warm.
pub(crate) struct Pool<T> {
    busy_max: usize,
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
    waiting: Queue<Caller, Instant, Waiter<T>>,
    pace: Pace<Instant>,
    closed: bool,
}

/// The slice that calls; the front door has no name.
type Caller = Option<Arc<Coordinates>>;

/// Where a slot goes, or why there will be none.
type Waiter<T> = oneshot::Sender<Result<Lease<T>, CallError>>;

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
        let (idle, waiting) = (Vec::new(), Queue::new(queue_max));
        let state =
            State { idle, busy: 0, waiting, pace: Pace::since(Instant::now()), closed: false };
        let (calls, quiet) = (AtomicUsize::new(0), Notify::new());
        Arc::new(Self { busy_max, shared, state: Mutex::new(state), calls, quiet })
    }

    /// A slot, at once or when it is its turn: callers are let in one after the other, operators
    /// first. Dropping the future leaves the queue.
    ///
    /// Before a call waits, `may_wait` is asked, with the number of slots.
    ///
    /// # Errors
    /// What `may_wait` says. `Overloaded` when the queue is full, or so long that the call would
    /// wait beyond its deadline, with the time that one waits in it. `Unavailable` when the pool is
    /// closed.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        ctx: &CallContext,
        may_wait: impl FnOnce(usize) -> Result<(), CallError>,
    ) -> Result<Lease<T>, CallError> {
        let rx = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(CallError::Unavailable("the slice is being stopped".to_owned()));
            }
            if state.busy < self.busy_max {
                return Ok(self.slot(&mut state));
            }
            may_wait(self.busy_max)?;
            self.enqueue(&mut state, ctx)?
        };
        let stopped = || CallError::Unavailable("the slice was stopped".to_owned());
        rx.await.unwrap_or_else(|_| Err(stopped()))
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

    fn enqueue(
        &self,
        state: &mut State<T>,
        ctx: &CallContext,
    ) -> Result<oneshot::Receiver<Result<Lease<T>, CallError>>, CallError> {
        let now = Instant::now();
        let who = match ctx.origin.urgency {
            Urgency::Operator => Who::Urgent,
            Urgency::Usual => Who::Caller(ctx.caller().cloned()),
        };
        let left = nanos(ctx.deadline.saturating_duration_since(now));
        let mut wait = state.wait(&who, ctx.deadline, now);
        if wait.is_some_and(|wait| wait > left) {
            // Perhaps only because of those who gave up: they stay until somebody looks.
            self.forget_gone(state);
            wait = state.wait(&who, ctx.deadline, now);
        }
        if let Some(wait) = wait.filter(|wait| *wait > left) {
            return Err(overloaded(wait));
        }
        let (tx, rx) = oneshot::channel();
        let mut pushed = state.waiting.push(who.clone(), ctx.deadline, tx);
        if let Pushed::Full(tx) = pushed {
            self.forget_gone(state);
            pushed = state.waiting.push(who, ctx.deadline, tx);
        }
        let wait = || wait.unwrap_or_else(|| nanos(now - state.pace.last));
        match pushed {
            Pushed::Waits => drop(self.calls.fetch_add(1, Relaxed)),
            // Whoever waits there may have gone.
            Pushed::InsteadOf(other) => drop(other.send(Err(overloaded(wait())))),
            Pushed::Full(_) => return Err(overloaded(wait())),
        }
        Ok(rx)
    }

    fn forget_gone(&self, state: &mut State<T>) {
        let gone = state.waiting.retain(|waiter| !waiter.is_closed());
        self.calls.fetch_sub(gone, Relaxed);
    }

    /// Gives a slot, warm or cold, to the first who still waits.
    fn release(self: Arc<Self>, mut item: Option<T>) {
        let mut state = self.state.lock();
        while let Some(waiter) = state.waiting.pop() {
            if !waiter.is_closed() {
                let now = Instant::now();
                let since = nanos(now - state.pace.last);
                state.pace.on_let_in(since, now);
            }
            drop(state);
            self.calls.fetch_sub(1, Relaxed);
            let lease = Lease { pool: Some(Arc::clone(&self)), item };
            match waiter.send(Ok(lease)) {
                Ok(()) => return,
                Err(Ok(mut lease)) => {
                    lease.pool = None;
                    item = lease.item.take();
                }
                Err(Err(_)) => unreachable!("a lease was sent"),
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

    /// Drops everything that is warm; who waits gets what is new.
    pub(crate) fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.state.lock().idle);
        drop(idle);
    }

    /// Drops everything that is warm, and refuses those who wait.
    pub(crate) fn clear(&self) {
        let idle = {
            let mut state = self.state.lock();
            let gone = state.waiting.retain(|_| false);
            self.calls.fetch_sub(gone, Relaxed);
            std::mem::take(&mut state.idle)
        };
        drop(idle);
    }

    /// Callers that are in or wait, those included that gave up waiting a moment ago.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    pub(crate) fn census(&self) -> Census {
        let state = self.state.lock();
        let waiting = state.waiting.iter().filter(|waiter| !waiter.is_closed()).count();
        Census { idle: state.idle.len(), busy: state.busy, waiting }
    }
}

impl<T> State<T> {
    /// How long a call that comes now would wait, as far as that is known, in nanoseconds.
    fn wait(&mut self, who: &Who<Caller>, deadline: Instant, now: Instant) -> Option<u64> {
        if self.waiting.len() == 0 {
            // What was seen when others waited may not be so any more.
            self.pace = Pace::since(now);
        }
        self.pace.wait(self.waiting.ahead(who, deadline))
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Refuses a call that would wait so long.
fn overloaded(nanos: u64) -> CallError {
    CallError::Overloaded(Some((nanos / 1_000_000).max(RETRY_MILLIS_MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;
    use std::pin::pin;

    fn pool(busy_max: usize, queue_max: usize) -> Arc<Pool<u32>> {
        Pool::new(busy_max, queue_max, Arc::default())
    }

    /// Called by a slice of that name, or at the front door; with a minute of time.
    fn ctx(caller: Option<&str>) -> CallContext {
        let origin = Origin::anonymous("r-1".parse().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        let ctx = CallContext::edge(Arc::new(origin), deadline);
        let slice = |name| Arc::new(format!("t:{name}:1.0.0").parse().unwrap());
        caller.map_or(ctx.clone(), |name| ctx.nested(slice(name)))
    }

    fn may(_: usize) -> Result<(), CallError> {
        Ok(())
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
        let (mut a, mut b) = (
            pool.lease(&ctx(None), may).await.unwrap(),
            pool.lease(&ctx(None), may).await.unwrap(),
        );
        assert_eq!((a.take(), b.take()), (None, None));
        a.put(1);
        b.put(2);
        drop(a);
        pool.shared.ticks.store(10, Relaxed);
        drop(b);
        let mut c = pool.lease(&ctx(None), may).await.unwrap();
        assert_eq!(c.take(), Some(2));
        c.put(2);
        drop(c);
        pool.trim(IDLE_TICKS_MAX + 5);
        assert_eq!(pool.census(), Census { idle: 1, busy: 0, waiting: 0 });
        assert_eq!(pool.lease(&ctx(None), may).await.unwrap().take(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_and_fair() {
        let (pool, context) = (pool(1, 1), ctx(None));
        let mut a = pool.lease(&ctx(None), may).await.unwrap();
        a.put(7);
        let mut b = Box::pin(pool.lease(&context, may));
        assert!(pending(&mut b).await);
        tokio::time::advance(Duration::from_millis(30)).await;
        assert_eq!(pool.lease(&ctx(None), may).await.err(), Some(CallError::Overloaded(Some(30))));
        assert_eq!(pool.calls(), 2);
        // Who gave up makes room.
        drop(b);
        let mut c = Box::pin(pool.lease(&context, may));
        assert!(pending(&mut c).await);
        drop(a);
        assert_eq!(c.await.unwrap().take(), Some(7));
        assert_eq!(pool.census(), Census { idle: 0, busy: 0, waiting: 0 });
        assert_eq!(pool.calls(), 0);
    }

    #[tokio::test]
    async fn a_slot_that_nobody_takes_is_not_lost() {
        let pool = pool(1, 4);
        let context = ctx(None);
        let a = pool.lease(&context, may).await.unwrap();
        let mut b = Box::pin(pool.lease(&context, may));
        let mut c = Box::pin(pool.lease(&context, may));
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
        let a = pool.lease(&ctx(None), may).await.unwrap();
        let waits = ctx(None);
        let mut b = pin!(pool.lease(&waits, may));
        assert!(pending(&mut b).await);
        pool.close();
        let refused = CallError::Unavailable("the slice is being stopped".to_owned());
        assert_eq!(pool.lease(&ctx(None), may).await.err(), Some(refused));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(pool.quiet(soon).await, Err(2));
        drop(a);
        let b = b.await.unwrap();
        let mut quiet = Box::pin(pool.quiet(Instant::now() + Duration::from_secs(30)));
        assert!(pending(&mut quiet).await);
        drop(b);
        assert_eq!(quiet.await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn callers_take_turns_and_operators_go_first() {
        let pool = pool(1, 8);
        let mut lease = pool.lease(&ctx(None), may).await.unwrap();
        lease.put(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut operator = ctx(None);
        let usual = Origin::anonymous("r-1".parse().unwrap());
        operator.origin = Arc::new(Origin { urgency: Urgency::Operator, ..usual });
        let mut waiting = tokio::task::JoinSet::new();
        let callers = [("a1", ctx(Some("a"))), ("a2", ctx(Some("a"))), ("a3", ctx(Some("a")))];
        let others = [("b", ctx(Some("b"))), ("door", ctx(None)), ("operator", operator)];
        for (name, ctx) in callers.into_iter().chain(others) {
            let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
            waiting.spawn(async move {
                let _lease = pool.lease(&ctx, may).await.unwrap();
                order.lock().push(name);
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.census().waiting, 6);
        drop(lease);
        waiting.join_all().await;
        assert_eq!(*order.lock(), ["operator", "a1", "b", "door", "a2", "a3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_floods_the_queue_gives_its_places_to_others() {
        let pool = pool(1, 2);
        let _lease = pool.lease(&ctx(None), may).await.unwrap();
        let (a, b) = (ctx(Some("a")), ctx(Some("b")));
        let (mut first, mut second) =
            (Box::pin(pool.lease(&a, may)), Box::pin(pool.lease(&a, may)));
        assert!(pending(&mut first).await && pending(&mut second).await);
        let mut other = Box::pin(pool.lease(&b, may));
        assert!(pending(&mut other).await);
        assert_eq!(second.await.err(), Some(CallError::Overloaded(Some(1))));
        assert_eq!(pool.lease(&a, may).await.err(), Some(CallError::Overloaded(Some(1))));
        assert!(pending(&mut first).await && pending(&mut other).await);
        assert_eq!(pool.calls(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_served_in_time_is_told_at_once() {
        let pool = pool(1, 100);
        let mut lease = pool.lease(&ctx(None), may).await.unwrap();
        let patient = ctx(None);
        let mut waiting = std::collections::VecDeque::new();
        for _ in 0..12 {
            waiting.push_back(Box::pin(pool.lease(&patient, may)));
            assert!(pending(waiting.back_mut().unwrap()).await);
        }
        // Each works for a second, while others wait.
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(1)).await;
            drop(lease);
            lease = waiting.pop_front().unwrap().await.unwrap();
        }
        let mut hurried = ctx(Some("a"));
        hurried.deadline = Instant::now() + Duration::from_millis(1_500);
        assert_eq!(pool.lease(&hurried, may).await.err(), Some(CallError::Overloaded(Some(2_000))));
        hurried.deadline = Instant::now() + Duration::from_millis(2_500);
        assert!(pending(&mut Box::pin(pool.lease(&hurried, may))).await);
        // Once nobody waits, it is another matter.
        drop(waiting);
        assert_eq!(pool.census().waiting, 0);
        drop(lease);
        let _lease = pool.lease(&ctx(None), may).await.unwrap();
        hurried.deadline = Instant::now() + Duration::from_millis(10);
        assert!(pending(&mut Box::pin(pool.lease(&hurried, may))).await);
    }
}
