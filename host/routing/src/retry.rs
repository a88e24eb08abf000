//! Whether a call that failed is made again. Knows no endpoint, no clock and no atomics.

use aether_types::CallError;
use std::fmt;

/// Instances that one call is sent to, one after the other: the second finds another instance, the
/// third another node where there is one, and another version where one may take it. More would
/// only add load where everything fails.
pub const ATTEMPTS_MAX: u32 = 3;

/// What may still be repeated. Each call pays in a fifth of a repetition, each repetition takes a
/// whole one out: so repetitions add at most 20 % to the load for longer than a moment, as in
/// Finagle's `RetryBudget`. What was saved covers a loss: see [`Budget::FULL`]. Kept for each
/// callee on each node, in an atomic: [`Budget::to_bits`], [`Budget::from_bits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget(u32);

/// What a repetition takes out, in units of what a call pays in.
const CALLS_FOR_A_RETRY: u32 = 5;
/// A pool holds 64 calls and 256 wait for them: three nodes may be lost at once, all busy.
const RETRIES_SAVED_MAX: u32 = 1_000;

/// One attempt that failed.
#[derive(Debug)]
pub struct Failed<'a> {
    pub error: &'a CallError,
    pub started: Started,
    /// The function may be called again: it has not `retry = "never"`.
    pub idempotent: bool,
    /// Attempts made so far, this one included.
    pub attempts: u32,
    /// What is left until the deadline, in milliseconds.
    pub remaining_ms: u64,
}

/// Whether the callee has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    No,
    /// The link broke after the call was sent, or the callee itself said that it failed.
    Perhaps,
}

/// Why a call is not made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Another instance would fail the same way.
    NotTechnical,
    /// It may have begun, and the function has `retry = "never"`.
    MayHaveStarted,
    Attempts,
    Deadline,
    /// Too much is being repeated already.
    Budget,
}

impl Budget {
    /// What a router starts with.
    pub const FULL: Self = Self(RETRIES_SAVED_MAX * CALLS_FOR_A_RETRY);

    /// A call is made for the first time.
    #[must_use]
    pub fn on_call(self) -> Self {
        Self((self.0 + 1).min(Self::FULL.0))
    }

    fn take(self) -> Option<Self> {
        self.0.checked_sub(CALLS_FOR_A_RETRY).map(Self)
    }

    pub fn to_bits(self) -> u32 {
        self.0
    }

    pub fn from_bits(bits: u32) -> Self {
        Self(bits.min(Self::FULL.0))
    }
}

/// Whether the call is made again, at another endpoint and at once; and what is left of the budget
/// then. Waiting before that would help nobody: the other endpoint has not failed.
///
/// # Errors
/// Why it is not: the caller gets the error of this attempt.
pub fn again(failed: &Failed<'_>, budget: Budget) -> Result<Budget, Stop> {
    let may_help = match failed.error {
        CallError::Unavailable(_) | CallError::Overloaded(_) => true,
        // Somebody else may know what this one does not, if it did nothing.
        CallError::Other(_) => failed.started == Started::No,
        CallError::DeadlineExceeded => return Err(Stop::Deadline),
        CallError::CalleeFailed(_) | CallError::Denied(_) => false,
    };
    if !may_help {
        return Err(Stop::NotTechnical);
    }
    if failed.started == Started::Perhaps && !failed.idempotent {
        return Err(Stop::MayHaveStarted);
    }
    if failed.attempts >= ATTEMPTS_MAX {
        return Err(Stop::Attempts);
    }
    if failed.remaining_ms == 0 {
        return Err(Stop::Deadline);
    }
    budget.take().ok_or(Stop::Budget)
}

