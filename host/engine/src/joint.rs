//! Several calls in one `WasmInstance`: how they get in, and what ends it. Knows no routes.
//!
//! wasmtime cannot stop one task of an instance, only all of them. So a call that reaches its
//! deadline is answered and its task is left behind; the instance takes no more calls, those that
//! are in it go on to their own ends, and with the last of them the instance ends, whatever is left
//! behind in it. A guest that gives the others no chance to go on at that moment (it computes, or
//! waits in a function that is not async) is stopped with all its calls after [`GRACE`].

mod calls;

use crate::code::{Code, Exports, WasmInstance};
use crate::codec::Export;
use crate::deadline::until;
use crate::http::{Guard, Handler, v03};
use crate::pool::Lease;
use crate::runtime::{IDLE_TICKS_MAX, Trim};
use crate::{CallContext, HostState};
use aether_types::CallError;
use bytes::Bytes;
use calls::{Calls, Open, Task};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;
use wasmtime::component::{Accessor, GuestTaskId, Instance};
use wasmtime::{AsContextMut, bail};
use wasmtime_wasi_http::WasiBody;

/// How long after the deadline of one call the others may still be unable to go on.
const GRACE: Duration = Duration::from_millis(100);

/// The place of the one instance that takes the calls of a slice.
pub(crate) struct Joint {
    code: Arc<Code>,
    current: Mutex<Option<Arc<Calls>>>,
}

/// A call on its way into an instance. There are as many as the slice may have calls at a time.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) ctx: CallContext,
    pub(crate) reply: Reply,
    /// Given back when the call ends.
    pub(crate) lease: Lease<WasmInstance>,
}

pub(crate) enum Work {
    Call { function: usize, args: Bytes },
    Handle { request: Box<http::Request<WasiBody>>, guard: Guard },
}

/// Who waits for the call. Often nobody any more.
pub(crate) enum Reply {
    Bytes(oneshot::Sender<Result<Bytes, CallError>>),
    Response(oneshot::Sender<Result<http::Response<WasiBody>, CallError>>),
}

/// Makes an instance and lets it work.
struct Host {
    code: Arc<Code>,
    joint: Weak<Joint>,
    tasks: UnboundedReceiver<Task>,
    calls: Arc<Calls>,
}

/// One call at work, with what it needs of its instance.
struct Guest<'a> {
    accessor: &'a Accessor<HostState>,
    calls: &'a Calls,
    id: u64,
    ctx: CallContext,
}

/// A call that is let in; looked up before, because that needs the whole instance.
enum Entered {
    Call { export: Export, args: Bytes },
    Handle { handler: v03::Handler, request: Box<http::Request<WasiBody>>, guard: Guard },
}

/// Why an instance ended.
enum End {
    /// Its last call ended.
    Done,
    Failed(wasmtime::Error),
    /// A call is past its deadline and the others cannot go on.
    Stuck,
}

impl Joint {
    pub(crate) fn new(code: Arc<Code>) -> Arc<Self> {
        Arc::new(Self { code, current: Mutex::new(None) })
    }

    /// Lets a call into the instance; makes one where there is none. The reply gets its outcome.
    pub(crate) fn submit(self: &Arc<Self>, job: Job) {
        let Job { work, ctx, reply, lease } = job;
        let open = Open { deadline: ctx.deadline, task: None, reply: Some(reply), _lease: lease };
        self.enter(open, work, ctx);
    }

    fn enter(self: &Arc<Self>, open: Open, work: Work, ctx: CallContext) {
        let mut current = self.current.lock();
        let mut call = (open, work, ctx);
        if let Some(calls) = &*current {
            match calls.enter(call) {
                Ok(()) => return,
                Err(refused) => call = refused,
            }
        }
        let (calls, tasks) = Calls::new();
        let (code, joint) = (Arc::clone(&self.code), Arc::downgrade(self));
        tokio::spawn(Host { code, joint, tasks, calls: Arc::clone(&calls) }.run());
        let entered = calls.enter(call);
        assert!(entered.is_ok(), "nobody has closed the new instance");
        *current = Some(calls);
    }

    /// The instance takes no more calls and ends after those that it has.
    pub(crate) fn close(&self) {
        if let Some(calls) = self.current.lock().take() {
            calls.close();
        }
    }

    /// How many instances wait for calls: one or none.
    pub(crate) fn idle(&self) -> usize {
        self.current.lock().as_ref().is_some_and(|calls| calls.is_idle()).into()
    }
}

