//! What was called how often, how that ended and how long it took: numbers that only grow, and can
//! be added up over instances and nodes. Knows no clock and no metric names.

use crate::latencies::Latencies;
use crate::{AppName, CallError, Coordinates, FunctionName, Revision};
use serde::{Deserialize, Serialize};

/// Calls of one kind, counted where the callee runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallKey {
    pub app: AppName,
    /// The blueprint's revision that the callee runs with.
    pub version: Revision,
    pub slice: Coordinates,
    /// For HTTP requests the handler's function.
    pub function: FunctionName,
    pub caller: Caller,
}

/// Who called, of the same application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Caller {
    /// Somebody from outside: a request of the front door, or an operator's call.
    Outside,
    Slice(Coordinates),
    /// Slices that came after the first [`CALLERS_MAX`].
    Others,
}

/// Callers of one function that are told apart.
pub const CALLERS_MAX: usize = 32;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Ending {
    /// With a value, or a status below 300.
    Answered,
    /// With a status of 300 to 399.
    Redirected,
    /// With an error of the function's own, or with a status of 400 to 499.
    Declined,
    /// The same with a status of 500 or above.
    Erred,
    /// Not begun, because the instance is on its way out. The caller asks another one.
    TurnedAway,
    /// Begun, and somebody whom the callee needs was not there.
    Unavailable,
    DeadlineExceeded,
    /// Often not begun. The caller may ask another one.
    Overloaded,
    /// A trap, or an answer that makes no sense.
    CalleeFailed,
    Denied,
    Other,
    /// The caller went away before there was an answer.
    Abandoned,
}

/// Ways to end.
pub const ENDINGS: usize = 12;

impl Ending {
    pub const ALL: [Self; ENDINGS] = [
        Self::Answered,
        Self::Redirected,
        Self::Declined,
        Self::Erred,
        Self::TurnedAway,
        Self::Unavailable,
        Self::DeadlineExceeded,
        Self::Overloaded,
        Self::CalleeFailed,
        Self::Denied,
        Self::Other,
        Self::Abandoned,
    ];

    pub fn of_error(error: &CallError) -> Self {
        match error {
            CallError::Unavailable(_) => Self::Unavailable,
            CallError::DeadlineExceeded => Self::DeadlineExceeded,
            CallError::Overloaded(_) => Self::Overloaded,
            CallError::CalleeFailed(_) => Self::CalleeFailed,
            CallError::Denied(_) => Self::Denied,
            CallError::Other(_) => Self::Other,
        }
    }

    pub fn of_status(status: u16) -> Self {
        match status {
            500.. => Self::Erred,
            400.. => Self::Declined,
            300.. => Self::Redirected,
            _ => Self::Answered,
        }
    }

    /// Whether the callee is to blame: technical failures, and answers of 500 or above.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Answered | Self::Redirected | Self::Declined => false,
            Self::TurnedAway | Self::Abandoned => false,
            Self::Erred | Self::Unavailable | Self::DeadlineExceeded | Self::Overloaded => true,
            Self::CalleeFailed | Self::Denied | Self::Other => true,
        }
    }

    /// As metrics and JSON name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Redirected => "redirected",
            Self::Declined => "declined",
            Self::Erred => "erred",
            Self::TurnedAway => "turned-away",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Overloaded => "overloaded",
            Self::CalleeFailed => "callee-failed",
            Self::Denied => "denied",
            Self::Other => "other",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How many calls ended how, and how long they took.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// At the places of [`Ending::ALL`].
    pub endings: [u64; ENDINGS],
    /// Of the calls that were timed: all from outside, and a regular part of those between slices.
    /// Calls that were not begun are not among them.
    pub latencies: Latencies,
    /// What the timed calls took together.
    pub nanos: u64,
    /// How long calls from outside were worked for: by the slice and by whom it calls, on whatever
    /// nodes, without the way between those.
    pub worked: Latencies,
}

impl Counts {
    pub fn of(&self, ending: Ending) -> u64 {
        self.endings[ending as usize]
    }

    /// Calls that ended here; those that were turned away ended elsewhere.
    pub fn calls(&self) -> u64 {
        self.sum(|ending| ending != Ending::TurnedAway)
    }

    pub fn failures(&self) -> u64 {
        self.sum(Ending::is_failure)
    }

    fn sum(&self, counts: impl Fn(Ending) -> bool) -> u64 {
        let counted = Ending::ALL.into_iter().filter(|ending| counts(*ending));
        counted.fold(0, |sum, ending| sum.saturating_add(self.of(ending)))
    }

    /// Adds what another instance or node counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, n) in self.endings.iter_mut().zip(other.endings) {
            *sum = sum.saturating_add(n);
        }
        self.latencies.add(&other.latencies);
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.worked.add(&other.worked);
    }

    /// What was counted after `earlier`, which is an older state of the same counts.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut endings = self.endings;
        for (n, before) in endings.iter_mut().zip(earlier.endings) {
            *n = n.saturating_sub(before);
        }
        Self {
            endings,
            latencies: self.latencies.since(&earlier.latencies),
            nanos: self.nanos.saturating_sub(earlier.nanos),
            worked: self.worked.since(&earlier.worked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_at_their_places() {
        for (place, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, place);
        }
        let of = [200, 204, 302, 404, 499, 500, 503].map(|s| Ending::of_status(s).word());
        let (good, bad) = ("declined", "erred");
        assert_eq!(of, ["answered", "answered", "redirected", good, good, bad, bad]);
    }

    #[test]
    fn what_is_added_and_taken_away_again_is_as_before() {
        let mut one = Counts { nanos: 7, ..Counts::default() };
        one.endings[Ending::CalleeFailed as usize] = 2;
        one.endings[Ending::TurnedAway as usize] = 9;
        one.latencies.record(50);
        one.worked.record(40);
        let mut two = Counts { nanos: 1, ..Counts::default() };
        two.endings[Ending::Answered as usize] = 5;
        two.latencies.record(60);
        two.worked.record(60);
        let mut sum = one.clone();
        sum.add(&two);
        assert_eq!((sum.calls(), sum.failures(), sum.latencies.count()), (7, 2, 2));
        assert_eq!(sum.worked.buckets().collect::<Vec<_>>(), [(44, 1), (64, 1)]);
        assert_eq!(sum.since(&one), two);
        assert_eq!(sum.since(&two), one);
    }
}
