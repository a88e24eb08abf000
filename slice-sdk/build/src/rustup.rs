//! The usual route: a toolchain managed by rustup, which downloads the target's standard library.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{TARGET, process};

/// Without a network rustup waits instead of failing.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(20);

/// Whether cargo's own compiler has the target's standard library.
pub(crate) fn is_ready() -> bool {
    let printed = process::output(Command::new("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        TARGET,
    ]));
    let Ok(printed) = printed else { return false };
    let Ok(entries) = std::fs::read_dir(PathBuf::from(printed.trim())) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// Whether there is a rustup to ask.
pub(crate) fn is_present() -> bool {
    process::output(Command::new("rustup").arg("--version")).is_ok()
}

/// Downloads the target; an error says why it could not.
pub(crate) fn install() -> crate::Result<()> {
    process::output_within(Command::new("rustup").args(["target", "add", TARGET]), DOWNLOAD_LIMIT)
}
