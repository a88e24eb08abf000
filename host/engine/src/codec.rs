//! Values of WIT types as bytes, into and out of components. Knows no call, no route, no JSON.
//!
//! # Wire format, version 1
//! Driven by the type that both sides have checked to be equal, so nothing describes itself. Little
//! endian, no padding, no names.
//!
//! | type | bytes |
//! |---|---|
//! | `bool` | 1: 0 or 1 |
//! | `u8` … `s64`, `f32`, `f64` | 1, 2, 4 or 8 |
//! | `char` | 4: a Unicode scalar value |
//! | `string` | 4: length in bytes, then UTF-8 |
//! | `list<T>` | 4: count, then the elements |
//! | `option<T>` | 1: 0 or 1, then `T` if 1 |
//! | `result<T, E>` | 1: 0 is ok, 1 is err, then the payload if the case has one |
//! | `variant`, `enum` | 4: index of the case, then the payload if the case has one |
//! | `record`, `tuple` | the fields in order |
//! | `flags` | 1 up to 8 flags, 2 up to 16, 4 up to 32; flag 0 is the lowest bit, no others set |
//!
//! Parameters are the tuple of the parameters; a result is the one result value, or nothing.
//! A different meaning of these bytes is a new version of the format.
//!
//! # Raw forwarding
//! The bytes go straight between this format and a component's memory (`raw`, `lift`, `lower`),
//! without wasmtime's `Val`: its hidden traits are implemented for a byte buffer. Results of
//! functions on the engine with component-model async take the way over `Val` (`val`) where
//! wasmtime does not tell which of two ABIs the component chose. Both give the same bytes.
//!
//! # Limits
//! Nothing that comes from a component or a network is trusted: see [`WIRE_BYTES_MAX`] and
//! [`ELEMENTS_MAX`]. Recursion follows the type, and wasmparser refuses types deeper than 100.

mod lift;
mod lower;
mod raw;
mod val;
pub(crate) mod wire;

use aether_types::InterfaceName;
use aether_types::wit;
use bytes::Bytes;
use futures_util::TryFutureExt;
use std::future::Future;
use std::sync::Arc;
use tokio::task::JoinSet;
use wasmtime::component::{
    Accessor, Component, ComponentExportIndex, GuestTaskId, Instance, LinkerInstance, TypedFunc,
};
use wasmtime::{AsContextMut, Result, format_err};

pub use wire::{ELEMENTS_MAX, WIRE_BYTES_MAX, WireError};

use raw::{Answer, Args, Params};

/// One exported function of one instance, ready to be called with wire bytes.
#[derive(Clone)]
pub(crate) struct Export(Way);

#[derive(Clone)]
enum Way {
    /// No result.
    Nothing(TypedFunc<Args, Answer<0>>),
    /// A result in one core value: itself, or where it is in memory.
    One(TypedFunc<Args, Answer<1>>),
    Val(Arc<val::Export>),
}

/// Whether the engine was made with component-model async.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concurrency {
    Off,
    On,
}

/// Where a function is in a component: found once, then valid for all of its instances.
///
/// # Errors
/// When the component does not export it.
pub(crate) fn export_index(
    component: &Component,
    interface: &InterfaceName,
    function: &str,
) -> Result<ComponentExportIndex> {
    let find = || {
        let (_, instance) = component.get_export(None, interface.to_string())?;
        component.get_export(Some(&instance), function).map(|(_, index)| index)
    };
    find().ok_or_else(|| format_err!("the component does not export {interface}#{function}"))
}

impl Export {
    /// `index` is that of [`export_index`], `function` its type.
    ///
    /// # Errors
    /// When the function is not there or has another type.
    pub(crate) fn resolve(
        mut store: impl AsContextMut,
        instance: &Instance,
        index: &ComponentExportIndex,
        function: &wit::Function,
        concurrency: Concurrency,
    ) -> Result<Self> {
        let func = instance
            .get_func(store.as_context_mut(), index)
            .ok_or_else(|| format_err!("{} is not a function", function.name))?;
        Ok(Self(match function.result.as_ref().map_or(0, raw::flat_count) {
            0 => Way::Nothing(func.typed(&store)?),
            2..=raw::FLAT_MAX if concurrency == Concurrency::On => {
                Way::Val(Arc::new(val::Export::new(func, function)))
            }
            _ => Way::One(func.typed(&store)?),
        }))
    }

