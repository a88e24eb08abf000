//! Links over real sockets with real TLS. Waits for conditions, never for time.

mod calls;
mod faults;
mod hostile;
mod membership;
mod raw;
mod streams;
pub(crate) mod support;
mod threads;
mod wire;
