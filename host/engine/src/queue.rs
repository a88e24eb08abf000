//! Who waits for a slot, and who is next: fair to callers, and to each of them by its deadlines.
//! Knows no clock and no slot.

use std::collections::{BTreeMap, VecDeque};

/// Callers take turns, however many calls each has waiting; of a caller's calls the one with the
/// nearest deadline is first. Urgent ones go before all others.
#[derive(Debug)]
pub(crate) struct Queue<C, D, T> {
    count_max: usize,
    count: usize,
    /// Tells calls apart that have the same deadline: the earlier one is first.
    arrivals: u64,
    urgent: Line<D, T>,
    /// Of callers that have something waiting.
    lines: BTreeMap<C, Line<D, T>>,
    /// Each of these callers once: the first one is next.
    turns: VecDeque<C>,
}

type Line<D, T> = BTreeMap<(D, u64), T>;

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who<C> {
    /// Somebody who looks after the cluster: there are few of those.
    Urgent,
    Caller(C),
}

/// What became of a call that wants to wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed<T> {
    Waits,
    /// It waits, and this one does not any more: the last one of the caller that has the most.
    InsteadOf(T),
    /// There is no room for it.
    Full(T),
}

impl<C: Ord + Clone, D: Ord + Copy, T> Queue<C, D, T> {
    pub(crate) fn new(count_max: usize) -> Self {
        let (urgent, lines, turns) = (Line::new(), BTreeMap::new(), VecDeque::new());
        Self { count_max, count: 0, arrivals: 0, urgent, lines, turns }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many are let in before one that came now, at most.
    pub(crate) fn ahead(&self, who: &Who<C>, deadline: D) -> usize {
        let before = |line: &Line<D, T>| line.range(..=(deadline, u64::MAX)).count();
        let Who::Caller(caller) = who else { return before(&self.urgent) };
        let own = self.lines.get(caller).map_or(0, before);
        let others = self.lines.iter().filter(|(other, _)| *other != caller);
        let others: usize = others.map(|(_, line)| line.len().min(own + 1)).sum();
        self.urgent.len() + own + others
    }

    /// Lets a call wait. Where the queue is full, whoever has less waiting than others gets a place
    /// of those who have the most: so nobody is kept out by somebody else's calls.
    pub(crate) fn push(&mut self, who: Who<C>, deadline: D, item: T) -> Pushed<T> {
        let mut instead = None;
        if self.count >= self.count_max {
            let own = match &who {
                Who::Urgent => 0,
                Who::Caller(caller) => self.lines.get(caller).map_or(0, BTreeMap::len),
            };
            match self.longest().filter(|(_, length)| *length > own + 1) {
                Some((longest, _)) => instead = self.drop_last(&longest),
                None => return Pushed::Full(item),
            }
        }
        self.count += 1;
        self.arrivals += 1;
        let line = match who {
            Who::Urgent => &mut self.urgent,
            Who::Caller(caller) => {
                if !self.lines.contains_key(&caller) {
                    self.turns.push_back(caller.clone());
                }
                self.lines.entry(caller).or_default()
            }
        };
        line.insert((deadline, self.arrivals), item);
        instead.map_or(Pushed::Waits, Pushed::InsteadOf)
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if let Some((_, item)) = self.urgent.pop_first() {
            self.count -= 1;
            return Some(item);
        }
        let caller = self.turns.pop_front()?;
        let line = self.lines.get_mut(&caller).expect("who has a turn has a line");
        let (_, item) = line.pop_first().expect("a line is never empty");
        match line.is_empty() {
            true => drop(self.lines.remove(&caller)),
            false => self.turns.push_back(caller),
        }
        self.count -= 1;
        Some(item)
    }

    /// Forgets those of which this does not hold; says how many.
    pub(crate) fn retain(&mut self, mut holds: impl FnMut(&T) -> bool) -> usize {
        let before = self.count;
        self.urgent.retain(|_, item| holds(item));
        self.lines.retain(|_, line| {
            line.retain(|_, item| holds(item));
            !line.is_empty()
        });
        self.turns.retain(|caller| self.lines.contains_key(caller));
        self.count = self.urgent.len() + self.lines.values().map(BTreeMap::len).sum::<usize>();
        before - self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.urgent.values().chain(self.lines.values().flat_map(BTreeMap::values))
    }

    fn longest(&self) -> Option<(C, usize)> {
        let lines = self.lines.iter().map(|(caller, line)| (caller, line.len()));
        let longest = lines.max_by_key(|(_, length)| *length);
        longest.map(|(caller, length)| (caller.clone(), length))
    }

    fn drop_last(&mut self, caller: &C) -> Option<T> {
        let line = self.lines.get_mut(caller)?;
        let (_, item) = line.pop_last()?;
        self.count -= 1;
        if line.is_empty() {
            self.lines.remove(caller);
            self.turns.retain(|other| other != caller);
        }
        Some(item)
    }
}

/// How fast those who wait are let in, since the first of them began to wait.
#[derive(Debug)]
pub(crate) struct Pace<I> {
    /// When somebody was let in the last time, or when the first one began to wait.
    pub(crate) last: I,
    mean_nanos: u64,
    seen: u32,
}

/// So many are seen before anybody is refused for what they say.
const SEEN_MIN: u32 = 8;
/// Of the mean, one in so many parts is of what was seen last.
const PARTS: u64 = 8;

impl<I> Pace<I> {
    pub(crate) const fn since(last: I) -> Self {
        Self { last, mean_nanos: 0, seen: 0 }
    }