impl Drop for Joint {
    fn drop(&mut self) {
        self.close();
    }
}

impl Trim for Joint {
    fn trim(&self, ticks: u64) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|calls| calls.idle_ticks(ticks) > IDLE_TICKS_MAX) {
            current.take().iter().for_each(|calls| calls.close());
        }
    }
}

impl Reply {
    /// Who waited has gone away.
    fn is_unwanted(&self) -> bool {
        match self {
            Self::Bytes(tx) => tx.is_closed(),
            Self::Response(tx) => tx.is_closed(),
        }
    }

    pub(crate) fn fail(self, error: CallError) {
        match self {
            Self::Bytes(tx) => drop(tx.send(Err(error))),
            Self::Response(tx) => drop(tx.send(Err(error))),
        }
    }
}

impl Host {
    async fn run(mut self) {
        while let Some(first) = self.tasks.recv().await {
            let code = Arc::clone(&self.code);
            let made = code.instantiate(first.ctx.clone());
            let made = until(first.ctx.deadline, pin!(made)).await;
            match made {
                Some(Ok(wasm)) => return self.serve(wasm, first).await,
                Some(Err(error)) => self.calls.fail(first.id, error),
                None => self.calls.fail(first.id, CallError::DeadlineExceeded),
            }
        }
    }

    async fn serve(mut self, mut wasm: WasmInstance, first: Task) {
        let end = self.work(&mut wasm, first).await;
        self.retire();
        match end {
            End::Done => {}
            End::Stuck => self.calls.fail_all(|open| match open.is_late(Duration::ZERO) {
                true => CallError::DeadlineExceeded,
                false => neighbour("did not let others go on at its deadline"),
            }),
            End::Failed(error) => {
                let mut store = wasm.store.as_context_mut();
                let culprit = store.async_call_stack().ok().and_then(Iterator::last);
                let is_here = culprit.is_some() && self.calls.has(culprit);
                let cause = self.code.failure(wasm.store.data_mut(), error, "a call among others");
                self.calls.fail_all(|open| match open.task == culprit || !is_here {
                    true => cause.clone(),
                    false => neighbour(&format!("failed: {cause}")),
                });
            }
        }
    }

