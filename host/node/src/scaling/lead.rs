//! The leader's controller: looks each second, and writes what `scaling` decides. Keeps nothing
//! that the next leader would need.

use super::desk::{Asked, Said, Seen};
use crate::control::{Control, ControlError};
use crate::counts::Counting;
use crate::planner::Reports;
use crate::projector::{Picture, Pictures};
use crate::reach::Reaches;
use crate::records::{Duty, Scale, Target};
use crate::rollouts::unchanged;
use crate::samples::Samples;
use crate::tasks::Runs;
use crate::{keys, rollouts, unix_ms};
use aether_consensus::Term;
use aether_kv::{Operation, Transaction};
use aether_scaling::{
    Decision, Hold, Load, Memory, Processors, SliceLoad, Time, Verdict, evaluate,
};
use aether_types::checked::{Checked, CheckedSlice};
use aether_types::plan::InstanceKey;
use aether_types::versioned::encode;
use aether_types::{AppName, ErrorKind, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the leader looks.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Lead {
    pub(crate) node: NodeId,
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) reaches: Reaches,
    pub(crate) reports: Reports,
    pub(crate) samples: Samples,
    pub(crate) counting: Counting,
    pub(crate) leading: watch::Receiver<Option<Term>>,
    pub(crate) asked: mpsc::Receiver<Asked>,
    pub(crate) seen: Seen,
}

impl Lead {
    /// Looks while this node leads.
    pub(crate) async fn run(
        mut self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut led: Option<(Term, Memory)> = None;
        loop {
            let asked = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = every.tick() => None,
                asked = self.asked.recv() => asked,
            };
            let term = *self.leading.borrow();
            let Some(term) = term else {
                led = None;
                *self.seen.lock() = None;
                // Whoever asked is told by the end of the channel.
                continue;
            };
            let since = Instant::now();
            let (now, picture) = (Time(unix_ms()), self.pictures.borrow().clone());
            let fresh = || (term, Memory::new(now));
            let (_, memory) = match &mut led {
                Some(led) if led.0 == term => led,
                led => led.insert(fresh()),
            };
            let (settings, loads) = (&picture.world.controller.value, self.loads(&picture));
            if let Some(Asked { dry_run: true, reply }) = asked {
                let verdicts = evaluate(settings, now, &loads, &mut memory.clone());
                let _ = reply.send(Said { at: Some(now), verdicts });
                continue;
            }
            let verdicts = evaluate(settings, now, &loads, memory);
            let error = self.write(&picture, &verdicts, term).await.err();
            let said = Said { at: Some(now), verdicts };
            *self.seen.lock() = Some(said.clone());
            if let Some(Asked { reply, .. }) = asked {
                let _ = reply.send(said);
            }
            runs.note("controller", since, error.map(|error| error.to_string()));
        }
    }

    /// Every slice that may have more instances than its blueprint says.
    fn loads(&self, picture: &Picture) -> Vec<SliceLoad> {
        let is_ours = |checked: &Checked| checked.slices.iter().any(|s| s.max_instances.is_some());
        if !picture.applications.all_current().any(|(_, checked)| is_ours(checked)) {
            return Vec::new();
        }
        let nodes = self.samples.loads();
        let shares = nodes.iter().map(|(id, load)| (*id, load.cpu_share())).collect();
        let mut planned: BTreeMap<_, BTreeSet<NodeId>> = BTreeMap::new();
        for assignment in &picture.world.plan.value.assignments {
            let InstanceKey { app, coordinates, .. } = &assignment.instance;
            planned.entry((app, coordinates)).or_default().insert(assignment.node);
        }
        let freest = self.freest(picture, &shares);
        let mut loads = Vec::new();
        for (_, checked) in picture.applications.all_current() {
            for slice in &checked.slices {
                let Some(max) = slice.max_instances else { continue };
                let nodes = planned.get(&(&checked.app, &slice.coordinates));
                let own = share(nodes.into_iter().flatten(), &shares);
                let load = own.map(|own| self.load(checked, slice, Processors { own, freest }));
                loads.push(self.slice(picture, (checked, slice, max), load));
            }
        }
        loads.sort_by(|a, b| (&a.app, &a.slice).cmp(&(&b.app, &b.slice)));
        loads
    }

    /// How busy the processors are of the node with least to do.
    fn freest(&self, picture: &Picture, shares: &BTreeMap<NodeId, f64>) -> f64 {
        let reach = self.reaches.borrow().clone();
        let is_open = |node: &NodeId| {
            let duty = picture.world.members.get(node).map(|at| at.value.duty);
            duty == Some(Duty::Full) && reach.is_up(*node, self.node)
        };
        let open = shares.iter().filter(|(node, _)| is_open(node));
        open.map(|(_, share)| *share).fold(1.0, f64::min)
    }

    fn slice(
        &self,
        picture: &Picture,
        (checked, slice, max): (&Checked, &CheckedSlice, u32),
        load: Result<Load, String>,
    ) -> SliceLoad {
        let (world, app) = (&picture.world, &checked.app);
        let target = world.scales.get(app).and_then(|at| at.value.target(&slice.coordinates));
        SliceLoad {
            app: app.clone(),
            slice: slice.coordinates.clone(),
            min: slice.instances,
            max,
            wanted: super::wanted(world, app, slice),
            max_concurrency: u32::try_from(slice.limits.max_concurrency).unwrap_or(u32::MAX),
            changed: target.map(|target| Time(target.changed_ms)),
            hold: self.hold(picture, app, slice),
            load,
        }
    }

    fn hold(&self, picture: &Picture, app: &AppName, slice: &CheckedSlice) -> Option<Hold> {
        if rollouts::is_going(&picture.world, app) {
            return Some(Hold::Rollout);
        }
        let outlook = self.reports.borrow().clone();
        let unplaced = outlook.report.unplaced.iter();
        let mut unplaced = unplaced.filter(|u| u.app == *app && u.coordinates == slice.coordinates);
        unplaced.next().map(|unplaced| Hold::Unplaced {
            placed: unplaced.placed,
            reason: unplaced.reason.message.clone(),
        })
    }

    fn load(&self, checked: &Checked, slice: &CheckedSlice, cpu: Processors) -> Load {
        let (app, coordinates) = (&checked.app, &slice.coordinates);
        Load {
            calls: self.counting.rate(app, coordinates).calls,
            busy: self.counting.busy(app, coordinates, self.samples.timeline.now()),
            cpu,
        }
    }

    /// Writes what changes, application by application, if nobody else has changed it.
    async fn write(
        &self,
        picture: &Picture,
        verdicts: &[Verdict],
        term: Term,
    ) -> Result<(), ControlError> {
        let mut apps: BTreeMap<&AppName, Vec<&Verdict>> = BTreeMap::new();
        for verdict in verdicts.iter().filter(|v| v.decision != Decision::Keep) {
            apps.entry(&verdict.app).or_default().push(verdict);
        }
        let mut error = None;
        for (app, verdicts) in apps {
            match self.control.transact_as_leader(transaction(picture, app, &verdicts), term).await
            {
                Ok(_) => verdicts.into_iter().for_each(log),
                // Somebody was faster, or leads now: the next look sees it.
                Err(conflict) if conflict.kind() == ErrorKind::Conflict => {}
                Err(failed) => error = Some(failed),
            }
        }
        error.map_or(Ok(()), Err)
    }
}

