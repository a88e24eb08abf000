//! What the host keeps for one `WasmInstance`. Knows no pool and no code of the guest.

use crate::infra::{InfraSlice, InfraState, InfraView, Typed};
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
    pub(crate) app: Arc<AppContext>,
    /// The call that the guest is working on.
    pub(crate) call: CallContext,
    pub(crate) meter: Meter,
    table: ResourceTable,
    infra: Box<[Box<dyn InfraState>]>,
    wasi: WasiCtx,
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
        call: CallContext,
        meter: Meter,
        infra: Box<[Box<dyn InfraState>]>,
        wasi: WasiCtx,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let http = WasiHttpCtx::new();
        Self { app, call, meter, table, infra, wasi, http, no_http: NoHttp }
    }

    /// What host functions of the infra slice `S` work with.
    ///
    /// # Panics
    /// When the slice imports no interface of `S`: then no host function of `S` is linked either.
    pub fn infra<S: InfraSlice>(&mut self) -> InfraView<'_, S> {
        let state = self.infra.iter_mut().find_map(|state| {
            let any: &mut dyn Any = &mut **state;
            any.downcast_mut::<Typed<S>>()
        });
        let state = &mut state.expect("an infra slice is configured before it is linked").0;
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

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
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