    /// Until the last call has ended, or the instance is of no more use.
    async fn work(&mut self, wasm: &mut WasmInstance, first: Task) -> End {
        let calls = Arc::clone(&self.calls);
        let WasmInstance { store, instance, exports, handler, .. } = wasm;
        let mut entry = Entry { code: Arc::clone(&self.code), instance, exports, handler };
        let mut work = pin!(
            store.run_concurrent(async |accessor| self.admit(accessor, &mut entry, first).await)
        );
        let mut stuck = pin!(calls.stuck(GRACE));
        let ended = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            // A guest that computes yields here at each tick, when timers may be late.
            Poll::Pending if calls.is_stuck(GRACE) => Poll::Ready(None),
            Poll::Pending => stuck.as_mut().poll(cx).map(|()| None),
        });
        match ended.await {
            Some(Ok(Ok(()))) => End::Done,
            Some(Ok(Err(error)) | Err(error)) => End::Failed(error),
            None => End::Stuck,
        }
    }

    /// Lets calls in and has them all go on together.
    async fn admit(
        &mut self,
        accessor: &Accessor<HostState>,
        entry: &mut Entry<'_>,
        first: Task,
    ) -> wasmtime::Result<()> {
        enum Next {
            Enters(Option<Task>),
            Ended(wasmtime::Result<bool>),
        }
        let calls = Arc::clone(&self.calls);
        let mut working = FuturesUnordered::new();
        let enters = |task: Task, entry: &mut Entry<'_>| {
            let Task { id, work, ctx } = task;
            let entered = accessor.with(|store| entry.look_up(store, work))?;
            let guest = Guest { accessor, calls: &calls, id, ctx };
            Ok::<_, wasmtime::Error>(guest.run(entered))
        };
        working.push(enters(first, entry)?);
        let mut is_open = true;
        while is_open || !working.is_empty() {
            let next = poll_fn(|cx| {
                if let Poll::Ready(Some(ended)) = working.poll_next_unpin(cx) {
                    return Poll::Ready(Next::Ended(ended));
                }
                match is_open {
                    true => self.tasks.poll_recv(cx).map(Next::Enters),
                    false => Poll::Pending,
                }
            });
            match next.await {
                Next::Enters(Some(task)) => working.push(enters(task, entry)?),
                Next::Enters(None) => is_open = false,
                Next::Ended(is_in_time) => {
                    if !is_in_time? {
                        self.retire();
                        is_open = false;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes no more calls; those that have not begun go into the next instance.
    fn retire(&mut self) {
        self.calls.close();
        while let Ok(Task { id, work, ctx }) = self.tasks.try_recv() {
            let Some(open) = self.calls.end(id) else { continue };
            match self.joint.upgrade() {
                Some(joint) => joint.enter(open, work, ctx),
                None => open.fail(CallError::Unavailable("the slice was stopped".to_owned())),
            }
        }
    }
}

fn neighbour(what: &str) -> CallError {
    CallError::Unavailable(format!("another call in the same instance {what}"))
}

/// Where calls enter an instance.
struct Entry<'a> {
    code: Arc<Code>,
    instance: &'a Instance,
    exports: &'a mut Exports,
    handler: &'a mut Option<Handler>,
}

impl Entry<'_> {
    fn look_up(
        &mut self,
        mut store: impl AsContextMut<Data = HostState>,
        work: Work,
    ) -> wasmtime::Result<Entered> {
        let Self { code, instance, exports, handler } = self;
        Ok(match work {
            Work::Call { function, args } => {
                let export = exports.get(store, instance, code, function)?.clone();
                Entered::Call { export, args }
            }
            Work::Handle { request, guard } => {
                let Handler::V03(handler) = Handler::get(handler, &mut store, instance, code)?
                else {
                    bail!("only handlers of wasi:http 0.3 take several requests at a time");
                };
                Entered::Handle { handler, request, guard }
            }
        })
    }
}

impl Guest<'_> {
    /// False when the deadline came first. An error is the end of the instance.
    async fn run(self, entered: Entered) -> wasmtime::Result<bool> {
        let deadline = self.ctx.deadline;
        if deadline <= Instant::now() || self.calls.is_unwanted(self.id) {
            // Nothing has begun, so nothing is left behind.
            self.calls.fail(self.id, CallError::DeadlineExceeded);
            return Ok(true);
        }
        let outcome = match entered {
            Entered::Call { export, args } => until(deadline, pin!(self.call(export, args))).await,
            Entered::Handle { handler, request, guard } => {
                let (cut, until_cut) = oneshot::channel();
                let handled = self.handle(handler, *request, until_cut);
                let outcome = until(deadline, pin!(handled)).await;
                match &outcome {
                    Some(Ok(())) => guard.release(),
                    // Whoever still reads the body must not take its end for a good one.
                    _ => drop(guard),
                }
                drop(cut);
                outcome
            }
        };
        match outcome {
            Some(outcome) => outcome.map(|()| true),
            None => {
                self.calls.fail(self.id, CallError::DeadlineExceeded);
                Ok(false)
            }
        }
    }

    async fn call(&self, export: Export, args: Bytes) -> wasmtime::Result<()> {
        let started = |state: &mut HostState, task| self.started(state, task);
        let answer = export.call_concurrent(self.accessor, args, started).await?;
        if let Some(Reply::Bytes(tx)) = self.ended().and_then(|open| open.reply) {
            // Nobody may wait for it any more.
            let _ = tx.send(Ok(answer));
        }
        Ok(())
    }

    async fn handle(
        &self,
        handler: v03::Handler,
        request: http::Request<WasiBody>,
        until_cut: oneshot::Receiver<()>,
    ) -> wasmtime::Result<()> {
        let started = |state: &mut HostState, task| self.started(state, task);
        let answer = v03::answer(self.accessor, handler, request, Some(until_cut), started);
        match answer.await? {
            Ok(v03::Answer { response, unwanted }) => {
                if let Some(Reply::Response(tx)) = self.calls.reply(self.id) {
                    let _ = tx.send(Ok(response));
                    let _ = unwanted.await;
                }
                self.ended();
            }
            Err(error) => self.ended().into_iter().for_each(|open| open.fail(error.clone())),
        }
        Ok(())
    }

    fn started(&self, state: &mut HostState, task: GuestTaskId) {
        self.calls.started(self.id, task);
        state.join(task, self.ctx.clone());
    }

    fn ended(&self) -> Option<Open> {
        let open = self.calls.end(self.id)?;
        if let Some(task) = open.task {
            self.accessor.with(|mut store| store.data_mut().leave(task));
        }
        Some(open)
    }
}
