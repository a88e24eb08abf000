//! The front door over real sockets and in-memory streams. Knows what a client sees, nothing
//! inside.

mod app;
mod client;
mod http1;
mod http2;
mod limits;
mod refusals;
mod shutdown;
