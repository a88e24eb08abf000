//! Answers of one step on their way to those who wait for them. Knows no member.

use super::{ControlError, Reply};
use aether_control::Done;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tokio::runtime::{Handle, Id};

type Answer = Result<Done, ControlError>;

/// Answers that are not sent yet, by the runtime that they are waited for on.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<Id, (Handle, Vec<(Reply, Answer)>)>);

impl Reply {
    pub(super) fn send(self, answer: Answer) {
        // Nobody waits any more if the receiver is gone.
        drop(self.sender.send(answer));
    }
}

impl Answers {
    pub(super) fn add(&mut self, reply: Reply, answer: Answer) {
        let (_, answers) = match self.0.entry(reply.runtime.id()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert((reply.runtime.clone(), Vec::new())),
        };
        answers.push((reply, answer));
    }

    /// Sends them all. A runtime with several is woken once, and sends them itself: each wake from
    /// outside would cost a system call.
    pub(super) fn send(&mut self) {
        for (runtime, answers) in self.0.values_mut() {
            let mut answers = std::mem::take(answers);
            if answers.len() > 1 {
                runtime.spawn(async move {
                    answers.into_iter().for_each(|(reply, answer)| reply.send(answer));
                });
            } else if let Some((reply, answer)) = answers.pop() {
                reply.send(answer);
            }
        }
    }
}
