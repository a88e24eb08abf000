//! One loaded slice on this node: its pool and its calls. Knows no plan and no routes.

use crate::admission::Admission;
use crate::code::{Code, WasmInstance};
use crate::deadline::until;
use crate::joint::{Job, Joint, Reply, Work};
use crate::pool::{Lease, Pool};
use crate::stats::Stats;
use crate::tally::Tally;
use crate::trace::Open;
use crate::{AppContext, CALL_DEPTH_MAX, CallContext, Waits, json};
use aether_types::code::Code as ProblemCode;
use aether_types::counts::Ending;
use aether_types::description::Description;
use aether_types::observed::Reason;
use aether_types::slice_toml::Reuse;
use aether_types::{CallError, FunctionName, InterfaceName};
use bytes::Bytes;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Time that a hook of `aether:slice/lifecycle` has.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// A slice of an application that is loaded on this node.
pub struct Slice {
    /// Counts loaded slices of the process from 1.
    number: u32,
    description: Arc<Description>,
    pub(crate) code: Arc<Code>,
    pub(crate) pool: Arc<Pool<WasmInstance>>,
    /// Where all calls share an instance; the pool then only counts and queues them.
    pub(crate) joint: Option<Arc<Joint>>,
    pub(crate) tally: Arc<Tally>,
    _admission: Admission,
}

/// A call that may still be made elsewhere: a slice takes it only when it begins.
#[derive(Debug, Clone)]
pub struct Offer {
    /// In the wire format of the function's types.
    pub args: Bytes,
    pub ctx: CallContext,
}

/// How busy a slice is on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// Calls that run or wait.
    pub calls: usize,
    /// How many can run at the same time.
    pub calls_max: usize,
}

const OFFERED: &str = "a call is offered until it begins";

/// A function of a slice, found once: a call by its place needs no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(usize);

impl Slice {
    pub(crate) fn new(
        number: u32,
        description: Arc<Description>,
        code: Code,
        admission: Admission,
    ) -> Self {
        let limits = code.app.limits;
        let pool = Pool::new(limits.max_concurrency, limits.queue, Arc::clone(&code.shared));
        let functions = code.functions.iter().map(|function| function.name.clone());
        let handler = code.handler.iter().map(|(version, _)| version.function());
        let (app, coordinates) = (code.app.app.clone(), Arc::clone(&code.app.coordinates));
        let tally = Tally::new(app, coordinates, functions.chain(handler));
        let code = Arc::new(code);
        let joint = (limits.reuse == Reuse::Concurrent).then(|| Joint::new(Arc::clone(&code)));
        Self { number, description, code, pool, joint, tally, _admission: admission }
    }

    pub fn description(&self) -> &Arc<Description> {
        &self.description
    }

    pub fn app(&self) -> &Arc<AppContext> {
        &self.code.app
    }

    /// Where an exported function is; its interface's version may be left out, or be an older one
    /// that is compatible.
    pub fn find(&self, name: &FunctionName) -> Option<Place> {
        let exact = self.code.functions.iter().position(|f| name.means(&f.name));
        exact.or_else(|| self.compatible(&name.interface, &name.function)).map(Place)
    }

    /// Calls a function. `args` and the answer are in the wire format of its types.
    ///
    /// # Errors
    /// Technical ones only: an error that the function returns is an answer.
    pub async fn call(
        &self,
        place: Place,
        args: impl Into<Bytes>,
        ctx: CallContext,
    ) -> Result<Bytes, CallError> {
        self.run(place.0, &mut Some(Offer { args: args.into(), ctx })).await
    }

    /// The same for a call that is offered: what is still there after an error was not begun.
    ///
    /// # Errors
    /// As [`Slice::call`].
    pub async fn offer(&self, place: Place, offer: &mut Option<Offer>) -> Result<Bytes, CallError> {
        self.run(place.0, offer).await
    }

    /// Calls that run or wait here now, and how many can run at the same time.
    pub fn occupancy(&self) -> Occupancy {
        Occupancy { calls: self.pool.calls(), calls_max: self.code.app.limits.max_concurrency }
    }

    /// Calls the start hook, if there is one. To be done before the first call.
    ///
    /// # Errors
    /// What the hook returned, why it did not finish, or that it took longer than [`HOOK_TIMEOUT`].
    pub async fn start(&self, ctx: CallContext) -> Result<(), Reason> {
        self.hook("start", ctx).await.map_err(|message| {
            tracing::warn!(slice = %self.app().coordinates, %message, "the start hook failed");
            let message = format!("the start hook failed: {message}");
            Reason { code: ProblemCode::StartFailed, message, retryable: true }
        })
    }

