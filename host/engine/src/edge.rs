//! A function that a slice imports from another slice: from the caller's bytes to the callee's
//! answer.
//!
//! The one call path: guest → `Edge::call` → `Router::pick` → the callee's pool. Nothing on it
//! takes a lock that other slices take.

use crate::slice::Offer;
use crate::{AppContext, CallContext, HostState, Router, Slice, Target, failure};
use aether_types::{CallError, InterfaceName, wit};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One imported function of one loaded slice.
pub(crate) struct Edge {
    caller: Arc<AppContext>,
    router: Arc<dyn Router>,
    interface: InterfaceName,
    function: wit::Function,
    /// Where the function was in the slice that took the last call: the slice's number and the
    /// place, 32 bits each. 0 before the first call; numbers of slices begin with 1.
    place: AtomicU64,
}

impl Edge {
    pub(crate) fn new(
        caller: Arc<AppContext>,
        router: Arc<dyn Router>,
        interface: InterfaceName,
        function: wit::Function,
    ) -> Arc<Self> {
        Arc::new(Self { caller, router, interface, function, place: AtomicU64::new(0) })
    }

    /// Makes the call for the guest whose state this is. An error is a trap of the guest.
    pub(crate) fn call(
        self: Arc<Self>,
        state: &mut HostState,
        args: Bytes,
    ) -> impl Future<Output = wasmtime::Result<Bytes>> + Send + use<> {
        let ctx = state.nested();
        async move {
            let error = match self.forward(args, ctx).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A result with a case `call-failed` takes the failure; without one it goes upward.
            failure::answer(&self.function, &error).ok_or_else(|| error.into())
        }
    }

    async fn forward(&self, args: Bytes, ctx: CallContext) -> Result<Bytes, CallError> {
        match self.router.pick(&self.caller, &self.interface, &ctx)? {
            Target::Local(slice) => {
                let place = self.place(&slice)?;
                let mut offer = Some(Offer { args, ctx });
                let outcome = slice.run(place, &mut offer).await;
                match (outcome, offer) {
                    // It was not begun: whoever else provides the interface may take it.
                    (Err(error), Some(Offer { args, ctx })) if error.is_temporary() => {
                        let Some(other) = self.router.elsewhere(&self.interface) else {
                            return Err(error);
                        };
                        other.call(&self.interface, &self.function.name, args, ctx).await
                    }
                    (outcome, _) => outcome,
                }
            }
            Target::Remote(slice) => {
                slice.call(&self.interface, &self.function.name, args, ctx).await
            }
        }
    }

    /// Where the function is in `slice`: remembered, because it is nearly always the same slice.
    fn place(&self, slice: &Slice) -> Result<usize, CallError> {
        let known = self.place.load(Relaxed);
        if known >> 32 == u64::from(slice.number()) {
            return Ok((known & u64::from(u32::MAX)) as usize);
        }
        let place = slice.place(&self.interface, &self.function.name).ok_or_else(|| {
            let (callee, interface) = (&slice.app().coordinates, &self.interface);
            CallError::Unavailable(format!("{callee} has no {interface}#{}", self.function.name))
        })?;
        self.place.store(u64::from(slice.number()) << 32 | place as u64, Relaxed);
        Ok(place)
    }
}
