//! Links over real sockets with real TLS. Waits for conditions, never for time.

mod calls;
mod faults;
mod hostile;
mod membership;
mod raw;
mod streams;
mod support;
mod wire;
