//! Calls that go wrong because somebody wants them to: in nodes of a sandbox only. Knows no clock
//! but the wait that it makes calls take; who decides when it ends is outside.

use crate::Slice;
use aether_types::{CallError, FunctionName, SliceName};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What is done to which calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Tamper {
    pub slice: SliceName,
    /// None: every function, and requests that the slice answers itself.
    pub function: Option<FunctionName>,
    /// From 0 to 1: how many of the calls, evenly spread.
    pub share: f64,
    pub kind: TamperKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TamperKind {
    /// The call has begun, and fails.
    Fail,
    /// It takes so much longer, within its deadline.
    Delay(Duration),
    /// It ends as if the slice had trapped: what is warm is thrown away too.
    Crash,
}

/// What is tampered with in one engine. Nothing, in an ordinary node: that costs one load.
#[derive(Debug, Default)]
pub struct Tampering {
    any: AtomicBool,
    rules: RwLock<Vec<(Tamper, AtomicU64)>>,
}

/// What becomes of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) delay: Duration,
    pub(crate) crashes: bool,
    pub(crate) fails: bool,
}

impl Tampering {
    /// This and nothing else from now on.
    pub fn set(&self, rules: Vec<Tamper>) {
        let mut known = self.rules.write();
        // A rule that stays goes on counting.
        let count = |rule: &Tamper| {
            let old = known.iter().find(|(old, _)| old == rule);
            AtomicU64::new(old.map_or(0, |(_, count)| count.load(Relaxed)))
        };
        let rules: Vec<_> = rules.into_iter().map(|rule| (count(&rule), rule)).collect();
        self.any.store(!rules.is_empty(), Relaxed);
        *known = rules.into_iter().map(|(count, rule)| (rule, count)).collect();
    }

    pub(crate) fn fate(&self, slice: &SliceName, function: Option<&FunctionName>) -> Option<Fate> {
        if !self.any.load(Relaxed) {
            return None;
        }
        let mut fate = Fate::default();
        for (rule, count) in &*self.rules.read() {
            let named = rule.function.as_ref();
            let means = named.is_none_or(|name| function.is_some_and(|it| name.means(it)));
            if rule.slice != *slice || !means {
                continue;
            }
            let turn = count.fetch_add(1, Relaxed) as f64;
            if ((turn + 1.0) * rule.share).floor() <= (turn * rule.share).floor() {
                continue;
            }
            match rule.kind {
                TamperKind::Fail => fate.fails = true,
                TamperKind::Delay(time) => fate.delay = fate.delay.max(time),
                TamperKind::Crash => fate.crashes = true,
            }
        }
        (fate != Fate::default()).then_some(fate)
    }
}

impl Slice {
    /// What is wanted of a call that has been taken: an error, or nothing after a while.
    pub(crate) async fn suffer(&self, fate: Fate) -> Result<(), CallError> {
        if !fate.delay.is_zero() {
            tokio::time::sleep(fate.delay).await;
        }
        if fate.crashes {
            self.pool.forget_idle();
            self.joint.iter().for_each(|joint| joint.close());
            return Err(CallError::CalleeFailed("it crashed: a fault of the sandbox".to_owned()));
        }
        match fate.fails {
            true => Err(CallError::CalleeFailed("a fault of the sandbox".to_owned())),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Tamper, TamperKind, Tampering};
    use std::time::Duration;

    #[test]
    fn calls_share_what_is_wanted_evenly() {
        let tampering = Tampering::default();
        let cart = "shop:cart".parse().unwrap();
        let function = "shop:cart/api@1.0.0#add".parse().unwrap();
        let fate = || tampering.fate(&cart, Some(&function));
        assert_eq!(fate(), None);
        let rule = |function: Option<&str>, share, kind| Tamper {
            slice: cart.clone(),
            function: function.map(|name| name.parse().unwrap()),
            share,
            kind,
        };
        tampering.set(vec![rule(Some("shop:cart/api#add"), 0.25, TamperKind::Fail)]);
        let fails = (0..8).map(|_| fate().is_some()).collect::<Vec<_>>();
        assert_eq!(fails, [false, false, false, true, false, false, false, true]);
        assert_eq!(tampering.fate(&"shop:other".parse().unwrap(), Some(&function)), None);
        assert_eq!(tampering.fate(&cart, None), None, "it is another function");
        let delay = Duration::from_millis(7);
        let kinds = [TamperKind::Delay(delay), TamperKind::Crash];
        tampering.set(kinds.map(|kind| rule(None, 1.0, kind)).to_vec());
        let both = Fate { delay, crashes: true, fails: false };
        assert_eq!((fate(), tampering.fate(&cart, None)), (Some(both), Some(both)));
        tampering.set(Vec::new());
        assert_eq!(fate(), None);
    }
}
