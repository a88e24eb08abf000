//! What was done to a Forge, and when: for those who compare it with what they see. Does none of
//! it.

use crate::model::{Happening, Mark};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

/// Marks that are remembered, the latest. All of them are in every answer.
const MARKS_MAX: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    marks: VecDeque<Mark>,
    last: u64,
}

impl Marks {
    /// Its number.
    pub(crate) fn put(&self, what: Happening, from_ms: u64, until_ms: u64) -> u64 {
        let mut kept = self.kept();
        kept.last += 1;
        let number = kept.last;
        kept.marks.push_back(Mark { number, what, from_ms, until_ms });
        if kept.marks.len() > MARKS_MAX {
            kept.marks.pop_front();
        }
        number
    }

    /// It ends now, whatever was planned.
    pub(crate) fn end(&self, number: u64) {
        let mut kept = self.kept();
        if let Some(mark) = kept.marks.iter_mut().find(|mark| mark.number == number) {
            mark.until_ms = now_ms();
        }
    }

    /// Oldest first.
    pub(crate) fn all(&self) -> Vec<Mark> {
        self.kept().marks.iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("nobody panics with it")
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{MARKS_MAX, Marks};
    use crate::model::Happening;

    #[test]
    fn the_latest_are_kept_and_can_end_early() {
        let marks = Marks::default();
        for node in 0..=MARKS_MAX {
            marks.put(Happening::Added { node }, 1, 2);
        }
        let late = marks.put(Happening::Added { node: 9 }, 1, u64::MAX);
        marks.end(late);
        marks.end(1);
        let all = marks.all();
        assert_eq!((all.len(), all[0].number), (MARKS_MAX, 3));
        let last = all.last().unwrap();
        assert!(last.number == late && last.until_ms < u64::MAX, "{last:?}");
    }
}
