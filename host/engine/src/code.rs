//! A compiled and linked component, and how instances are made of it. Knows no pool and no calls.

use crate::codec::{Concurrency, Export};
use crate::deadline::DeadlinePassed;
use crate::http::Handler;
use crate::infra::ConfiguredInfra;
use crate::meter::{Budget, Meter};
use crate::runtime::{Live, Shared};
use crate::{AppContext, CallContext, HANDLES_MAX, HostState};
use aether_types::description::HttpVersion;
use aether_types::slice_toml::Reuse;
use aether_types::{CallError, FunctionName, wit};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre};
use wasmtime::{AsContextMut, CallHook, PoolConcurrencyLimitError, Store, UpdateDeadline};

pub(crate) struct Code {
    pub(crate) app: Arc<AppContext>,
    pub(crate) pre: InstancePre<HostState>,
    pub(crate) concurrency: Concurrency,
    pub(crate) functions: Vec<ExportedFunction>,
    /// The function of `wasi:http` that takes requests.
    pub(crate) handler: Option<(HttpVersion, ComponentExportIndex)>,
    pub(crate) hooks: Option<Hooks>,
    pub(crate) infra: Vec<Box<dyn ConfiguredInfra>>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) shared: Arc<Shared>,
}

/// One function that the component exports.
#[derive(Debug)]
pub(crate) struct ExportedFunction {
    pub(crate) name: FunctionName,
    pub(crate) ty: wit::Function,
    pub(crate) index: ComponentExportIndex,
    /// Of the function itself, or that of the slice.
    pub(crate) timeout: Duration,
}

/// The functions of `aether:slice/lifecycle`.
#[derive(Debug)]
pub(crate) struct Hooks {
    pub(crate) start: ComponentExportIndex,
    pub(crate) stop: ComponentExportIndex,
}

/// A component in memory, able to take calls: wasmtime's instance and store.
pub(crate) struct WasmInstance {
    pub(crate) store: Store<HostState>,
    pub(crate) instance: Instance,
    pub(crate) exports: Exports,
    /// The function of `wasi:http`, after its first call.
    pub(crate) handler: Option<Handler>,
    _live: Live,
}

/// Functions that were called before, by their place in `Code::functions`.
pub(crate) struct Exports(Box<[Option<Export>]>);

/// How long a caller should wait when the node has no room for another instance: some idle ones are
/// dropped every second.
const FULL_RETRY_MILLIS: u64 = 1_000;

impl Code {
    /// Makes an instance, in which `ctx` is the first call.
    ///
    /// # Errors
    /// `Overloaded` when the node is full, else what the component did while it was initialised.
    pub(crate) async fn instantiate(&self, ctx: CallContext) -> Result<WasmInstance, CallError> {
        let live = self.shared.live().ok_or(CallError::Overloaded(Some(FULL_RETRY_MILLIS)))?;
        let meter = Meter::new(Arc::clone(&self.budget), self.app.limits.memory);
        let state = HostState::new(Arc::clone(&self.app), &self.infra, meter, ctx);
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(1);
        match self.app.limits.reuse {
            Reuse::Serial | Reuse::Fresh => one_call(&mut store),
            Reuse::Concurrent => many_calls(&mut store),
        }
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => {
                let exports = Exports(self.functions.iter().map(|_| None).collect());
                Ok(WasmInstance { store, instance, exports, handler: None, _live: live })
            }
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                Err(CallError::Overloaded(Some(FULL_RETRY_MILLIS)))
            }
            Err(error) => Err(self.failure(store.data_mut(), error, "instantiate")),
        }
    }

    /// What an error of wasmtime means to the caller. Logs it, with the guest's backtrace.
    pub(crate) fn failure(
        &self,
        state: &mut HostState,
        error: wasmtime::Error,
        what: &str,
    ) -> CallError {
        if error.is::<DeadlinePassed>() {
            return CallError::DeadlineExceeded;
        }
        if let Some(call) = error.downcast_ref::<CallError>() {
            return call.clone();
        }
        let refused = state.meter.refused();
        let (origin, app) = (&state.call().origin, &self.app);
        tracing::warn!(
            app = %app.app,
            slice = %app.coordinates,
            request_id = %origin.request_id,
            variant = origin.variant_number(),
            trace_id = origin.trace_id(),
            principal = origin.principal_name(),
            call = what,
            error = ?error,
            "a guest failed"
        );
        let cause = error.root_cause().to_string();
        CallError::CalleeFailed(match refused {
            Some(refused) => format!("{cause}, after {refused}"),
            None => cause,
        })
    }
}

/// At every tick the guest makes room for others, so that no loop keeps a thread.
fn one_call(store: &mut Store<HostState>) {
    store.epoch_deadline_callback(|store| match Instant::now() < store.data().call().deadline {
        true => Ok(UpdateDeadline::Yield(1)),
        false => Err(DeadlinePassed.into()),
    });
}

/// Whose work a host function does is asked of wasmtime each time that the guest calls one. Which
/// call is late is not decided here: see `joint`.
fn many_calls(store: &mut Store<HostState>) {
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    store.call_hook(|mut store, hook| {
        if matches!(hook, CallHook::CallingHost) {
            let task = store.async_call_stack()?.last();
            store.data_mut().switch(task);
        }
        Ok(())
    });
}

impl WasmInstance {
    /// Another call begins.
    pub(crate) fn begin(&mut self, ctx: CallContext) {
        self.store.data_mut().begin(ctx);
        self.store.set_epoch_deadline(1);
    }

    /// Calls a function with wire bytes. After an error the instance is of no more use.
    pub(crate) async fn call(
        &mut self,
        code: &Code,
        function: usize,
        args: Bytes,
    ) -> Result<Bytes, CallError> {
        let export = self.exports.get(&mut self.store, &self.instance, code, function);
        let answer = match export {
            Ok(export) => export.call(&mut self.store, args).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| {
            code.failure(self.store.data_mut(), error, &code.functions[function].ty.name)
        })
    }

    /// Calls a hook without parameters that returns `result<_, string>`.
    pub(crate) async fn hook(
        &mut self,
        code: &Code,
        index: &ComponentExportIndex,
        name: &str,
    ) -> Result<Result<(), String>, CallError> {
        let hook =
            self.instance.get_typed_func::<(), (Result<(), String>,)>(&mut self.store, index);
        let answer = match hook {
            Ok(hook) => hook.call_async(&mut self.store, ()).await,
            Err(error) => Err(error),
        };
        let answer = answer.map(|(answer,)| answer);
        answer.map_err(|error| code.failure(self.store.data_mut(), error, name))
    }
}

impl Exports {
    /// Looks the function up at its first call.
    pub(crate) fn get(
        &mut self,
        store: impl AsContextMut,
        instance: &Instance,
        code: &Code,
        function: usize,
    ) -> wasmtime::Result<&Export> {
        let known = &mut self.0[function];
        if known.is_none() {
            let ExportedFunction { index, ty, .. } = &code.functions[function];
            *known = Some(Export::resolve(store, instance, index, ty, code.concurrency)?);
        }
        Ok(known.as_ref().expect("it was just looked up"))
    }
}
