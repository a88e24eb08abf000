//! The first part of a request's work, which the thread of the links does itself where nothing else
//! runs for the peer: most calls take less time than to wake another thread.
//!
//! What waits, or gives way as guests do every 10 ms, goes on in the runtime that does the work.
//! Links wait meanwhile, so that what takes long is made up for: see [`Patience`].

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::runtime::Handle;

/// Up to here, work takes about as long as to hand it to another thread.
const SHORT: Duration = Duration::from_micros(200);

/// How many times as long as longer work took, nothing more is begun by the threads of links: they
/// spend a hundredth of their time with it.
const PAUSE: u32 = 100;

/// What serves a request.
pub(super) struct Work {
    id: u64,
    future: BoxFuture<'static, ()>,
}

/// Whether the threads of the links may begin a request's work, on all links of a node.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// They may not before then.
    until: Mutex<Option<Instant>>,
}

impl Work {
    pub(super) fn new(id: u64, future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { id, future: Box::pin(future) }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Does what can be done without waiting; gives back what is left, for the runtime.
    pub(super) fn begin(mut self, runtime: &Handle, patience: &Patience) -> Option<Self> {
        let began = Instant::now();
        let _runtime = runtime.enter();
        // Whoever spawns the rest polls it once more, with a waker that wakes somebody.
        let mut cx = Context::from_waker(Waker::noop());
        let polled = AssertUnwindSafe(&mut self.future).catch_unwind().poll_unpin(&mut cx);
        patience.spent(began.elapsed());
        match polled {
            Poll::Pending => Some(self),
            // Of a panic the peer has been told, as by a task.
            Poll::Ready(_) => None,
        }
    }
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.poll_unpin(cx)
    }
}

impl Patience {
    pub(super) fn is_left(&self) -> bool {
        self.until.lock().is_none_or(|until| until <= Instant::now())
    }

    fn spent(&self, time: Duration) {
        if time > SHORT {
            *self.until.lock() = Some(Instant::now() + time * PAUSE);
        }
    }
}
