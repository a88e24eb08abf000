//! Runs slices: compiles, links, limits and calls components. Knows no cluster, no plan, no routes.

mod context;
mod error;
mod host_state;
mod infra;
mod meter;
mod slice;

pub use context::{AppContext, CALL_DEPTH_MAX, CallContext, EffectiveLimits, Origin, Router, Target};
pub use error::Error;
pub use host_state::{HANDLES_MAX, HostState};
pub use infra::{ConfiguredInfra, ErasedInfra, Infra, InfraSlice, InfraState, InfraView};
pub use meter::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
pub use slice::Slice;
