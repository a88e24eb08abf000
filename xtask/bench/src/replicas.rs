//! A cluster under measurement, whoever made it: who leads, what is done to whom. Our own here.

use aether_forge::{At, Node, leader, wait_for_voters};
use anyhow::Context;

use crate::kv::{Door, Language};

/// Three processes with one replicated map. Members are known by their place.
pub(crate) trait Replicas {
    fn name(&self) -> &'static str;
    fn leader(&self) -> anyhow::Result<usize>;
    fn door(&self, at: usize) -> Door;
    fn kill(&mut self, at: usize) -> anyhow::Result<()>;
    fn suspend(&mut self, at: usize) -> anyhow::Result<()>;
    fn resume(&mut self, at: usize) -> anyhow::Result<()>;
    /// One that was killed comes back.
    fn start_again(&mut self, at: usize) -> anyhow::Result<()>;
    /// Returns when all take part and agree on who leads.
    fn wait_until_whole(&self) -> anyhow::Result<()>;
}

pub(crate) const MEMBERS: usize = 3;

/// All doors, the leader's first.
pub(crate) fn doors(replicas: &dyn Replicas) -> anyhow::Result<Vec<Door>> {
    let leader = replicas.leader()?;
    Ok((0..MEMBERS).map(|i| replicas.door((leader + i) % MEMBERS)).collect())
}

impl Replicas for Vec<Node> {
    fn name(&self) -> &'static str {
        "aether"
    }

    fn leader(&self) -> anyhow::Result<usize> {
        leader(self).context("nobody leads")
    }

    fn door(&self, at: usize) -> Door {
        let key = self[at].key.clone();
        Door { address: self[at].api, language: Language::Aether { key } }
    }

    fn kill(&mut self, at: usize) -> anyhow::Result<()> {
        self[at].kill()
    }

    fn suspend(&mut self, at: usize) -> anyhow::Result<()> {
        self[at].suspend()
    }

    fn resume(&mut self, at: usize) -> anyhow::Result<()> {
        self[at].resume()
    }

    fn start_again(&mut self, at: usize) -> anyhow::Result<()> {
        self[at].start_again(At::Same)
    }

    fn wait_until_whole(&self) -> anyhow::Result<()> {
        wait_for_voters(self, MEMBERS)
    }
}
