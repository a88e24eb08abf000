//! Linearizable reads between being asked for and being safe. All that wait when the group advances
//! share one round of confirmation. Knows no keys.

use std::collections::{BTreeMap, VecDeque};

use aether_types::LogIndex;

use crate::{READS_MAX, ReadId, Refusal};

/// Reads and the tick at which they were asked for.
type Batch = Vec<(ReadId, u64)>;

struct Asked {
    batch: Batch,
    /// The tick of the last question; none: to be asked again.
    at: Option<u64>,
}

/// Where the leader's name for a round of confirmation has its number, above the number of the
/// first read. No two rounds have one name, though a question may come again, asked again or as a
/// double of the network: with a leader that has answered the first, raft would take a late
/// heartbeat of that round for one of the second, and confirm with it all that was asked between.
const ROUND_BIT: u32 = 48;
const ROUNDS: u128 = (u16::MAX as u128) << ROUND_BIT;

#[derive(Default)]
pub(crate) struct Reads {
    /// Not yet asked.
    waiting: Batch,
    /// By the first of them. A batch never grows: an answer to an earlier question about it must
    /// not confirm a later read.
    asked: BTreeMap<ReadId, Asked>,
    /// Confirmed: safe once the index is applied. In order of confirmation.
    confirmed: VecDeque<(LogIndex, Batch)>,
    count: usize,
    /// The number of the last round that this node began as the leader.
    round: u16,
}

impl Reads {
    pub(crate) fn add(&mut self, id: ReadId, now: u64) -> Result<(), Refusal> {
        if self.count >= READS_MAX {
            return Err(Refusal::ReadsExhausted);
        }
        debug_assert_eq!(id.0 & ROUNDS, 0, "these bits are for numbers of rounds");
        self.count += 1;
        self.waiting.push((id, now));
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// What to ask the leader now: a new batch, and those whose question or answer may be lost.
    pub(crate) fn take_questions(&mut self, now: u64, patience: u64) -> Vec<ReadId> {
        let mut questions = Vec::new();
        for (id, asked) in &mut self.asked {
            if asked.at.is_none_or(|at| now - at >= patience) {
                asked.at = Some(now);
                questions.push(*id);
            }
        }
        if let Some(&(id, _)) = self.waiting.first() {
            questions.push(id);
            let batch = std::mem::take(&mut self.waiting);
            self.asked.insert(id, Asked { batch, at: Some(now) });
        }
        questions
    }

    /// As the leader: the name of the round that this question begins, whoever asks it.
    pub(crate) fn name_round(&mut self, question: ReadId) -> ReadId {
        self.round = self.round % u16::MAX + 1;
        ReadId(question_of(question).0 | u128::from(self.round) << ROUND_BIT)
    }

    /// There is another leader, or none: the old one may never answer.
    pub(crate) fn on_leader_changed(&mut self) {
        self.asked.values_mut().for_each(|asked| asked.at = None);
    }

    /// A batch that is not known any more was confirmed before.
    pub(crate) fn on_confirmed(&mut self, round: ReadId, index: LogIndex) {
        if let Some(Asked { batch, .. }) = self.asked.remove(&question_of(round)) {
            self.confirmed.push_back((index, batch));
        }
    }

    pub(crate) fn take_ready(&mut self, applied: LogIndex) -> Vec<ReadId> {
        let (ready, later): (VecDeque<_>, _) =
            std::mem::take(&mut self.confirmed).into_iter().partition(|(at, _)| *at <= applied);
        self.confirmed = later;
        let ready: Vec<_> = ready.into_iter().flat_map(|(_, batch)| batch).collect();
        self.count -= ready.len();
        ready.into_iter().map(|(id, _)| id).collect()
    }

    /// Gives up those that were asked for at `deadline` or before. Also confirmed ones: a node that
    /// is no member any more never gets there.
    pub(crate) fn take_expired(&mut self, deadline: u64) -> Vec<ReadId> {
        let asked = self.asked.values_mut().map(|asked| &mut asked.batch);
        let confirmed = self.confirmed.iter_mut().map(|(_, batch)| batch);
        let batches = std::iter::once(&mut self.waiting).chain(asked).chain(confirmed);
        let expired: Vec<_> = batches
            .flat_map(|batch| batch.extract_if(.., |(_, since)| *since <= deadline))
            .map(|(id, _)| id)
            .collect();
        self.asked.retain(|_, asked| !asked.batch.is_empty());
        self.confirmed.retain(|(_, batch)| !batch.is_empty());
        self.count -= expired.len();
        expired
    }
}

/// What a round is about: the name of a question, which is the first read of its batch.
pub(crate) fn question_of(round: ReadId) -> ReadId {
    ReadId(round.0 & !ROUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_comes_again_begins_another_round() {
        let id = ReadId(7 << 64 | 1);
        let mut reads = Reads::default();
        reads.add(id, 10).unwrap();
        assert_eq!(reads.take_questions(10, 5), [id]);
        assert_eq!(reads.take_questions(14, 5), []);
        assert_eq!(reads.take_questions(15, 5), [id]);
        reads.on_leader_changed();
        assert_eq!(reads.take_questions(15, 5), [id]);
        let rounds = [id; 3].map(|question| reads.name_round(question));
        assert_eq!(rounds.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_eq!(rounds.map(question_of), [id; 3]);
        // Whichever is confirmed: the batch has not grown since the first.
        reads.on_confirmed(rounds[1], LogIndex(7));
        assert_eq!(reads.take_ready(LogIndex(7)), [id]);
    }

    #[test]
    fn a_confirmed_read_that_is_never_applied_is_given_up() {
        let mut reads = Reads::default();
        reads.add(ReadId(1), 10).unwrap();
        assert_eq!(reads.take_questions(10, 5), [ReadId(1)]);
        reads.on_confirmed(ReadId(1), LogIndex(7));
        assert_eq!(reads.take_ready(LogIndex(6)), []);
        assert_eq!(reads.take_expired(9), []);
        assert_eq!(reads.take_expired(10), [ReadId(1)]);
        assert_eq!((reads.len(), reads.take_ready(LogIndex(7))), (0, vec![]));
    }
}
