//! Waiting for something outside of this process. Knows no clock but the deadline.

use anyhow::ensure;
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until the condition holds; fails with `what` after [`PATIENCE`].
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        ensure!(Instant::now() < deadline, "waited in vain until {what}");
        pause();
    }
    Ok(())
}

/// A moment between two looks at another process.
pub(crate) fn pause() {
    std::thread::park_timeout(LOOK_EVERY);
}
