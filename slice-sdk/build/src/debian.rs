//! The route without downloads from outside: Debian's second Rust compiler with its library source,
//! from which cargo builds the standard library. It lives beside a rustup toolchain undisturbed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Result, TARGET, process};

/// The compiler, the sources of its library, its linker for components, a C library for WASI. The
/// linker behind that linker is versioned: see `linker_package`.
const PACKAGES: [&str; 4] = ["rustc-web", "rust-web-src", "rust-web-llvm", "wasi-libc"];
const RUSTC: &str = "/usr/bin/rustc";
const LINKER: &str = "/usr/bin/rust-lld";
const LIBC_DIR: &str = "/usr/lib/wasm32-wasi";

/// Everything that a build by this route has to name. No version is pinned: Debian updates them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DebianRust {
    pub(crate) rustc: PathBuf,
    pub(crate) libc_dir: PathBuf,
}

/// Finds an installed set that is whole.
pub(crate) fn find() -> Option<DebianRust> {
    let sysroot = process::output(Command::new(RUSTC).args(["--print", "sysroot"])).ok()?;
    let rustlib = Path::new(sysroot.trim()).join("lib/rustlib");
    let targets = process::output(Command::new(RUSTC).args(["--print", "target-list"])).ok()?;
    let whole = targets.lines().any(|line| line == TARGET)
        && rustlib.join("src/rust/library/Cargo.lock").exists()
        && has_component_linker(&rustlib)
        && Path::new(LINKER).exists()
        && Path::new(LIBC_DIR).join("libc.a").exists();
    whole.then(|| DebianRust { rustc: RUSTC.into(), libc_dir: LIBC_DIR.into() })
}

fn has_component_linker(rustlib: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(rustlib) else { return false };
    entries.flatten().any(|entry| entry.path().join("bin/wasm-component-ld").exists())
}

/// Installs the packages; `why` tells what was tried before, for the message when this fails too.
pub(crate) fn install(why: &str, talk: &mut dyn FnMut(&str)) -> Result<DebianRust> {
    let refuse = |reason: String| Error::CannotInstall {
        reason: format!("{why}; {reason}"),
        remedy: format!(
            "rustup target add {TARGET}\nor, on Debian or Ubuntu, as root:\n  apt-get update && \
             apt-get install --yes --no-install-recommends {} lld-NN   (NN: `readlink {LINKER}`)",
            PACKAGES.join(" ")
        ),
    };
    let apt = |packages: &[&str]| {
        apt_install(packages).map_err(|error| match error {
            Error::CannotInstall { reason, .. } => refuse(reason),
            error => refuse(error.to_string()),
        })
    };
    talk(&format!("installing Debian packages: {} (about a minute)", PACKAGES.join(" ")));
    apt(&PACKAGES)?;
    if !Path::new(LINKER).exists() {
        let linker = linker_package()
            .ok_or_else(|| refuse("rust-web-llvm does not name its linker".to_owned()))?;
        talk(&format!("installing the linker that the compiler names: {linker}"));
        apt(&[linker.as_str()])?;
    }
    let incomplete = || refuse(format!("Debian's Rust here is incomplete or too old for {TARGET}"));
    find().ok_or_else(incomplete)
}

/// Installs Debian packages, as root or with sudo that asks for no password.
///
/// # Errors
/// [`Error::CannotInstall`] where this is no Debian system or root cannot be had;
/// [`Error::Failed`] when apt fails.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let refuse = |reason: &str| Error::CannotInstall {
        reason: reason.to_owned(),
        remedy: format!("apt-get update && apt-get install --yes {}", packages.join(" ")),
    };
    if process::output(Command::new("apt-get").arg("--version")).is_err() {
        return Err(refuse("this is no Debian system (apt-get not found)"));
    }
    let root = root();
    let Some(root) = root else {
        return Err(refuse("installing packages needs root, or sudo without a password"));
    };
    let apt = |args: &[&str]| {
        let words = [root.as_slice(), &["apt-get", "-q"], args].concat();
        let mut command = Command::new(words[0]);
        process::output(command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat()).map(drop)
}

/// rust-web-llvm installs a link to the linker of the LLVM version that it was built with, and the
/// package of that linker has the name of the link's target.
fn linker_package() -> Option<String> {
    let target = std::fs::read_link(LINKER).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

/// The words to put before a command that needs root; none if root cannot be had.
fn root() -> Option<Vec<&'static str>> {
    let id = process::output(Command::new("id").arg("-u")).ok()?;
    if id.trim() == "0" {
        return Some(Vec::new());
    }
    let sudo = ["sudo", "--non-interactive"];
    process::output(Command::new(sudo[0]).args([sudo[1], "true"])).ok()?;
    Some(sudo.to_vec())
}
