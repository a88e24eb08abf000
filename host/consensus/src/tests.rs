//! Groups in one thread: a network and disks that misbehave from a seed, and what must hold anyway.

mod chaos;
mod cluster;
mod membership;
mod net;
mod one_voter;
mod reads;
mod refusals;
