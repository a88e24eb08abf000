//! The newest slow calls of this node. Knows no threshold and no clock.

use aether_types::counts::{Caller, Ending};
use aether_types::{AppName, Coordinates, FunctionName, RequestId, Revision};
use std::collections::VecDeque;
use std::time::Duration;

/// A call that took longer than calls of its function should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCall {
    /// When it ended: milliseconds since 1970.
    pub at_unix_ms: u64,
    pub app: AppName,
    pub version: Revision,
    pub slice: Coordinates,
    pub function: FunctionName,
    pub caller: Caller,
    pub request_id: RequestId,
    pub took: Duration,
    pub ending: Ending,
}

/// Calls that are kept; with names of 500 bytes, half a megabyte.
pub const SLOW_CALLS_MAX: usize = 1_000;

/// The newest ones, in the order in which they came.
#[derive(Debug, Default)]
pub struct SlowCalls(VecDeque<SlowCall>);

impl SlowCalls {
    pub fn push(&mut self, call: SlowCall) {
        if self.0.len() == SLOW_CALLS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(call);
    }

    /// The newest that are wanted, the newest first.
    pub fn newest(&self, limit: usize, wants: impl Fn(&SlowCall) -> bool) -> Vec<SlowCall> {
        self.0.iter().rev().filter(|call| wants(call)).take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u64) -> SlowCall {
        SlowCall {
            at_unix_ms: number,
            app: "shop".parse().unwrap(),
            version: Revision(1),
            slice: "t:web:1.0.0".parse().unwrap(),
            function: "t:web/api#f".parse().unwrap(),
            caller: Caller::Outside,
            request_id: format!("r-{number}").parse().unwrap(),
            took: Duration::from_millis(number),
            ending: Ending::Answered,
        }
    }

    #[test]
    fn the_newest_stay() {
        let mut calls = SlowCalls::default();
        (0..SLOW_CALLS_MAX as u64 + 5).for_each(|number| calls.push(call(number)));
        let of = |calls: Vec<SlowCall>| calls.iter().map(|c| c.at_unix_ms).collect::<Vec<_>>();
        assert_eq!(of(calls.newest(3, |_| true)), [1_004, 1_003, 1_002]);
        assert_eq!(of(calls.newest(2, |call| call.at_unix_ms % 100 == 0)), [1_000, 900]);
        assert_eq!(calls.newest(usize::MAX, |_| true).len(), SLOW_CALLS_MAX);
    }
}
