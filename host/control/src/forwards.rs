//! Which forwarded writes the leader has seen in its term, so that none is taken twice. Knows no
//! contents.

use std::collections::BTreeMap;

use aether_consensus::{ProposalId, Term};

/// Runs of nodes that are remembered in a term: a thousand nodes, each started four times.
const RUNS_MAX: usize = 4_096;

/// How far behind the newest a write may arrive. Links keep the order, so this is for what two
/// links of one node mix.
const WINDOW: u64 = 128;

/// Writes that arrived in one term.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    term: Term,
    runs: BTreeMap<u64, Seen>,
}

/// The newest number of a run, and one bit for each of those before it.
#[derive(Debug, Default)]
struct Seen {
    newest: u64,
    before: u128,
}

impl Forwards {
    /// True the first time.
    pub(crate) fn is_new(&mut self, term: Term, id: ProposalId) -> bool {
        if self.term != term {
            *self = Self { term, runs: BTreeMap::new() };
        }
        let (run, number) = ((id.0 >> 64) as u64, id.0 as u64);
        if self.runs.len() >= RUNS_MAX && !self.runs.contains_key(&run) {
            return false;
        }
        self.runs.entry(run).or_default().is_new(number)
    }
}

impl Seen {
    fn is_new(&mut self, number: u64) -> bool {
        if number > self.newest {
            let ahead = number - self.newest;
            self.before =
                self.before.checked_shl(ahead.min(u64::from(u32::MAX)) as u32).unwrap_or(0)
                    | 1_u128.checked_shl((ahead - 1).min(u64::from(u32::MAX)) as u32).unwrap_or(0);
            self.newest = number;
            return true;
        }
        let behind = self.newest - number;
        if behind == 0 || behind > WINDOW {
            return false;
        }
        let bit = 1 << (behind - 1);
        let new = self.before & bit == 0;
        self.before |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_in_a_term() {
        let mut forwards = Forwards::default();
        let mut seen = |term, run: u128, number: u128| {
            forwards.is_new(Term(term), ProposalId(run << 64 | number))
        };
        assert!(seen(1, 7, 5) && !seen(1, 7, 5));
        assert!(seen(1, 7, 3) && !seen(1, 7, 3), "out of order");
        assert!(seen(1, 7, 132) && !seen(1, 7, 5) && !seen(1, 7, 3) && seen(1, 7, 4));
        assert!(seen(1, 7, 1_000_000) && !seen(1, 7, 132), "too far behind");
        assert!(seen(1, 8, 5), "another run");
        assert!(seen(2, 7, 5) && !seen(2, 7, 5), "another term");
        assert!(seen(2, 7, u128::from(u64::MAX)) && !seen(2, 7, 5));
    }
}