    /// Somebody was let in so long after the one before.
    pub(crate) fn on_let_in(&mut self, nanos: u64, now: I) {
        self.last = now;
        self.mean_nanos = match self.seen {
            0 => nanos,
            _ => self.mean_nanos - self.mean_nanos / PARTS + nanos / PARTS,
        };
        self.seen = self.seen.saturating_add(1);
    }

    /// How long one waits who has so many before it, in nanoseconds; none before enough were seen.
    pub(crate) fn wait(&self, ahead: usize) -> Option<u64> {
        let turns = u64::try_from(ahead).unwrap_or(u64::MAX).saturating_add(1);
        (self.seen >= SEEN_MIN).then(|| self.mean_nanos.saturating_mul(turns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn push(queue: &mut Queue<u8, u64, u32>, caller: u8, deadline: u64, item: u32) -> Pushed<u32> {
        queue.push(Who::Caller(caller), deadline, item)
    }

    fn all(queue: &mut Queue<u8, u64, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn callers_take_turns_and_each_has_its_nearest_deadline_first() {
        let mut queue = Queue::new(10);
        for (i, deadline) in [9, 7, 8, 7].into_iter().enumerate() {
            assert_eq!(push(&mut queue, 1, deadline, i as u32), Pushed::Waits);
        }
        assert_eq!(push(&mut queue, 2, 100, 10), Pushed::Waits);
        assert_eq!(queue.ahead(&Who::Caller(3), 0), 2);
        assert_eq!(queue.ahead(&Who::Caller(2), 200), 3);
        assert_eq!(queue.ahead(&Who::Caller(1), 7), 3);
        assert_eq!(queue.push(Who::Urgent, 1_000, 20), Pushed::Waits);
        assert_eq!(queue.ahead(&Who::Caller(3), 0), 3);
        assert_eq!(all(&mut queue), [20, 1, 10, 3, 2, 0]);
    }

    #[test]
    fn who_has_less_gets_a_place_of_who_has_the_most() {
        let mut queue = Queue::new(3);
        (0..3).for_each(|i| assert_eq!(push(&mut queue, 1, 5, i), Pushed::Waits));
        assert_eq!(push(&mut queue, 1, 1, 3), Pushed::Full(3));
        assert_eq!(push(&mut queue, 2, 9, 4), Pushed::InsteadOf(2));
        // Two and one: what is taken from one would be missed by it.
        assert_eq!(push(&mut queue, 2, 9, 5), Pushed::Full(5));
        assert_eq!(queue.push(Who::Urgent, 9, 6), Pushed::InsteadOf(1));
        assert_eq!(all(&mut queue), [6, 0, 4]);
    }

    #[test]
    fn a_queue_without_places_keeps_nobody() {
        let mut queue = Queue::new(0);
        assert_eq!(push(&mut queue, 1, 5, 1), Pushed::Full(1));
        assert_eq!(queue.push(Who::Urgent, 5, 2), Pushed::Full(2));
    }

    #[test]
    fn a_wait_is_told_after_enough_were_seen() {
        let mut pace = Pace::since(0);
        (0..SEEN_MIN - 1).for_each(|i| pace.on_let_in(1_000, i));
        assert_eq!(pace.wait(3), None);
        pace.on_let_in(1_000, 9);
        assert_eq!((pace.wait(0), pace.wait(3)), (Some(1_000), Some(4_000)));
        pace.on_let_in(9_000, 10);
        assert_eq!(pace.wait(0), Some(2_000));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Push { caller: u8, deadline: u64 },
        Urgent,
        Pop,
        Forget(u32),
    }

    fn any_act() -> impl Strategy<Value = Act> {
        prop_oneof![
            6 => (0u8..4, 0u64..5).prop_map(|(caller, deadline)| Act::Push { caller, deadline }),
            1 => Just(Act::Urgent),
            3 => Just(Act::Pop),
            1 => (2u32..5).prop_map(Act::Forget),
        ]
    }

    proptest! {
            #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

            /// Whatever comes: each call is let in, put off or forgotten once; there are never more
            /// than there are places; nobody is refused while another caller has more.
            #[test]
            fn nobody_is_lost_and_nobody_is_kept_out(
                count_max in 0usize..8,
                acts in proptest::collection::vec(any_act(), 0..120),
            ) {
                let mut queue = Queue::<u8, u64, u32>::new(count_max);
                // By what waits: whose it is.
                let mut waiting = BTreeMap::<u32, Option<u8>>::new();
                for (item, act) in (0u32..).zip(acts) {
                    let pushed = match act {
                        Act::Push { caller, deadline } => {
                            let ahead = queue.ahead(&Who::Caller(caller), deadline);
                            prop_assert!(ahead <= queue.len());
                            Some((Some(caller), queue.push(Who::Caller(caller), deadline, item)))
                        }
                        Act::Urgent => Some((None, queue.push(Who::Urgent, 0, item))),
                        Act::Pop => {
                            let popped = queue.pop();
                            prop_assert_eq!(popped.is_some(), !waiting.is_empty());
                            if let Some(item) = popped {
                                let whose = waiting.remove(&item);
                                prop_assert!(whose.is_some());
                                let urgent = waiting.values().any(Option::is_none);
                                prop_assert!(whose == Some(None) || !urgent, "urgent ones are first");
                            }
                            None
                        }
                        Act::Forget(each) => {
                            queue.retain(|item| item % each != 0);
                            waiting.retain(|item, _| item % each != 0);
                            None
                        }
                    };
                    if let Some((whose, pushed)) = pushed {
                        let count = |of: u8| waiting.values().filter(|w| **w == Some(of)).count();
                        let own = whose.map_or(0, count);
                        let most = (0..4).map(count).max().unwrap_or_default();
                        match pushed {
                            Pushed::Full(refused) => {
                                prop_assert_eq!(refused, item);
    prop_assert!(most <= own + 1, "another has {most}, this one {own}");
                            }
                            Pushed::InsteadOf(other) => {
                                prop_assert!(waiting.remove(&other).is_some());
                                waiting.insert(item, whose);
                            }
                            Pushed::Waits => drop(waiting.insert(item, whose)),
                        }
                    }
                    prop_assert!(queue.len() <= count_max);
                    prop_assert_eq!(queue.len(), waiting.len());
                    let mut inside: Vec<u32> = queue.iter().copied().collect();
                    inside.sort_unstable();
                    prop_assert!(inside.iter().eq(waiting.keys()));
                }
            }

            /// Callers that all have something waiting are let in equally often, but for one.
            #[test]
            fn turns_are_equal(callers in 1u8..6, calls in proptest::collection::vec(0u8..6, 0..60)) {
                let mut queue = Queue::<u8, u64, u32>::new(1_000);
                for caller in (0..callers).flat_map(|c| std::iter::repeat_n(c, 20)) {
                    push(&mut queue, caller, 5, u32::from(caller));
                }
                // What one sends in addition takes nothing from the others.
                calls.iter().for_each(|_| {
                    push(&mut queue, 0, 1, 0);
                });
                let mut let_in = vec![0u32; callers.into()];
                for _ in 0..u32::from(callers) * 20 {
                    let_in[queue.pop().unwrap() as usize] += 1;
                    let (least, most) = (let_in.iter().min(), let_in.iter().max());
                    prop_assert!(most.unwrap() - least.unwrap() <= 1, "{let_in:?}");
                }
            }
        }
}