/// The mean of these nodes, or one that says nothing.
fn share<'a>(
    nodes: impl Iterator<Item = &'a NodeId>,
    shares: &BTreeMap<NodeId, f64>,
) -> Result<f64, String> {
    let known = nodes.map(|node| shares.get(node).copied().ok_or_else(|| node.to_string()));
    let known = known.collect::<Result<Vec<f64>, String>>()?;
    Ok(known.iter().sum::<f64>() / known.len().max(1) as f64)
}

fn transaction(picture: &Picture, app: &AppName, verdicts: &[&Verdict]) -> Transaction {
    let world = &picture.world;
    let conditions = vec![
        unchanged(keys::blueprint(app), world.blueprints.get(app).map(|at| at.revision)),
        unchanged(keys::change(app), world.changes.get(app).map(|at| at.revision)),
        unchanged(keys::rollout(app), world.rollouts.get(app).map(|at| at.revision)),
        unchanged(keys::scale(app), world.scales.get(app).map(|at| at.revision)),
    ];
    let mut scale = Scale::default();
    let current = picture.applications.current(app);
    // Slices that are gone, and versions before, are forgotten here.
    for slice in current.iter().flat_map(|(_, checked)| &checked.slices) {
        let target = world.scales.get(app).and_then(|at| at.value.target(&slice.coordinates));
        scale.0.extend(target.map(|target| (slice.coordinates.clone(), target.clone())));
    }
    for verdict in verdicts {
        let target = Target {
            instances: verdict.to,
            before: verdict.from,
            changed_ms: verdict.at.0,
            why: verdict.why.to_string(),
        };
        scale.0.insert(verdict.slice.clone(), target);
    }
    let put = Operation::Put { key: keys::scale(app), value: encode(&scale).into(), lease: None };
    Transaction { conditions, operations: vec![put] }
}

fn log(verdict: &Verdict) {
    let Verdict { app, slice, from, to, why, .. } = verdict;
    let rule = why.rule().map_or("", aether_scaling::Rule::word);
    tracing::info!(%app, %slice, from, to, rule, reason = %why, "slice scaled");
}
