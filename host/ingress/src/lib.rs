//! The application's HTTP front door on hyper: HTTP/1.1 and h2c, typed routes and `wasi:http`.
//! Knows no engine, no placement and no WIT: it asks its port, [`Application`].
#![forbid(unsafe_code)]

mod body;
mod connection;
mod door;
mod flow;
mod head_timer;
mod io;
mod layers;
mod limits;
mod port;
mod problem;
mod stats;
mod turn;

pub use body::{BodyError, BoxError, RequestBody, ResponseBody};
pub use door::{Closing, Drained, FrontDoor};
pub use layers::begin_trace;
pub use limits::Limits;
pub use port::{
    Answer, Answering, Application, Call, Failure, Found, RouteRef, TakesBody, TypedRequest,
};
pub use stats::Stats;
