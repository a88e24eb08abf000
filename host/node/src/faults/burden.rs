//! Processors and memory that are taken away from a node. Knows not for how long.

use aether_types::ByteSize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

/// Taken for as long as the value lives.
#[derive(Debug)]
pub(super) struct Burden {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _memory: Vec<u8>,
}

impl Burden {
    /// So many threads that do nothing but run.
    pub(super) fn cpu(threads: u32) -> std::io::Result<Self> {
        let mut burden = Self { over: Arc::default(), threads: Vec::new(), _memory: Vec::new() };
        for _ in 0..threads {
            let over = Arc::clone(&burden.over);
            let spin = move || {
                while !over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            };
            let thread = std::thread::Builder::new().name("fault-cpu".to_owned()).spawn(spin)?;
            burden.threads.push(thread);
        }
        Ok(burden)
    }

    /// So much memory, every page of it touched.
    ///
    /// # Errors
    /// When there is not so much.
    pub(super) fn memory(size: ByteSize) -> Result<Self, std::collections::TryReserveError> {
        let bytes = usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes)?;
        // Not zero: pages of zeros need not be there.
        memory.resize(bytes, 1);
        Ok(Self { over: Arc::default(), threads: Vec::new(), _memory: memory })
    }
}

impl Drop for Burden {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        // They end within some instructions; one that panicked has ended as well.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
