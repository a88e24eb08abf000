//! What the node says of its instances, with the reason for every wait.

use crate::instance::Instance;
use crate::phase::Phase;
use crate::reconciler::Reconciler;
use crate::wanted::SliceKey;
use aether_types::code::Code;
use aether_types::observed::{InstanceStatus, Observed, Reason};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Reconciler {
    /// The node's instances as they are.
    pub fn observed(&self) -> Observed {
        let active = self.active();
        let status = |i: &Instance| {
            let state = i.phase.state()?;
            Some(InstanceStatus {
                instance: i.key.clone(),
                digest: i.digest,
                blueprint: i.revision,
                state,
                reason: self.reason(i, &active),
            })
        };
        let mut instances: Vec<InstanceStatus> =
            self.instances.values().filter_map(status).collect();
        instances.sort_by(|a, b| (&a.instance, a.blueprint).cmp(&(&b.instance, b.blueprint)));
        Observed {
            node: self.settings.node,
            run: self.settings.run,
            generation: self.wanted.generation,
            instances,
        }
    }

    fn reason(&self, instance: &Instance, active: &BTreeSet<SliceKey>) -> Option<Reason> {
        match &instance.phase {
            Phase::Loaded => self.waits_for(instance, active).map(|chain| Reason {
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

    /// The first dependency that is not ACTIVE, and what that one waits for in turn.
    fn waits_for(&self, instance: &Instance, active: &BTreeSet<SliceKey>) -> Option<String> {
        let missing = instance.needs().find(|slice| !active.contains(slice))?;
        let here = self.instances.values().filter(|i| i.slice() == missing);
        // The newest one: an earlier revision is on its way out.
        let Some(dependency) = here.max_by_key(|i| (self.is_wanted(i), i.revision)) else {
            return Some(format!("{}, which is ACTIVE on no node", missing.1));
        };
        let state = dependency.phase.state().map_or_else(String::new, |s| s.to_string());
        let why = match &dependency.phase {
            // No circles within a revision, but two of them may lie across each other.
            Phase::Loaded if dependency.revision == instance.revision => {
                self.waits_for(dependency, active).map(|chain| format!(", waits for {chain}"))
            }
            Phase::Failed { reason, .. } => Some(format!(": {reason}")),
            _ => None,
        };
        Some(format!("{} ({state}{})", missing.1, why.unwrap_or_default()))
    }
}
