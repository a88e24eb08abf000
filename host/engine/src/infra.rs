//! The seam for what the host provides to guests. Knows no infra slice by name.

use crate::{AppContext, CallContext, HostState};
use aether_types::Problem;
use std::{any::Any, marker::PhantomData, sync::Arc};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi_http::WasiHttpHooks;

/// An infra slice: WIT interfaces that the host provides, in three steps in time order. `link` once
/// per process, `configure` once per slice that imports one of the interfaces, `instance` once per
/// `WasmInstance`.
///
/// Host traits of bindgen are implemented for [`InfraView<'_, Self>`](InfraView) and added with
/// `add_to_linker::<HostState, Infra<Self>>(linker, HostState::infra::<Self>)`.
pub trait InfraSlice: Send + Sync + Sized + 'static {
    /// What one slice of one application may do.
    type AppState: Send + Sync + 'static;
    /// What one `WasmInstance` holds; dropped with it.
    type State: Send + 'static;

    /// Full names of the interfaces that `link` defines, such as `wasi:config/store@0.2.0-rc.1`.
    fn interfaces(&self) -> &'static [&'static str];

    /// Defines the interfaces. Called once for each of the two wasmtime engines. Functions that
    /// wait must be async; the others should not be.
    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()>;

    /// Works offline: must not reach the back end. A missing grant is a problem here, not later.
    fn configure(&self, app: &AppContext) -> Result<Self::AppState, Problem>;

    /// Cheap: on the path of every new `WasmInstance`.
    fn instance(&self, app: &Self::AppState) -> Self::State;

    /// Only for the infra slice that sends the HTTP requests of guests (`wasi:http` types and
    /// outgoing-handler are linked by the engine). Called anew for each host call; `call` is the
    /// call that the guest is working on.
    fn http_hooks<'a>(
        state: &'a mut Self::State,
        call: &CallContext,
    ) -> Option<&'a mut dyn WasiHttpHooks> {
        let (_, _) = (state, call);
        None
    }
}

/// What a host function of the infra slice `S` can reach.
pub struct InfraView<'a, S: InfraSlice> {
    pub state: &'a mut S::State,
    /// Resources that the guest holds handles of.
    pub table: &'a mut ResourceTable,
    /// The call that the guest is working on.
    pub call: &'a CallContext,
    pub app: &'a Arc<AppContext>,
}

/// Names the infra slice `S` in `add_to_linker`.
pub struct Infra<S>(PhantomData<S>);

impl<S: InfraSlice> HasData for Infra<S> {
    type Data<'a> = InfraView<'a, S>;
}

/// An infra slice without its types, so that a node can list them.
pub trait ErasedInfra: Send + Sync + 'static {
    fn interfaces(&self) -> &'static [&'static str];
    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()>;
    /// What `app` may do, ready to make instances.
    fn configure(self: Arc<Self>, app: &AppContext) -> Result<Box<dyn ConfiguredInfra>, Problem>;
}

/// An infra slice that is configured for one slice of one application.
pub trait ConfiguredInfra: Send + Sync {
    fn instance(&self) -> Box<dyn InfraState>;
}

/// The state of an infra slice in one `WasmInstance`.
pub trait InfraState: Any + Send {
    fn http_hooks(&mut self, call: &CallContext) -> Option<&mut dyn WasiHttpHooks>;
}

/// Keeps the type of the infra slice beside its state, so that two with the same state type differ.
pub(crate) struct Typed<S: InfraSlice>(pub(crate) S::State);

struct Configured<S: InfraSlice> {
    slice: Arc<S>,
    app: S::AppState,
}

impl<S: InfraSlice> ErasedInfra for S {
    fn interfaces(&self) -> &'static [&'static str] {
        InfraSlice::interfaces(self)
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        InfraSlice::link(self, linker)
    }

    fn configure(self: Arc<Self>, app: &AppContext) -> Result<Box<dyn ConfiguredInfra>, Problem> {
        let app = InfraSlice::configure(&*self, app)?;
        Ok(Box::new(Configured { slice: self, app }))
    }
}

impl<S: InfraSlice> ConfiguredInfra for Configured<S> {
    fn instance(&self) -> Box<dyn InfraState> {
        Box::new(Typed::<S>(self.slice.instance(&self.app)))
    }
}

impl<S: InfraSlice> InfraState for Typed<S> {
    fn http_hooks(&mut self, call: &CallContext) -> Option<&mut dyn WasiHttpHooks> {
        S::http_hooks(&mut self.0, call)
    }
}
