//! What the host keeps for one `WasmInstance`. Knows no pool and no code of the guest.

use crate::guest_output::{CallOutput, CurrentOutput};
use crate::infra::{ConfiguredInfra, InfraSlice, InfraState, InfraView, Typed};
use crate::meter::Meter;
use crate::{AppContext, CallContext, Waits};
use std::{any::Any, collections::BTreeMap, sync::Arc};
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

/// Handles that one `WasmInstance` may hold at a time: 4,096 of some 100 bytes are 400 KB.
pub const HANDLES_MAX: usize = 4_096;

/// The data of a wasmtime store.
pub struct HostState {
    app: Arc<AppContext>,
    /// The call that the guest is working on.
    call: Call,
    /// The task of that call, where several are in the instance.
    task: Option<GuestTaskId>,
    /// The others. Ended ones stay, for what their tasks do after their answer, until wasmtime
    /// gives the name of their task to another one: so there are never more than there were tasks.
    calls: BTreeMap<GuestTaskId, Call>,
    pub(crate) meter: Meter,
    table: ResourceTable,
    infra: Box<[Box<dyn InfraState>]>,
    wasi: WasiCtx,
    output: CurrentOutput,
    /// The output still leads to an earlier call; set right when it is reached, because most calls
    /// write nothing.
    output_stale: bool,
    http: WasiHttpCtx,
    no_http: NoHttp,
}

/// What is kept for one call.
struct Call {
    ctx: CallContext,
    /// What it wrote, if anything.
    output: Option<Arc<CallOutput>>,
    /// The slice as it waits for the calls that it makes, once it has made one.
    waits: Option<Arc<Waits>>,
}

impl Call {
    fn new(ctx: CallContext) -> Self {
        Self { ctx, output: None, waits: None }
    }
}

/// Answers the outgoing requests of a slice for which no infra slice is configured.
struct NoHttp;

type Sent =
    Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl HostState {
    pub(crate) fn new(
        app: Arc<AppContext>,
        infra: &[Box<dyn ConfiguredInfra>],
        meter: Meter,
        call: CallContext,
    ) -> Self {
        let output = CallOutput::new(&app, &call.origin);
        let current = CurrentOutput::new(Arc::clone(&output));
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            wasi: wasi(&app, &current),
            infra: infra.iter().map(|infra| infra.instance()).collect(),
            app,
            call: Call { output: Some(output), ..Call::new(call) },
            task: None,
            calls: BTreeMap::new(),
            meter,
            table,
            output: current,
            output_stale: false,
            http: WasiHttpCtx::new(),
            no_http: NoHttp,
        }
    }

    /// Another call begins in this `WasmInstance`, which has no other.
    pub(crate) fn begin(&mut self, ctx: CallContext) {
        self.call = Call::new(ctx);
        self.output_stale = true;
    }

    /// Another call begins beside those that are there; `task` works for it.
    pub(crate) fn join(&mut self, task: GuestTaskId, ctx: CallContext) {
        if self.task == Some(task) {
            self.task = None;
        }
        self.calls.insert(task, Call::new(ctx));
    }

    /// The guest goes on with the work of `task`, if that is a task of a call.
    pub(crate) fn switch(&mut self, task: Option<GuestTaskId>) {
        let Some(task) = task.filter(|task| self.task != Some(*task)) else { return };
        let Some(next) = self.calls.remove(&task) else { return };
        let before = std::mem::replace(&mut self.call, next);
        if let Some(task) = self.task.replace(task) {
            self.calls.insert(task, before);
        }
        self.output_stale = true;
    }

    /// The call of `task` has its answer: what it wrote is complete.
    pub(crate) fn leave(&mut self, task: GuestTaskId) {
        if self.task == Some(task) {
            self.task = None;
            self.join(task, self.call.ctx.clone());
        } else if let Some(call) = self.calls.get_mut(&task) {
            call.output = None;
        }
    }

    /// What host functions of the infra slice `S` work with.
    ///
    /// # Panics
    /// When the slice imports no interface of `S`: then no host function of `S` can be reached.
    pub fn infra<S: InfraSlice>(&mut self) -> InfraView<'_, S> {
        let state = self.infra.iter_mut().find_map(|state| {
            let any: &mut dyn Any = &mut **state;
            any.downcast_mut::<Typed<S>>()
        });
        let state = &mut state.expect("an infra slice is configured for who imports it").0;
        InfraView { state, table: &mut self.table, call: &self.call.ctx, app: &self.app }
    }

    /// The call that the guest is working on.
    pub fn call(&self) -> &CallContext {
        &self.call.ctx
    }

    /// The context of a call that the guest makes while it works on this one.
    pub(crate) fn nested(&mut self) -> CallContext {
        let Call { ctx, waits, .. } = &mut self.call;
        let waits = waits.get_or_insert_with(|| ctx.waits(Arc::clone(&self.app.coordinates)));
        ctx.awaited_by(Arc::clone(waits))
    }

    pub fn app(&self) -> &Arc<AppContext> {
        &self.app
    }
}

/// Denies everything but clocks, random numbers, output, and the granted environment.
fn wasi(app: &AppContext, output: &CurrentOutput) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(output.stdout()).stderr(output.stderr());
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    for (name, value) in &app.grants.env {
        wasi.env(name, value);
    }
    wasi.build()
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.output_stale {
            self.output_stale = false;
            let new = || CallOutput::new(&self.app, &self.call.ctx.origin);
            self.output.select(self.call.output.get_or_insert_with(new));
        }
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let call = &self.call.ctx;
        let hooks = self.infra.iter_mut().find_map(|state| state.http_hooks(call));
        WasiHttpCtxView {
            hooks: hooks.unwrap_or(&mut self.no_http),
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl WasiHttpHooks for NoHttp {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }
}
