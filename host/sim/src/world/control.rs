//! Planner, reconciler and publisher of a node, as its own tasks work: each looks at the whole
//! picture and takes its time. Decides nothing: `placement`, `lifecycle` and `routing` do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aether_consensus::Term;
use aether_control::{Answer, Write};
use aether_kv::{Condition, Operation, Transaction};
use aether_lifecycle::{AttemptId, Effect, Outbox, Reconciler, Tick, active_elsewhere};
use aether_placement::{
    Duty, NodeView, Report, SideBySide, Transition, View, lint, lint_transition, plan,
};
use aether_routing::Table;
use aether_types::code::Code;
use aether_types::observed::{InstanceState, Observed, Reason};
use aether_types::plan::Plan;
use aether_types::versioned::encode;
use aether_types::{AppName, ByteSize, Coordinates, NodeId, Revision};

use super::node::{Asker, Up};
use super::{Event, World};
use crate::guests::Step;
use crate::keys;
use crate::swarm::Ms;

/// How long a node that cannot be reached keeps its instances.
const LOST_MS: Ms = 2_000;

/// What the instances of a node may reserve: enough for all of them.
const MEMORY: ByteSize = ByteSize::mib(1 << 20);

/// How long to wait before publishing again after it failed.
const PUBLISH_RETRY_MS: Ms = 200;

/// How long a loaded instance drains or stops at most.
const CALL_MS: Ms = 50;

impl World {
    pub(super) fn look_soon(&mut self, id: NodeId) {
        let wait = self.rng.between(1, 5);
        let Some(up) = self.up(id) else { return };
        if !std::mem::replace(&mut up.looks_soon, true) {
            let run = up.run;
            self.after(wait, Event::Look { node: id, run });
        }
    }

    fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        let is_up = self.nodes.get(&to).is_some_and(|node| node.up.is_some());
        let is_cut = |from, to| self.network.is_cut(from, to) || self.is_given_up(from, to);
        from == to || (is_up && !is_cut(from, to) && !is_cut(to, from))
    }

    pub(super) fn on_look(&mut self, id: NodeId, run: u64) {
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        let (reached, lost): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|other| self.reaches(id, *other));
        let run_of = |node: &NodeId| Some((*node, self.nodes[node].up.as_ref()?.run));
        let runs: BTreeMap<NodeId, u64> = reached.iter().filter_map(run_of).collect();
        let now = self.now;
        let Some(up) = self.up_in(id, run) else { return };
        up.looks_soon = false;
        up.unreachable.retain(|node, _| lost.contains(node));
        let mut changed = std::mem::replace(&mut up.runs, runs) != up.runs;
        for node in lost {
            changed |= up.unreachable.insert(node, now).is_none();
        }
        changed |= up.picture.follow(&up.state);
        if changed {
            up.derive_table();
            let elsewhere = up.active_elsewhere(id);
            self.reconcile(id, |core, now, out| core.on_elsewhere(now, elsewhere, out));
            let Some(up) = self.up_in(id, run) else { return };
            let (plan, applications) = (up.picture.plan.1.clone(), up.picture.applications.clone());
            self.reconcile(id, |core, now, out| core.on_plan(now, &plan, &applications, out));
        }
        self.decide(id);
    }

    /// The leader plans; what it decided is written a while later.
    fn decide(&mut self, id: NodeId) {
        let (now, planner_ms) = (self.now, self.swarm.planner_ms);
        let Some(up) = self.up(id) else { return };
        let Some(term) = up.leading.filter(|_| !up.is_planning) else { return };
        if let Some(left) = up.left_over() {
            let operations = vec![Operation::Delete { key: keys::observed(left) }];
            let transaction = Transaction { conditions: vec![], operations };
            let run = up.run;
            up.is_planning = true;
            return self.on_write_plan(id, run, term, transaction);
        }
        let view = up.view(now);
        let (next, _) = up.plan(&view);
        let (revision, previous) = &up.picture.plan;
        if next == *previous {
            return;
        }
        let key = keys::plan();
        let condition = match revision {
            Revision(0) => Condition::Absent { key: key.clone() },
            revision => Condition::ModifiedAt { key: key.clone(), revision: *revision },
        };
        let bytes = encode(&next);
        let put = Operation::Put { key, value: bytes.clone().into(), lease: None };
        let transaction = Transaction { conditions: vec![condition], operations: vec![put] };
        let run = up.run;
        up.is_planning = true;
        self.oracle.on_decided(id, term, &bytes);
        let generation = next.generation;
        let assignments = show(&next);
        let what = format_args!("{id} decides on plan {generation} in {term:?}:{assignments}");
        self.trace.add(now, what);
        let wait = self.rng.between(0, planner_ms);
        self.after(wait, Event::WritePlan { node: id, run, term, transaction });
    }

    pub(super) fn on_write_plan(
        &mut self,
        id: NodeId,
        run: u64,
        term: Term,
        transaction: Transaction,
    ) {
        self.write(id, run, transaction, Some(term), Asker::Planner);
    }

    fn write(
        &mut self,
        id: NodeId,
        run: u64,
        transaction: Transaction,
        decided: Option<Term>,
        asker: Asker,
    ) {
        let write = Write::Transaction(transaction.try_into().expect("within all limits"));
        self.give(Event::Write { node: id, run, write, decided, asker });
    }

    pub(super) fn on_planned(&mut self, id: NodeId) {
        if let Some(up) = self.up(id) {
            up.is_planning = false;
            self.look_soon(id);
        }
    }

    /// Steps the reconciler of a node, then executes what it wants.
    pub(super) fn reconcile(
        &mut self,
        id: NodeId,
        input: impl FnOnce(&mut Reconciler, Tick, &mut Outbox),
    ) {
        let now = self.now;
        let Some(up) = self.up(id) else { return };
        let mut out = Outbox::new();
        let tick = up.tick(now);
        input(&mut up.core, tick, &mut out);
        up.core.check();
        for effect in out {
            self.on_reconciler_effect(id, effect);
        }
    }

    fn on_reconciler_effect(&mut self, id: NodeId, effect: Effect) {
        let up = self.up(id).expect("it runs");
        let run = up.run;
        let step = up.guests.on_effect(&effect);
        if let Effect::Publish(observed) = effect {
            up.to_publish = Some(observed);
            self.after(0, Event::Publish { node: id, run });
            return;
        }
        self.trace.add(self.now, format_args!("{id} wants {effect:?}"));
        if let Some((attempt, step)) = step {
            let wait = match step {
                Step::Load => self.rng.around(self.swarm.load_ms),
                Step::Withdraw => 1,
                Step::Start | Step::Drain | Step::Stop | Step::Unload => self.rng.below(CALL_MS),
            };
            self.after(wait, Event::Guest { node: id, run, attempt, step });
        }
    }

    pub(super) fn on_guest(&mut self, id: NodeId, run: u64, attempt: AttemptId, step: Step) {
        if step == Step::Withdraw && self.is_routed(id, run, attempt) {
            self.after(20, Event::Guest { node: id, run, attempt, step });
            return;
        }
        let result = match step {
            Step::Load | Step::Start if !self.healed => self.draw_result(id, attempt),
            _ => Some(Ok(())),
        };
        // Nothing at all: it hangs.
        let Some(result) = result else { return };
        let Some(up) = self.up_in(id, run) else { return };
        if result.is_ok() {
            up.guests.on_step_done(attempt, step);
        }
        self.reconcile(id, |core, now, out| match step {
            Step::Load => core.on_loaded(now, attempt, result, out),
            Step::Start => core.on_started(now, attempt, result, out),
            Step::Withdraw => core.on_withdrawn(now, attempt, out),
            Step::Drain => core.on_drained(now, attempt, out),
            Step::Stop => core.on_stopped(now, attempt, out),
            Step::Unload => core.on_unloaded(now, attempt, out),
        });
    }

    fn draw_result(&mut self, id: NodeId, attempt: AttemptId) -> Option<Result<(), Reason>> {
        if !self.rng.chance(self.swarm.guest_failures) {
            return Some(Ok(()));
        }
        if self.rng.chance(50) {
            return None;
        }
        let retryable = !self.rng.chance(self.swarm.guest_fatal);
        let guest = self.up(id).and_then(|up| up.guests.all.get(&attempt));
        let of = guest.map(|guest| (guest.key.app.clone(), guest.revision));
        if !retryable {
            self.fatal.extend(of);
        }
        let message = "drawn by the simulator".to_owned();
        Some(Err(Reason { code: Code::StartFailed, message, retryable }))
    }

    /// Whether the table of any node that can be reached still sends calls to an instance.
    fn is_routed(&self, id: NodeId, run: u64, attempt: AttemptId) -> bool {
        let up = self.nodes.get(&id).and_then(|node| node.up.as_ref());
        let guest = up.filter(|up| up.run == run).and_then(|up| up.guests.all.get(&attempt));
        let Some(guest) = guest else { return false };
        self.nodes.iter().any(|(other, node)| {
            let sends = |up: &Up| up.table.sends_to(id, &guest.key, guest.revision);
            self.reaches(id, *other) && node.up.as_ref().is_some_and(sends)
        })
    }

    /// Writes down what the node sees of itself, if nobody else has done so since it looked.
    pub(super) fn on_publish(&mut self, id: NodeId, run: u64) {
        let Some(up) = self.up_in(id, run) else { return };
        if up.is_publishing {
            return;
        }
        let Some(observed) = up.to_publish.take() else { return };
        let key = keys::observed(id);
        let condition = match up.state.get(&key) {
            Some(entry) => Condition::ModifiedAt { key: key.clone(), revision: entry.modified },
            None => Condition::Absent { key: key.clone() },
        };
        let active = observed.instances.iter().filter(|i| i.state == InstanceState::Active);
        for status in active {
            let announced = up.guests.was_announced(&status.instance, status.blueprint);
            assert!(announced, "{id} publishes {} before it is announced", status.instance);
        }
        let put = Operation::Put { key, value: encode(&observed).into(), lease: None };
        up.is_publishing = true;
        let transaction = Transaction { conditions: vec![condition], operations: vec![put] };
        self.write(id, run, transaction, None, Asker::Publisher);
    }

    pub(super) fn on_published(&mut self, id: NodeId, answer: &Answer) {
        let Some(up) = self.up(id) else { return };
        up.is_publishing = false;
        let run = up.run;
        if answer.is_err() && up.to_publish.is_none() {
            up.to_publish = Some(up.core.observed());
        }
        if up.to_publish.is_some() {
            let wait = if answer.is_err() { PUBLISH_RETRY_MS } else { 0 };
            self.after(wait, Event::Publish { node: id, run });
        }
    }
}

