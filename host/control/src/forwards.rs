//! Which forwarded writes the leader has seen in its term, so that none is taken twice. Knows no
//! contents.

use std::collections::BTreeMap;

use aether_consensus::{ProposalId, Term};

/// Runs of nodes that are remembered in a term: a thousand nodes, each started four times.
const RUNS_MAX: usize = 4_096;

/// How far behind the newest a write may arrive. Links keep the order, so this is for what two
/// links of one node mix.
const WINDOW: u64 = 128;

/// Writes that this run of the node took as the leader, in the newest term in which it took any.
#[derive(Debug)]
pub(crate) struct Forwards {
    /// Of this term and earlier ones, an earlier run may have taken writes.
    started: Term,
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
    pub(crate) fn new(started: Term) -> Self {
        Self { started, term: started, runs: BTreeMap::new() }
    }

    /// Whether a write certainly was not taken before.
    pub(crate) fn is_new(&self, term: Term, id: ProposalId) -> bool {
        let (run, number) = parts(id);
        let seen = || self.runs.get(&run).is_some_and(|seen| !seen.is_new(number));
        term > self.term || (term == self.term && term > self.started && !seen())
    }

    /// Remembers a write of a term in which this node leads. False if there is no room to.
    pub(crate) fn take(&mut self, term: Term, id: ProposalId) -> bool {
        if self.term != term {
            (self.term, self.runs) = (term, BTreeMap::new());
        }
        let (run, number) = parts(id);
        if self.runs.len() >= RUNS_MAX && !self.runs.contains_key(&run) {
            return false;
        }
        self.runs.entry(run).or_default().take(number);
        true
    }
}

/// The run of the sender, and its number.
fn parts(id: ProposalId) -> (u64, u64) {
    ((id.0 >> 64) as u64, id.0 as u64)
}

impl Seen {
    fn is_new(&self, number: u64) -> bool {
        match self.newest.checked_sub(number) {
            None => true,
            Some(behind @ 1..=WINDOW) => self.before & (1 << (behind - 1)) == 0,
            Some(_) => false,
        }
    }

    fn take(&mut self, number: u64) {
        match number.checked_sub(self.newest) {
            None => self.before |= 1 << (self.newest - number - 1),
            Some(ahead) => {
                // The newest one moves to its place among those before.
                let moved = self.before.checked_shl(ahead.min(WINDOW) as u32).unwrap_or(0);
                let newest = 1_u128.checked_shl((ahead.max(1) - 1).min(WINDOW) as u32).unwrap_or(0);
                (self.before, self.newest) = (moved | newest, number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_in_a_term() {
        let mut forwards = Forwards::new(Term(0));
        let mut seen = |term, run: u128, number: u128| {
            let id = ProposalId(run << 64 | number);
            let is_new = forwards.is_new(Term(term), id);
            is_new && forwards.take(Term(term), id)
        };
        assert!(seen(1, 7, 5) && !seen(1, 7, 5));
        assert!(seen(1, 7, 3) && !seen(1, 7, 3), "out of order");
        assert!(seen(1, 7, 132) && !seen(1, 7, 5) && !seen(1, 7, 3) && seen(1, 7, 4));
        assert!(seen(1, 7, 1_000_000) && !seen(1, 7, 132), "too far behind");
        assert!(seen(1, 8, 5), "another run");
        assert!(seen(2, 7, 5) && !seen(2, 7, 5), "another term");
        assert!(seen(2, 7, u128::from(u64::MAX)) && !seen(2, 7, 5));
    }

    #[test]
    fn nothing_is_said_of_terms_that_are_forgotten() {
        let mut forwards = Forwards::new(Term(3));
        let is_new = |forwards: &Forwards, term| forwards.is_new(Term(term), ProposalId(1));
        assert!(!is_new(&forwards, 3), "an earlier run may have taken it");
        assert!(is_new(&forwards, 5));
        assert!(forwards.take(Term(5), ProposalId(2)));
        assert!(is_new(&forwards, 5) && !is_new(&forwards, 4), "4 may be forgotten by now");
    }
}
