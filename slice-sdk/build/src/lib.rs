//! Turns slice sources into component files: finds or installs what this machine needs, runs cargo,
//! embeds `slice.toml`, scaffolds new slices. Knows nothing of clusters, blueprints or the engine.

mod cargo;
mod debian;
mod error;
mod process;
mod rustup;
mod scaffold;
mod section;
mod toolchain;

pub use cargo::{BuildRequest, Built, CargoOutput};
pub use debian::apt_install;
pub use error::{Error, Result};
pub use scaffold::scaffold;
pub use section::{embed, slice_toml};
pub use toolchain::{Route, Toolchain, setup};

/// The target that slices are built for.
pub const TARGET: &str = "wasm32-wasip2";