impl Up {
    fn derive_table(&mut self) {
        let observed = self.picture.observed.values().filter(|o| is_current(o, &self.runs));
        self.table = Table::derive(&self.picture.applications, observed);
    }

    fn active_elsewhere(&self, me: NodeId) -> BTreeSet<(AppName, Coordinates)> {
        let living = |node| {
            let observed = self.picture.observed.get(&node)?;
            is_current(observed, &self.runs).then_some(observed)
        };
        active_elsewhere(me, &self.picture.plan.1, living)
    }

    /// A node that is no member any more, and of which something is still observed.
    fn left_over(&self) -> Option<NodeId> {
        let membership = self.member.group().membership();
        self.picture.observed.keys().find(|node| !membership.contains(**node)).copied()
    }

    /// The members that are not lost, as the leader sees them.
    pub(super) fn view(&self, now: Ms) -> View {
        let membership = self.member.group().membership();
        let lost = |id: &NodeId| self.unreachable.get(id).is_some_and(|at| now - at >= LOST_MS);
        let members = membership.voters.iter().chain(&membership.learners);
        let node = |id: &NodeId| {
            let observed = self.picture.observed.get(id).filter(|o| is_current(o, &self.runs));
            NodeView {
                duty: self.picture.duties.get(id).copied().unwrap_or(Duty::OnDuty),
                suspect: self.unreachable.contains_key(id),
                observed: observed.map(|observed| Arc::new(observed.clone())),
                ..NodeView::new(*id, MEMORY)
            }
        };
        View { nodes: members.filter(|id| !lost(id)).map(node).collect() }
    }

    /// The plan that follows the one there is.
    ///
    /// # Panics
    /// If it breaks a rule of plans.
    pub(super) fn plan(&self, view: &View) -> (Plan, Report) {
        let (applications, previous) = (&self.picture.applications, &self.picture.plan.1);
        let (next, report) = plan(applications, view, previous);
        let notes = lint(applications, view, &next);
        assert!(notes.is_empty(), "the plan breaks a rule: {notes:?}");
        let side_by_side = &SideBySide::new();
        let transition = Transition { applications, side_by_side, view, previous, next: &next };
        let breaches = lint_transition(transition);
        assert!(breaches.is_empty(), "the step to the plan breaks a rule: {breaches:?}");
        (next, report)
    }
}

fn show(plan: &Plan) -> String {
    let each = plan.assignments.iter().map(|a| {
        let leaving = if a.leaving { " leaving" } else { "" };
        format!("\n{:15} {} @{} on {}{leaving}", "", a.instance, a.blueprint, a.node)
    });
    each.collect()
}

/// Whether the node that says this is there, and still the same process.
fn is_current(observed: &Observed, runs: &BTreeMap<NodeId, u64>) -> bool {
    runs.get(&observed.node) == Some(&observed.run)
}
