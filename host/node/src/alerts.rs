//! Alerts: what is measured on every node, what the leader makes of it and tells, what the API
//! shows. Decides nothing: `alerts` does.

mod lead;
mod messenger;
mod office;
mod readings;

pub(crate) use lead::Lead;
pub(crate) use messenger::{Deliveries, Messenger};
pub(crate) use readings::Instruments;
