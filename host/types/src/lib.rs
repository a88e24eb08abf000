//! The words of the domain, shared by every crate. Knows no clock, thread, file, socket or engine.
#![forbid(unsafe_code)]

pub mod affinity;
pub mod aspect;
pub mod binding;
pub mod blueprint;
pub mod checked;
pub mod code;
pub mod counts;
pub mod description;
mod digest;
mod error;
mod id;
pub mod latencies;
pub mod limits;
mod name;
pub mod observed;
pub mod plan;
pub mod resolve;
pub mod rollout;
mod route;
pub mod slice_toml;
pub mod slow;
mod strict;
pub mod trace;
pub mod traffic;
mod unit;
pub mod versioned;
pub mod wit;

pub use digest::Digest;
pub use error::{CallError, ErrorKind};
pub use id::{ClusterId, Generation, LogIndex, NodeId, RequestId, RequestIdError, Revision};
pub use name::{AppName, Coordinates, FunctionName, InterfaceName, NameError, SliceName};
pub use route::{Method, RouteError, RoutePattern, Segment};
pub use strict::{Problem, Problems, nearest, read_toml};
pub use unit::{ByteSize, TimeSpan, UnitError};