/// Whether the endpoint has shown that it is there, for its breaker. None: it has shown neither.
pub fn is_alive(error: &CallError) -> Option<bool> {
    match error {
        CallError::Unavailable(_) => Some(false),
        CallError::CalleeFailed(_) | CallError::Denied(_) | CallError::Overloaded(_) => Some(true),
        // The caller's deadline may have been too short, for any endpoint.
        CallError::DeadlineExceeded | CallError::Other(_) => None,
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTechnical => "another instance would fail the same way",
            Self::MayHaveStarted => "it may have begun, and the function is never repeated",
            Self::Attempts => "it was tried often enough",
            Self::Deadline => "the deadline passed",
            Self::Budget => "too many calls are being repeated",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn errors() -> [CallError; 6] {
        [
            CallError::Unavailable("gone".to_owned()),
            CallError::Overloaded(None),
            CallError::DeadlineExceeded,
            CallError::CalleeFailed("trap".to_owned()),
            CallError::Denied("no".to_owned()),
            CallError::Other("what".to_owned()),
        ]
    }

    fn check(started: Started, idempotent: bool, expect: Expect) {
        let show = |error: &CallError| {
            let failed = Failed { error, started, idempotent, attempts: 1, remaining_ms: 10 };
            let answer = again(&failed, Budget::FULL);
            let answer = answer.map_or_else(|stop| stop.to_string(), |_| "again".to_owned());
            format!("{:17} {answer}", error.word())
        };
        expect.assert_eq(&errors().iter().map(show).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn only_technical_failures_are_repeated() {
        check(
            Started::Perhaps,
            true,
            expect![[r#"
                unavailable       again
                overloaded        again
                deadline-exceeded the deadline passed
                callee-failed     another instance would fail the same way
                denied            another instance would fail the same way
                other             another instance would fail the same way"#]],
        );
    }

    #[test]
    fn what_is_never_repeated_is_not_once_it_may_have_begun() {
        check(
            Started::Perhaps,
            false,
            expect![[r#"
                unavailable       it may have begun, and the function is never repeated
                overloaded        it may have begun, and the function is never repeated
                deadline-exceeded the deadline passed
                callee-failed     another instance would fail the same way
                denied            another instance would fail the same way
                other             another instance would fail the same way"#]],
        );
        check(
            Started::No,
            false,
            expect![[r#"
                unavailable       again
                overloaded        again
                deadline-exceeded the deadline passed
                callee-failed     another instance would fail the same way
                denied            another instance would fail the same way
                other             again"#]],
        );
    }

    #[test]
    fn attempts_deadline_and_budget_bound_it() {
        let error = CallError::Unavailable("gone".to_owned());
        let failed = |attempts, remaining_ms| Failed {
            error: &error,
            started: Started::No,
            idempotent: true,
            attempts,
            remaining_ms,
        };
        assert_eq!(again(&failed(3, 10), Budget::FULL), Err(Stop::Attempts));
        assert_eq!(again(&failed(2, 0), Budget::FULL), Err(Stop::Deadline));
        assert_eq!(again(&failed(2, 10), Budget::from_bits(4)), Err(Stop::Budget));
        assert_eq!(again(&failed(2, 10), Budget::from_bits(5)), Ok(Budget::from_bits(0)));
    }

    #[test]
    fn a_lost_node_with_a_hundred_calls_in_flight_costs_nobody_an_error() {
        let error = CallError::Unavailable("link lost".to_owned());
        let mut budget = Budget::FULL;
        for _ in 0..100 {
            let started = Started::Perhaps;
            let failed =
                Failed { error: &error, started, idempotent: true, attempts: 1, remaining_ms: 900 };
            budget = again(&failed, budget).unwrap();
        }
    }

    proptest! {
        /// Everything fails, everybody wants to repeat: what is sent is bounded.
        #[test]
        fn repetitions_are_a_fifth_of_the_calls_and_what_was_saved(calls in 1u32..20_000) {
            let error = CallError::Unavailable("gone".to_owned());
            let (mut budget, mut sent) = (Budget::FULL, 0);
            for _ in 0..calls {
                budget = budget.on_call();
                for attempts in 1.. {
                    sent += 1;
                    let started = Started::No;
                    let failed =
                        Failed { error: &error, started, idempotent: true, attempts, remaining_ms: 9 };
                    match again(&failed, budget) {
                        Ok(left) => budget = left,
                        Err(_) => break,
                    }
                }
            }
            prop_assert!(sent <= calls + calls / 5 + RETRIES_SAVED_MAX);
            prop_assert!(sent <= calls * ATTEMPTS_MAX);
        }
    }
}
