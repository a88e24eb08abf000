//! What was measured in the last two hours: a point for each second of the last minutes, one for
//! each ten seconds before. Knows no wall clock: seconds are counted from a moment of the caller's.

use std::collections::{BTreeMap, VecDeque};
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

/// How slots of another node's counting are found in this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    now: Duration,
    /// That ours are ahead of theirs.
    seconds: i64,
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

    /// The slot of a moment, and the oldest that is kept then.
    pub(crate) fn slot(self, now: Duration) -> u64 {
        now.as_secs() / self.seconds()
    }

    pub(crate) fn oldest(self, now: Duration) -> u64 {
        (self.slot(now) + 1).saturating_sub(self.slots())
    }
}

impl Shift {
    /// `taken`: a moment of the other node's counting, which lies between these two of ours. Where
    /// both count alike, nothing is shifted, however long an answer was on its way.
    pub(crate) fn of(taken: Duration, asked: Duration, answered: Duration) -> Self {
        let millis = |at: Duration| i128::try_from(at.as_millis()).unwrap_or(i128::MAX);
        let ahead = millis(taken.max(asked).min(answered)).saturating_sub(millis(taken));
        let seconds = i64::try_from(ahead.div_euclid(1_000)).unwrap_or(i64::MAX / 2);
        Self { now: answered, seconds }
    }

    /// The moment in our counting at which points come in.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Which of our slots theirs is.
    pub(crate) fn ours(&self, step: Step, theirs: u64) -> Option<u64> {
        let ahead = match step {
            Step::Second => self.seconds,
            // The nearest.
            Step::TenSeconds => (self.seconds + 5).div_euclid(10),
        };
        theirs.checked_add_signed(ahead)
    }

    /// The same, without what is too old to be kept, the present second, which is ours to measure,
    /// and the future.
    fn kept(&self, step: Step, theirs: u64) -> Option<u64> {
        let ours = self.ours(step, theirs)?;
        let present = step.slot(self.now);
        let is_over = ours < present || step == Step::TenSeconds && ours == present;
        (is_over && ours >= step.oldest(self.now)).then_some(ours)
    }

    /// Those points of the other node that can be taken up, by our slots.
    pub(crate) fn points<T>(
        &self,
        step: Step,
        theirs: impl IntoIterator<Item = (u64, T)>,
        is_sound: impl Fn(&T) -> bool,
    ) -> Vec<(u64, T)> {
        let sound = theirs.into_iter().filter(|(_, point)| is_sound(point));
        sound.filter_map(|(slot, point)| Some((self.kept(step, slot)?, point))).collect()
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(u64, T)> {
        self.points.iter()
    }

    pub(crate) fn newest(&self) -> Option<u64> {
        self.points.back().map(|(slot, _)| *slot)
    }

    /// Takes up points of others in slots that have none.
    pub(crate) fn fill(&mut self, others: Vec<(u64, T)>) {
        let own = std::mem::take(&mut self.points);
        let all: BTreeMap<_, _> = others.into_iter().chain(own).collect();
        self.points = all.into_iter().collect();
    }

    /// Takes up points of others, in place of those that are there.
    pub(crate) fn replace(&mut self, others: Vec<(u64, T)>) {
        let own = std::mem::take(&mut self.points);
        let all: BTreeMap<_, _> = own.into_iter().chain(others).collect();
        self.points = all.into_iter().collect();
    }

    /// Forgets this slot and those after it.
    pub(crate) fn forget_from(&mut self, slot: u64) {
        self.points.retain(|(known, _)| *known < slot);
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
    fn slots_of_another_counting_are_found() {
        let at = Duration::from_millis;
        // Taken, asked, answered; then a second and ten seconds of theirs.
        let check = |[taken, asked, answered]: [u64; 3], theirs: [u64; 2]| {
            let shift = Shift::of(at(taken), at(asked), at(answered));
            (shift.kept(Step::Second, theirs[0]), shift.kept(Step::TenSeconds, theirs[1]))
        };
        // They count alike: nothing moves, and neither the present second nor a later one comes.
        let alike = [1_000_500, 1_000_100, 1_004_900];
        assert_eq!(check(alike, [1_000, 100]), (Some(1_000), Some(100)));
        assert_eq!(check(alike, [1_004, 101]), (None, None));
        // What is as old as what is kept, and older.
        assert_eq!(check(alike, [705, 0]), (Some(705), Some(0)));
        assert_eq!(check(alike, [704, 0]), (None, Some(0)));
        assert_eq!(check([9_000_000; 3], [0, 180]), (None, None));
        assert_eq!(check([9_000_000; 3], [0, 181]), (None, Some(181)));
        // Ours is between 7.2 and 8.2 s ahead, and as much behind.
        assert_eq!(check([1_000_300, 1_007_500, 1_008_500], [999, 99]), (Some(1_006), Some(100)));
        assert_eq!(check([1_008_500, 1_000_300, 1_001_300], [1_008, 100]), (Some(1_000), Some(99)));
        // Nonsense.
        assert_eq!(check([u64::MAX, 0, 1], [u64::MAX, u64::MAX]), (None, None));
        assert_eq!(check([0, 1 << 62, 1 << 62], [u64::MAX, u64::MAX]), (None, None));
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
