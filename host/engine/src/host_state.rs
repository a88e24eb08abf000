//! What the host keeps for one `WasmInstance`. Knows no pool and no code of the guest.

use crate::guest_output::GuestOutput;
use crate::infra::{ConfiguredInfra, InfraSlice, InfraState, InfraView, Typed};
use crate::meter::Meter;
use crate::{AppContext, CallContext};
use std::{any::Any, sync::Arc};
use wasmtime::component::ResourceTable;
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
    call: CallContext,
    pub(crate) meter: Meter,
    table: ResourceTable,
    infra: Box<[Box<dyn InfraState>]>,
    wasi: WasiCtx,
    outputs: [GuestOutput; 2],
    /// The outputs still carry the request id of an earlier call; set right when they are reached,
    /// because most calls write nothing.
    outputs_stale: bool,
    http: WasiHttpCtx,
    no_http: NoHttp,
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
        let output = |name| GuestOutput::new(app.clone(), name, call.origin.request_id.clone());
        let outputs = [output("stdout"), output("stderr")];
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        Self {
            wasi: wasi(&app, &outputs),
            infra: infra.iter().map(|infra| infra.instance()).collect(),
            app,
            call,
            meter,
            table,
            outputs,
            outputs_stale: false,
            http: WasiHttpCtx::new(),
            no_http: NoHttp,
        }
    }

    /// Another call begins in this `WasmInstance`.
    pub(crate) fn begin(&mut self, call: CallContext) {
        self.call = call;
        self.outputs_stale = true;
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
        InfraView { state, table: &mut self.table, call: &self.call, app: &self.app }
    }

    /// The call that the guest is working on.
    pub fn call(&self) -> &CallContext {
        &self.call
    }

    pub fn app(&self) -> &Arc<AppContext> {
        &self.app
    }
}

/// Denies everything but clocks, random numbers, output, and the granted environment.
fn wasi(app: &AppContext, [stdout, stderr]: &[GuestOutput; 2]) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(stdout.clone()).stderr(stderr.clone());
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    for (name, value) in &app.grants.env {
        wasi.env(name, value);
    }
    wasi.build()
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        if self.outputs_stale {
            self.outputs_stale = false;
            self.outputs.iter().for_each(|output| output.begin(&self.call.origin.request_id));
        }
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let call = &self.call;
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
