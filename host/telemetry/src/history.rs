//! What was measured in the last two hours: a point for each second of the last minutes, one for
//! each ten seconds before. Knows no wall clock: seconds are counted from a moment of the caller's.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back points reach.
pub const HISTORY: Duration = Duration::from_secs(2 * 3_600);

/// How far back there is a point for each second.
pub const HISTORY_FINE: Duration = Duration::from_secs(5 * 60);

/// Seconds of a coarse point.
const COARSE_SECONDS: u64 = 10;

/// How fine points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Second,
    TenSeconds,
}

/// Slots of equal length, one after the other, that somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub step: Step,
    /// Number of the first slot since the moment from which seconds are counted.
    pub first: u64,
    pub slots: u64,
}

/// Points by slot, as many as there can be in a time. Slots without a point cost nothing.
#[derive(Debug, Clone)]
pub(crate) struct Points<T> {
    points: VecDeque<(u64, T)>,
    slots: u64,
}

impl Step {
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::TenSeconds => COARSE_SECONDS,
        }
    }

    /// Slots that are kept.
    pub(crate) fn slots(self) -> u64 {
        match self {
            Self::Second => HISTORY_FINE.as_secs(),
            Self::TenSeconds => HISTORY.as_secs() / COARSE_SECONDS,
        }
    }
}

impl Span {
    /// The slots until now of the last so long, as fine as they are kept.
    pub fn until(now: Duration, back: Duration) -> Self {
        let step = if back <= HISTORY_FINE { Step::Second } else { Step::TenSeconds };
        let slots = back.as_secs().div_ceil(step.seconds()).clamp(1, step.slots());
        let end = now.as_secs() / step.seconds() + 1;
        let first = end.saturating_sub(slots);
        Self { step, first, slots: end - first }
    }

    /// When the first slot begins, counted like the slots.
    pub fn start(&self) -> Duration {
        Duration::from_secs(self.first * self.step.seconds())
    }

    pub(crate) fn each<'a, T, V>(
        &self,
        points: &'a Points<T>,
        show: impl Fn(&'a T) -> V,
    ) -> Vec<Option<V>> {
        (self.first..self.first + self.slots).map(|slot| points.get(slot).map(&show)).collect()
    }
}

impl<T: Default> Points<T> {
    pub(crate) fn of(step: Step) -> Self {
        Self { points: VecDeque::new(), slots: step.slots() }
    }

    /// The point of a slot, which is made if it is not there; one that is older than the newest is
    /// the newest. Forgets what is too old.
    pub(crate) fn at(&mut self, slot: u64) -> &mut T {
        if self.points.back().is_none_or(|(newest, _)| *newest < slot) {
            self.points.push_back((slot, T::default()));
        }
        self.forget(slot);
        &mut self.points.back_mut().expect("one was pushed where there was none").1
    }

    /// Forgets what is too old in this slot.
    pub(crate) fn forget(&mut self, slot: u64) {
        let oldest = (slot + 1).saturating_sub(self.slots);
        while self.points.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.points.pop_front();
        }
    }
}

impl<T> Points<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    fn get(&self, slot: u64) -> Option<&T> {
        let place = self.points.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        Some(&self.points[place].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_points_are_kept_as_the_time_has_slots() {
        let mut points = Points::<u64>::of(Step::TenSeconds);
        for slot in (0..3_000).filter(|slot| slot % 3 != 0) {
            *points.at(slot) += slot;
            *points.at(slot) += 1;
        }
        assert_eq!(points.points.len(), 480);
        let span = Span { step: Step::TenSeconds, first: 2_279, slots: 4 };
        assert_eq!(span.each(&points, |n| *n), [None, None, Some(2_282), Some(2_283)]);
        points.forget(5_000);
        assert!(points.is_empty());
    }

    #[test]
    fn a_span_ends_now_and_is_as_fine_as_it_can_be() {
        let check = |now: u64, back: u64| {
            let span = Span::until(Duration::from_secs(now), Duration::from_secs(back));
            (span.step.seconds(), span.start().as_secs(), span.slots)
        };
        assert_eq!(check(10_000, 300), (1, 9_701, 300));
        assert_eq!(check(10_000, 301), (10, 9_700, 31));
        assert_eq!(check(10_005, 7_200), (10, 2_810, 720));
        assert_eq!(check(10_000, 1_000_000), (10, 2_810, 720));
        assert_eq!(check(7, 300), (1, 0, 8), "there was nothing before the beginning");
        assert_eq!(check(0, 0), (1, 0, 1));
    }
}
