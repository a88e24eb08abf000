//! Which way this machine builds slices. Finding an installed way is quick and needs no network;
//! installing one is done once.

use crate::debian::{self, DebianRust};
use crate::{Result, rustup};

/// A way to build slices that works on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    pub(crate) debian: Option<DebianRust>,
}

/// Which way it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The target's standard library comes with cargo's own toolchain.
    Rustup,
    /// Debian's compiler, and a standard library built from its source.
    Debian,
}

/// Makes this machine able to build slices and says what it does through `talk`, one line at a
/// time. Does nothing, quickly, when the machine already is.
///
/// # Errors
/// When neither rustup nor apt can provide what is missing; the error holds the commands to run.
pub fn setup(talk: &mut dyn FnMut(&str)) -> Result<Toolchain> {
    if let Some(found) = Toolchain::find() {
        return Ok(found);
    }
    let why = if rustup::is_present() {
        talk("adding the target wasm32-wasip2 with rustup (waits at most 20 s)");
        match rustup::install() {
            Ok(()) if rustup::is_ready() => return Ok(Toolchain { debian: None }),
            Ok(()) => "rustup added the target to a toolchain that cargo does not use".to_owned(),
            Err(_) => "rustup could not download the target".to_owned(),
        }
    } else {
        "there is no rustup".to_owned()
    };
    talk(&format!("{why}; trying Debian's packages"));
    let debian = debian::install(&why, talk)?;
    Ok(Toolchain { debian: Some(debian) })
}

impl Toolchain {
    /// The way that is installed already, if any. Asks no network.
    pub fn find() -> Option<Self> {
        if rustup::is_ready() {
            return Some(Self { debian: None });
        }
        debian::find().map(|found| Self { debian: Some(found) })
    }

    /// Which way this is.
    pub fn route(&self) -> Route {
        if self.debian.is_some() { Route::Debian } else { Route::Rustup }
    }
}
