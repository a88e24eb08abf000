//! One file per command: its fields and what applying it does. Knows no order among them.

pub(crate) mod compact;
pub(crate) mod lease_expire;
pub(crate) mod lease_grant;
pub(crate) mod lease_keep_alive;
pub(crate) mod lease_revoke;
pub(crate) mod transaction;