    /// Calls the function with the wire bytes of its parameters; returns those of its result.
    ///
    /// # Errors
    /// Whatever stops the guest, and values of the guest that break the canonical ABI or a limit.
    /// The instance is then of no more use.
    pub(crate) async fn call<T: Send>(
        &self,
        store: impl AsContextMut<Data = T>,
        args: Bytes,
    ) -> Result<Bytes> {
        match &self.0 {
            Way::Nothing(func) => Ok(func.call_async(store, Args(args)).await?.0),
            Way::One(func) => Ok(func.call_async(store, Args(args)).await?.0),
            // Boxed, because what is rare should not make every call's future large.
            Way::Val(export) => Box::pin(export.call(store, &args)).await,
        }
    }

    /// Like [`Self::call`], beside other calls in the same instance: `started` is told which guest
    /// task works for this one. Dropping the future does not stop that task.
    ///
    /// # Errors
    /// As those of [`Self::call`]; most of them end the accessor's `run_concurrent` instead.
    pub(crate) async fn call_concurrent<T: Send>(
        &self,
        accessor: &Accessor<T>,
        args: Bytes,
        started: impl FnOnce(&mut T, GuestTaskId),
    ) -> Result<Bytes> {
        macro_rules! call {
            ($func:ident) => {{
                let call = accessor.with(|mut store| {
                    let call = $func.start_call_concurrent(&mut store, Args(args))?;
                    started(store.data_mut(), call.task());
                    Ok::<_, wasmtime::Error>(call)
                })?;
                Ok($func.finish_call_concurrent(accessor, call).await?.0)
            }};
        }
        match &self.0 {
            Way::Nothing(func) => call!(func),
            Way::One(func) => call!(func),
            Way::Val(export) => export.call_concurrent(accessor, &args, started).await,
        }
    }
}

/// Defines the function that a component imports: `call` gets the store's data and the wire bytes
/// of the parameters, and answers with those of the result. An error of `call` is a trap in the
/// caller.
///
/// # Errors
/// When the name is taken, or an `async func` meets an engine without component-model async.
pub(crate) fn define_import<T, F, Fut>(
    linker: &mut LinkerInstance<'_, T>,
    function: &wit::Function,
    call: F,
) -> Result<()>
where
    T: Send + 'static,
    F: Fn(&mut T, Bytes) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Bytes>> + Send + 'static,
{
    let has_result = function.result.is_some();
    let flat: usize = function.params.iter().map(|p| raw::flat_count(&p.ty)).sum();
    macro_rules! with_flat {
        ($($n:literal)+) => {
            match flat {
                $($n if has_result => define::<T, F, Fut, $n, 1>(linker, function, call),
                $n => define::<T, F, Fut, $n, 0>(linker, function, call),)+
                // Through memory: how many values are declared does not matter.
                _ if has_result => define::<T, F, Fut, 1, 1>(linker, function, call),
                _ => define::<T, F, Fut, 1, 0>(linker, function, call),
            }
        };
    }
    with_flat!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
}

fn define<T, F, Fut, const P: usize, const R: usize>(
    linker: &mut LinkerInstance<'_, T>,
    function: &wit::Function,
    call: F,
) -> Result<()>
where
    T: Send + 'static,
    F: Fn(&mut T, Bytes) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Bytes>> + Send + 'static,
{
    if function.is_async {
        return linker.func_wrap_concurrent(&function.name, move |accessor, params: Params<P>| {
            // wasmtime polls this inside the event loop of the caller's store, where that of
            // another store must not run: the call gets a task of its own, which ends with this
            // future.
            let mut task = JoinSet::new();
            task.spawn(accessor.with(|mut store| call(store.data_mut(), params.0)));
            Box::pin(async move {
                let answer = task.join_next().await.expect("one task was spawned");
                Ok(Answer::<R>(answer??))
            })
        });
    }
    linker.func_wrap_async(&function.name, move |mut store, params: Params<P>| {
        // Not awaited in another future, which would keep it twice: where it came in, and where it
        // is polled.
        Box::new(call(store.data_mut(), params.0).map_ok(Answer::<R>))
    })
}

#[cfg(test)]
mod tests;
