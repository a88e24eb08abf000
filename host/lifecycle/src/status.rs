//! What the node says of its instances, with the reason for every wait.

use crate::instance::Instance;
use crate::phase::Phase;
use crate::reconciler::{AttemptId, Reconciler};
use crate::wanted::SliceKey;
use aether_types::code::Code;
use aether_types::observed::{InstanceStatus, Observed, Reason};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Links of a chain of waiting instances that a reason spells out, before it goes on to the last.
const CHAIN_MAX: usize = 4;

/// One look at everything, so that reasons need not look for it again.
struct Look<'a> {
    active: BTreeSet<SliceKey>,
    /// Of each slice the instance that is wanted; an earlier revision is on its way out.
    newest: BTreeMap<SliceKey, &'a Instance>,
    /// What those wait for in the end that have been asked already.
    ends: BTreeMap<AttemptId, String>,
}

impl Reconciler {
    /// The node's instances as they are.
    pub fn observed(&self) -> Observed {
        let mut look = self.look();
        let mut status = |i: &Instance| {
            let state = i.phase.state()?;
            Some(InstanceStatus {
                instance: i.key.clone(),
                digest: i.digest,
                blueprint: i.revision,
                state,
                reason: self.reason(i, &mut look),
            })
        };
        let mut instances: Vec<InstanceStatus> =
            self.instances.values().filter_map(&mut status).collect();
        instances.sort_by(|a, b| (&a.instance, a.blueprint).cmp(&(&b.instance, b.blueprint)));
        Observed {
            node: self.settings.node,
            run: self.settings.run,
            generation: self.wanted.generation,
            instances,
        }
    }

    fn look(&self) -> Look<'_> {
        let mut newest: BTreeMap<SliceKey, &Instance> = BTreeMap::new();
        let rank = |i: &Instance| (self.is_wanted(i), i.revision);
        for instance in self.instances.values() {
            let first = newest.entry(instance.slice()).or_insert(instance);
            if rank(instance) >= rank(first) {
                *first = instance;
            }
        }
        Look { active: self.active(), newest, ends: BTreeMap::new() }
    }

    fn reason(&self, instance: &Instance, look: &mut Look<'_>) -> Option<Reason> {
        match &instance.phase {
            Phase::Loaded => look.chain(instance, CHAIN_MAX).map(|chain| Reason {
                code: Code::DependencyNotActive,
                message: format!("waits for {chain}"),
                retryable: true,
            }),
            Phase::Failed { reason, .. } => Some(reason.clone()),
            Phase::Queued | Phase::Loading { .. } | Phase::Starting { .. } => {
                instance.failure.clone()
            }
            Phase::Active if !self.is_wanted(instance) => self.stays_for(instance),
            _ => None,
        }
    }

    /// Why an instance that is not wanted goes on serving.
    fn stays_for(&self, instance: &Instance) -> Option<Reason> {
        let reason = |code, message| Some(Reason { code, message, retryable: true });
        if !self.successor_is_ready(instance) {
            let message = "serves until what comes after it is ACTIVE";
            return reason(Code::MinReady, message.to_string());
        }
        let caller = &self.caller_of(instance)?.key.coordinates;
        let message = format!("serves until {caller}, which calls it, is gone");
        reason(Code::DependentsActive, message)
    }
}

impl<'a> Look<'a> {
    /// The first dependency that is not ACTIVE, and what that one waits for in turn.
    fn chain(&mut self, instance: &Instance, links: usize) -> Option<String> {
        let missing = self.missing(instance)?;
        let Some(dependency) = self.waiting(&missing, instance) else {
            return Some(self.describe(&missing));
        };
        let why = match links {
            0 => format!("in the end for {}", self.end(dependency)),
            _ => format!("waits for {}", self.chain(dependency, links - 1)?),
        };
        Some(format!("{} (LOADED, {why})", missing.1))
    }

    /// What an instance waits for at the end of its chain.
    fn end(&mut self, instance: &'a Instance) -> String {
        let (mut passed, mut at) = ([instance.attempt].to_vec(), instance);
        let end = loop {
            if let Some(end) = self.ends.get(&at.attempt) {
                break end.clone();
            }
            let Some(missing) = self.missing(at) else { break at.key.coordinates.to_string() };
            match self.waiting(&missing, at) {
                // No circles within a revision.
                Some(next) => at = next,
                None => break self.describe(&missing),
            }
            passed.push(at.attempt);
        };
        self.ends.extend(passed.into_iter().map(|attempt| (attempt, end.clone())));
        end
    }

    fn missing(&self, instance: &Instance) -> Option<SliceKey> {
        instance.needs().find(|slice| !self.active.contains(slice))
    }

    /// The instance of the slice, if it is of the same revision and waits too. Two revisions may
    /// lie across each other.
    fn waiting(&self, slice: &SliceKey, caller: &Instance) -> Option<&'a Instance> {
        let dependency = self.newest.get(slice)?;
        let waits = dependency.phase == Phase::Loaded && dependency.revision == caller.revision;
        (waits && self.missing(dependency).is_some()).then_some(*dependency)
    }

    fn describe(&self, slice: &SliceKey) -> String {
        let Some(dependency) = self.newest.get(slice) else {
            return format!("{}, which is ACTIVE on no node", slice.1);
        };
        let state = dependency.phase.state().map_or_else(String::new, |s| s.to_string());
        match &dependency.phase {
            Phase::Failed { reason, .. } => format!("{} ({state}: {reason})", slice.1),
            _ => format!("{} ({state})", slice.1),
        }
    }
}
