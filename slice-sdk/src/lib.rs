//! The guest side of Aether: what a slice written in Rust needs, and nothing of the host.
//!
//! A slice is a crate with a `wit/` folder (what it exports and imports), a `slice.toml` (routes,
//! time-outs) and one Rust file:
//!
//! ```text
//! aether_slice::slice!();
//!
//! use exports::demo::greeter::greet::Guest;
//!
//! struct Greeter;
//!
//! impl Guest for Greeter {
//!     fn hello(name: String) -> String {
//!         aether_slice::info!("greeting {name}");
//!         format!("Hello, {name}!")
//!     }
//! }
//!
//! export!(Greeter);
//! ```
//!
//! [`slice!`] generates a trait `Guest` per exported interface, a module per imported interface,
//! and `export!`, which takes the type that implements the traits. One type may implement many.
//!
//! [`cache`], [`config`], [`context`] and [`log`] work without being named in the slice's world:
//! what a slice uses becomes an import of its component, what it does not use does not. They talk
//! to the host, so they work inside a component only; keep logic in functions that take and return
//! values and test those natively. Log macros do nothing outside a component.
//!
//! A slice that serves HTTP itself instead of typed routes needs no world: it exports its handler
//! with the crate `wasip2` (`wasip2::http::proxy::export!`), uses the modules above, and leaves
//! [`slice!`] out; `aether slice build` embeds its `slice.toml`.

// Generated code names this crate from outside and from inside alike.
extern crate self as aether_slice;

pub mod cache;
pub mod config;
pub mod context;
mod error;
pub mod log;
pub mod wit;

pub use aether_slice_macros::slice;
pub use wit::aether::slice::types::CallError;

#[doc(hidden)]
pub use wit_bindgen::rt as __rt;
