//! Alerts: what is measured on every node, what the leader makes of it, what the API shows. Decides
//! nothing: `alerts` does.

mod lead;
mod office;
mod readings;

pub(crate) use lead::Lead;
pub(crate) use readings::Instruments;
