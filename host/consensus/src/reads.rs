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
    questions: u16,
}

/// Where the name of a question has its number, above the number of the first read. No two
/// questions have one name: with a leader that has answered the first, raft would take a late
/// heartbeat of that round for one of the second, and confirm with it all that was asked between.
const QUESTION_BIT: u32 = 48;
const QUESTIONS: u128 = (u16::MAX as u128) << QUESTION_BIT;

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
}

impl Reads {
    pub(crate) fn add(&mut self, id: ReadId, now: u64) -> Result<(), Refusal> {
        if self.count >= READS_MAX {
            return Err(Refusal::ReadsExhausted);
        }
        debug_assert_eq!(id.0 & QUESTIONS, 0, "these bits are for numbers of questions");
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
                asked.questions = asked.questions.wrapping_add(1);
                questions.push(ReadId(id.0 | u128::from(asked.questions) << QUESTION_BIT));
            }
        }
        if let Some(&(id, _)) = self.waiting.first() {
            questions.push(id);
            let batch = std::mem::take(&mut self.waiting);
            self.asked.insert(id, Asked { batch, at: Some(now), questions: 0 });
        }
        questions
    }

    /// There is another leader, or none: the old one may never answer.
    pub(crate) fn on_leader_changed(&mut self) {
        self.asked.values_mut().for_each(|asked| asked.at = None);
    }

    /// A batch that is not known any more was confirmed before.
    pub(crate) fn on_confirmed(&mut self, question: ReadId, index: LogIndex) {
        if let Some(Asked { batch, .. }) = self.asked.remove(&first_of(question)) {
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

/// The first read of the batch that a question is about.
pub(crate) fn first_of(question: ReadId) -> ReadId {
    ReadId(question.0 & !QUESTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_questions_have_one_name() {
        let mut reads = Reads::default();
        reads.add(ReadId(7 << 64 | 1), 10).unwrap();
        let first = reads.take_questions(10, 5);
        assert_eq!(reads.take_questions(14, 5), []);
        let second = reads.take_questions(15, 5);
        reads.on_leader_changed();
        let third = reads.take_questions(15, 5);
        let names: std::collections::BTreeSet<_> = [first[0], second[0], third[0]].into();
        assert_eq!(names.len(), 3);
        // Whichever is answered: the batch has not grown since the first.
        reads.on_confirmed(second[0], LogIndex(7));
        assert_eq!(reads.take_ready(LogIndex(7)), [ReadId(7 << 64 | 1)]);
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