    /// Calls the stop hook, if there is one, and drops every instance. An error of the hook is
    /// logged. To be done after [`Slice::drain`]: calls that still wait get `unavailable`.
    pub async fn stop(&self, ctx: CallContext) {
        self.pool.close();
        if let Err(message) = self.hook("stop", ctx).await {
            tracing::warn!(slice = %self.app().coordinates, %message, "the stop hook failed");
        }
        self.pool.clear();
        self.joint.iter().for_each(|joint| joint.close());
    }

    /// Takes no more calls and waits for those in flight, queued ones included.
    ///
    /// # Errors
    /// How many were still in flight at the deadline. They go on until they end or reach their own.
    pub async fn drain(&self, deadline: Instant) -> Result<(), usize> {
        self.pool.close();
        self.pool.quiet(deadline).await
    }

    pub fn stats(&self) -> Stats {
        let mut census = self.pool.census();
        census.idle += self.joint.as_ref().map_or(0, |joint| joint.idle());
        Stats::new(census, &self.tally.sum())
    }

    /// What it has counted since it was loaded, and goes on to count.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn place(&self, interface: &InterfaceName, function: &str) -> Option<usize> {
        let is = |name: &FunctionName| name.interface == *interface && name.function == function;
        let exact = self.code.functions.iter().position(|f| is(&f.name));
        exact.or_else(|| self.compatible(interface, function))
    }

    /// The function in the newest version that serves those who want this one.
    fn compatible(&self, interface: &InterfaceName, function: &str) -> Option<usize> {
        let functions = self.code.functions.iter().enumerate();
        let serves = functions
            .filter(|(_, f)| f.name.function == function && f.name.interface.serves(interface));
        let newest = serves.max_by_key(|(_, f)| f.name.interface.version());
        newest.map(|(place, _)| place)
    }

    pub(crate) async fn run(
        &self,
        place: usize,
        offer: &mut Option<Offer>,
    ) -> Result<Bytes, CallError> {
        let ctx = &mut offer.as_mut().expect(OFFERED).ctx;
        let now = Instant::now();
        let span = self.span(place, ctx, now);
        let counting = self.tally.begin(place, ctx, now).traced(span);
        let outcome = match admit(ctx, self.code.functions[place].timeout, now) {
            Ok(()) => {
                let deadline = ctx.deadline;
                let outcome = until(deadline, pin!(self.work(place, offer))).await;
                outcome.unwrap_or(Err(CallError::DeadlineExceeded))
            }
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(answer) => counting.end(self.ending(place, answer)),
            Err(error) => counting.fail(error, offer.is_none()),
        }
        outcome
    }

    /// The span of a call, where its trace is recorded and somebody collects spans.
    pub(crate) fn span(
        &self,
        place: usize,
        ctx: &mut CallContext,
        now: Instant,
    ) -> Option<Box<Open>> {
        let AppContext { app, coordinates, .. } = &*self.code.app;
        let callee = (app, coordinates, self.tally.function(place));
        self.code.shared.traces.open(ctx, callee, now)
    }

    /// What the caller is told by an answer of the function.
    fn ending(&self, place: usize, answer: &[u8]) -> Ending {
        // Nearly all answers are values; an error begins with this byte, and so may others.
        match answer.first() {
            Some(1) => {
                let ty = &self.code.functions[place].ty;
                json::ending(ty, &self.description.settings, answer)
            }
            _ => Ending::Answered,
        }
    }

    async fn work(&self, place: usize, offer: &mut Option<Offer>) -> Result<Bytes, CallError> {
        let tampering = &self.code.shared.tampering;
        let slice = &self.app().coordinates.slice;
        if let Some(fate) = tampering.fate(slice, Some(&self.code.functions[place].name)) {
            // Boxed, because what is rare should not make every call's future large.
            if let Err(error) = Box::pin(self.suffer(fate)).await {
                // It has begun: nobody makes it again without asking whether that does harm.
                offer.take();
                return Err(error);
            }
        }
        let mut lease = self.lease(&offer.as_ref().expect(OFFERED).ctx).await?;
        if let Some(joint) = &self.joint {
            let Offer { args, ctx } = offer.take().expect(OFFERED);
            let (tx, rx) = oneshot::channel();
            let (work, reply) = (Work::Call { function: place, args }, Reply::Bytes(tx));
            joint.submit(Job { work, ctx, reply, lease });
            return rx.await.unwrap_or_else(|_| Err(stopped()));
        }
        let mut wasm = match lease.take() {
            Some(wasm) => wasm,
            None => {
                let ctx = offer.as_ref().expect(OFFERED).ctx.clone();
                // Boxed, because what is rare should not make every call's future large.
                Box::pin(self.code.instantiate(ctx)).await?
            }
        };
        let Offer { args, ctx } = offer.take().expect(OFFERED);
        wasm.begin(ctx);
        let answer = wasm.call(&self.code, place, args).await?;
        self.code.keep(lease, wasm);
        Ok(answer)
    }

    /// A slot for a call, now or later.
    pub(crate) async fn lease(&self, ctx: &CallContext) -> Result<Lease<WasmInstance>, CallError> {
        self.pool.lease(ctx, |slots| self.may_wait(ctx, slots)).await
    }

    /// Refuses a call that would wait for a slot which is not given back before the call has ended:
    /// slices wait for each other in a circle.
    fn may_wait(&self, ctx: &CallContext, slots: usize) -> Result<(), CallError> {
        let own = &self.code.app.coordinates;
        let is_here = |waits: &&Waits| waits.node.is_none() && waits.slice == *own;
        let held = ctx.waiting().filter(is_here).count();
        if held == 0 {
            return Ok(());
        }
        let mut chain: Vec<String> = ctx.waiting().map(|waits| waits.slice.to_string()).collect();
        chain.reverse();
        chain.push(own.to_string());
        let (chain, origin) = (chain.join(" -> "), &ctx.origin);
        if held >= slots {
            return Err(CallError::Denied(format!("slices wait for each other: {chain}")));
        }
        // The other slots may be held by calls that wait in the same way, or not.
        tracing::warn!(
            request_id = %origin.request_id,
            variant = origin.variant_number(),
            trace_id = origin.trace_id(),
            principal = origin.principal_name(),
            chain,
            "refused a call that may wait for itself"
        );
        Err(CallError::Overloaded(None))
    }

    async fn hook(&self, name: &str, ctx: CallContext) -> Result<(), String> {
        let Some(hooks) = &self.code.hooks else { return Ok(()) };
        let index = if name == "start" { &hooks.start } else { &hooks.stop };
        let mut ctx = ctx;
        admit(&mut ctx, HOOK_TIMEOUT, Instant::now()).map_err(|error| error.to_string())?;
        let deadline = ctx.deadline;
        let work = async {
            let mut lease = self.pool.lease_for_hook();
            let mut wasm = self.code.ready(&mut lease, ctx).await?;
            let answer = wasm.hook(&self.code, index, name).await?;
            self.code.keep(lease, wasm);
            Ok(answer)
        };
        match until(deadline, pin!(work)).await.unwrap_or(Err(CallError::DeadlineExceeded)) {
            Ok(answer) => answer,
            Err(CallError::DeadlineExceeded) => {
                Err(format!("it took longer than {HOOK_TIMEOUT:?}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Code {
    /// The warm instance of the slot, or a new one; `ctx` is its call from now on.
    pub(crate) async fn ready(
        &self,
        lease: &mut Lease<WasmInstance>,
        ctx: CallContext,
    ) -> Result<WasmInstance, CallError> {
        match lease.take() {
            Some(mut wasm) => {
                wasm.begin(ctx);
                Ok(wasm)
            }
            // Boxed, because what is rare should not make every call's future large.
            None => Box::pin(self.instantiate(ctx)).await,
        }
    }

    /// Ends a good call: the instance stays warm where the slice's policy says so.
    pub(crate) fn keep(&self, mut lease: Lease<WasmInstance>, wasm: WasmInstance) {
        if self.app.limits.reuse == Reuse::Serial {
            lease.put(wasm);
        }
    }
}

/// Refuses what must not run at all; the rest has its deadline or that of `timeout`, which is
/// nearer.
pub(crate) fn admit(
    ctx: &mut CallContext,
    timeout: Duration,
    now: Instant,
) -> Result<(), CallError> {
    if ctx.depth() >= CALL_DEPTH_MAX {
        let message = format!("more than {CALL_DEPTH_MAX} slices wait for each other");
        return Err(CallError::Denied(message));
    }
    if ctx.deadline <= now {
        return Err(CallError::DeadlineExceeded);
    }
    ctx.deadline = ctx.deadline.min(now + timeout);
    Ok(())
}

/// What those get whose instance went away without a word.
pub(crate) fn stopped() -> CallError {
    CallError::Unavailable("the slice was stopped".to_owned())
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slice").field(&self.app().coordinates).finish()
    }
}
