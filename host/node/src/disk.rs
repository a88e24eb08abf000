//! What goes wrong with this node's log because somebody wants it to, in a sandbox. Knows no log.

use aether_storage::Error;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Shared by whoever writes the log and by whoever puts faults into it.
#[derive(Debug, Default)]
pub(crate) struct DiskFaults {
    slow_ms: AtomicU64,
    sync_fails: AtomicBool,
}

impl DiskFaults {
    pub(crate) fn set(&self, slow: Duration, sync_fails: bool) {
        self.slow_ms.store(u64::try_from(slow.as_millis()).unwrap_or(u64::MAX), Relaxed);
        self.sync_fails.store(sync_fails, Relaxed);
    }

    /// To be called before anything is made durable: blocks as long as a slow disk would.
    ///
    /// # Errors
    /// What the operating system says when it cannot sync.
    pub(crate) fn before_sync(&self) -> Result<(), Error> {
        let until = Instant::now() + Duration::from_millis(self.slow_ms.load(Relaxed));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        match self.sync_fails.load(Relaxed) {
            false => Ok(()),
            true => {
                let source = io::Error::other("a fault of the sandbox");
                Err(Error::Io { action: "sync", path: "the log".into(), source })
            }
        }
    }
}
