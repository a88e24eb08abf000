//! Runs slices: compiles, links, limits and calls components. Knows no cluster, no plan, no routes.

mod admission;
#[cfg(test)]
mod arbitrary;
mod code;
mod codec;
mod compile_cache;
mod context;
mod deadline;
mod edge;
mod engine;
mod error;
mod failure;
mod guest_output;
mod host_state;
mod http;
mod infra;
mod joint;
pub mod json;
mod meter;
mod pool;
mod provided;
mod queue;
mod reflect;
mod runtime;
mod settings;
mod slice;
mod stats;
mod tally;
mod tamper;
mod trace;
mod way;

pub use aether_types::limits::EffectiveLimits;
pub use codec::{ELEMENTS_MAX, WIRE_BYTES_MAX, WireError};
pub use compile_cache::{COMPILES_MAX, CodeError, CodeKey, CompilerKey};
pub use context::{
    AppContext, CALL_DEPTH_MAX, CallContext, Origin, RemoteSlice, Router, Target, Urgency, Waits,
};
pub use engine::{Engine, Load, Usage};
pub use error::Error;
pub use guest_output::{OUTPUT_BYTES_PER_CALL_MAX, OUTPUT_LINE_BYTES_MAX};
pub use host_state::{HANDLES_MAX, HostState};
pub use http::{BodyError, HttpBody};
pub use infra::{ConfiguredInfra, ErasedInfra, Infra, InfraSlice, InfraState, InfraView};
pub use meter::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
pub use runtime::GUEST_STACK_BYTES;
pub use settings::{
    MAPS_PER_WASM_INSTANCE, MAPS_RESERVED, Settings, TICK_MILLIS, WASM_INSTANCES_DEFAULT,
    WASM_INSTANCES_MAX,
};
pub use slice::{HOOK_TIMEOUT, Occupancy, Offer, Place, Slice};
pub use stats::{Failures, Stats};
pub use tally::{SlowCall, Tally};
pub use tamper::{Tamper, TamperKind, Tampering};
pub use trace::{CallSpan, Traces};
pub use way::{Trip, Way};
