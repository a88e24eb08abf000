//! The threads of links: a small runtime of their own, so that a node whose other threads are all
//! busy still answers its peers. Knows no link.

use std::{io, thread::available_parallelism};

use tokio::runtime::{Builder, Handle};

use crate::limits::{PROCESSORS_PER_THREAD, THREADS_MAX};

/// Starts a runtime. A thread of its own keeps it until `end`, so nobody has to drop it, which must
/// not be done in a task.
pub(crate) fn start(end: impl Future<Output = ()> + Send + 'static) -> io::Result<Handle> {
    let mut builder = Builder::new_multi_thread();
    let processors = available_parallelism().map_or(1, usize::from);
    let threads = (processors / PROCESSORS_PER_THREAD).clamp(1, THREADS_MAX);
    let runtime = builder.worker_threads(threads).thread_name("links").enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("links-end".into()).spawn(move || runtime.block_on(end))?;
    Ok(handle)
}
