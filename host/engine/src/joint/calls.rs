//! The calls in one instance: who waits for each, and until when. Knows no wasm.

use super::{Reply, Work};
use crate::CallContext;
use crate::code::WasmInstance;
use crate::pool::Lease;
use aether_types::CallError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout_at};
use wasmtime::component::GuestTaskId;

/// All calls that were let into one instance and have not ended.
pub(super) struct Calls {
    state: Mutex<State>,
    /// Told when a call enters.
    changed: Notify,
}

struct State {
    /// None when no more calls are taken.
    tasks: Option<UnboundedSender<Task>>,
    open: BTreeMap<u64, Open>,
    last: u64,
    /// The tick at which it was first seen without a call.
    idle_since: Option<u64>,
}

/// A call that somebody waits for, or that still sends the body of its response.
pub(super) struct Open {
    pub(super) deadline: Instant,
    /// From when it is at work.
    pub(super) task: Option<GuestTaskId>,
    /// None after the head of a response.
    pub(super) reply: Option<Reply>,
    pub(super) _lease: Lease<WasmInstance>,
}

/// What an instance is to do for a call.
pub(super) struct Task {
    pub(super) id: u64,
    pub(super) work: Work,
    pub(super) ctx: CallContext,
}

impl Calls {
    pub(super) fn new() -> (Arc<Self>, UnboundedReceiver<Task>) {
        let (tx, rx) = mpsc::unbounded_channel();
        let state = State { tasks: Some(tx), open: BTreeMap::new(), last: 0, idle_since: None };
        (Arc::new(Self { state: Mutex::new(state), changed: Notify::new() }), rx)
    }

    /// Lets a call in, or gives it back when no more are taken.
    #[expect(clippy::result_large_err, reason = "what is refused goes elsewhere, which is rare")]
    pub(super) fn enter(
        &self,
        (open, work, ctx): (Open, Work, CallContext),
    ) -> Result<(), (Open, Work, CallContext)> {
        let mut state = self.state.lock();
        let id = state.last + 1;
        let Some(tasks) = &state.tasks else { return Err((open, work, ctx)) };
        if let Err(refused) = tasks.send(Task { id, work, ctx }) {
            let Task { work, ctx, .. } = refused.0;
            return Err((open, work, ctx));
        }
        state.last = id;
        state.idle_since = None;
        state.open.insert(id, open);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn close(&self) {
        self.state.lock().tasks = None;
    }

    pub(super) fn started(&self, id: u64, task: GuestTaskId) {
        if let Some(open) = self.state.lock().open.get_mut(&id) {
            open.task = Some(task);
        }
    }

    /// Who waits for the head of a response.
    pub(super) fn reply(&self, id: u64) -> Option<Reply> {
        self.state.lock().open.get_mut(&id)?.reply.take()
    }

    /// Whether nobody waits for the call any more.
    pub(super) fn is_unwanted(&self, id: u64) -> bool {
        let state = self.state.lock();
        state.open.get(&id).and_then(|open| open.reply.as_ref()).is_some_and(Reply::is_unwanted)
    }

    pub(super) fn end(&self, id: u64) -> Option<Open> {
        self.state.lock().open.remove(&id)
    }

    pub(super) fn fail(&self, id: u64, error: CallError) {
        if let Some(open) = self.end(id) {
            open.fail(error);
        }
    }

    pub(super) fn fail_all(&self, error: impl Fn(&Open) -> CallError) {
        let all = std::mem::take(&mut self.state.lock().open);
        for open in all.into_values() {
            let error = error(&open);
            open.fail(error);
        }
    }

    pub(super) fn has(&self, task: Option<GuestTaskId>) -> bool {
        self.state.lock().open.values().any(|open| open.task == task)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().open.is_empty()
    }

    /// For how many ticks nobody has called; counts from the first time that it is asked.
    pub(super) fn idle_ticks(&self, ticks: u64) -> u64 {
        let mut state = self.state.lock();
        match state.open.is_empty() {
            true => ticks.saturating_sub(*state.idle_since.get_or_insert(ticks)),
            false => 0,
        }
    }

    /// Whether a call is past its deadline by so much and has not ended.
    pub(super) fn is_stuck(&self, grace: Duration) -> bool {
        self.state.lock().open.values().any(|open| open.is_late(grace))
    }

    /// Waits until [`Self::is_stuck`].
    pub(super) async fn stuck(&self, grace: Duration) {
        loop {
            let changed = self.changed.notified();
            let earliest = self.state.lock().open.values().map(|open| open.deadline).min();
            match earliest {
                None => changed.await,
                Some(deadline) if deadline + grace <= Instant::now() => return,
                Some(deadline) => drop(timeout_at(deadline + grace, changed).await),
            }
        }
    }
}

impl Open {
    pub(super) fn is_late(&self, grace: Duration) -> bool {
        self.deadline + grace <= Instant::now()
    }

    pub(super) fn fail(self, error: CallError) {
        if let Some(reply) = self.reply {
            reply.fail(error);
        }
    }
}
