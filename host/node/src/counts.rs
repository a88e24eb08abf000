//! What the slices of all nodes have counted: kept from those of this node, told to the others each
//! second, outside of the log. Knows no rollout's rules and no metric names.

use crate::clock::Timeline;
use crate::network::{Network, Notice};
use crate::projector::{Picture, Pictures};
use crate::world::World;
use aether_api::{CallMetrics, FunctionMetrics, Graph, GraphEdge};
use aether_engine::{Slice, Stats, Tally};
use aether_rollout::{Rollout, Time, Window};
use aether_telemetry::{
    Board, Busy, BusyReport, LastMinute, Rate, Report, SlowCall, SlowCalls, Span, Traffic,
    TrafficPoint,
};
use aether_transport::Class;
use aether_types::aspect::Aspects;
use aether_types::counts::{CallKey, Caller, Counts, Ending};
use aether_types::latencies::Latencies;
use aether_types::slow::SlowStrategy;
use aether_types::versioned::encode;
use aether_types::{AppName, Coordinates, FunctionName, NodeId, Revision};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often a node says what it has counted.
const EVERY: Duration = Duration::from_secs(1);

/// The newest counts of each node, this one included.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counting(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    held: Vec<Held>,
    /// Of slices that are gone.
    ended: BTreeMap<CallKey, Counts>,
    board: Board,
    marks: BTreeMap<AppName, Mark>,
    traffic: Traffic,
    slow: SlowCalls,
    busy: Busy,
    minute: LastMinute,
}

/// A slice that was loaded on this node.
#[derive(Debug)]
struct Held {
    app: AppName,
    version: Revision,
    slice: Coordinates,
    loaded: Weak<Slice>,
    tally: Arc<Tally>,
}

/// How long calls of functions took, over all nodes.
type Times = BTreeMap<(AppName, Revision, Coordinates, FunctionName), Latencies>;

/// How busy a slice of this node is.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) app: AppName,
    pub(crate) version: Revision,
    pub(crate) slice: Coordinates,
    pub(crate) stats: Stats,
}

/// What two versions had done when a rollout began to compare them. It is not in the log: the next
/// leader compares what comes after it has looked first.
#[derive(Debug)]
struct Mark {
    since: Time,
    old: Counts,
    new: Counts,
}

/// What two versions have done since a rollout began to compare them.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// None while nothing is compared.
    pub(crate) since: Option<Time>,
    pub(crate) old: Window,
    pub(crate) new: Window,
}

impl Counting {
    /// Counts what the slice counts from now on, and does with its calls what is wanted.
    pub(crate) fn hold(
        &self,
        (app, version): (&AppName, Revision),
        slice: &Arc<Slice>,
        world: &World,
    ) {
        let held = Held {
            app: app.clone(),
            version,
            slice: (*slice.app().coordinates).clone(),
            loaded: Arc::downgrade(slice),
            tally: Arc::clone(slice.tally()),
        };
        held.switch(&world.aspects.value);
        held.watch(&world.slow, &Times::new());
        self.0.lock().held.push(held);
    }

    pub(crate) fn on_report(&self, from: NodeId, report: Report) {
        self.0.lock().board.on_report(from, report);
    }

    /// What this node has counted in its present run, of the versions that there are now.
    pub(crate) fn own(&self, picture: &Picture) -> BTreeMap<CallKey, Counts> {
        self.0.lock().own(known(picture))
    }

    /// The slices that are loaded on this node.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let state = self.0.lock();
        let load = |held: &Held| {
            let stats = held.loaded.upgrade()?.stats();
            let (app, slice) = (held.app.clone(), held.slice.clone());
            Some(Load { app, version: held.version, slice, stats })
        };
        state.held.iter().filter_map(load).collect()
    }

    /// Who calls what, over all nodes.
    pub(crate) fn graph(&self, app: Option<&AppName>) -> Graph {
        let state = self.0.lock();
        let wanted = |key: &CallKey| app.is_none_or(|app| *app == key.app);
        let sums = state.board.sums().into_iter().filter(|(key, _)| wanted(key));
        Graph { edges: sums.map(|(key, counts)| edge(&state.board, &key, &counts)).collect() }
    }

    /// How functions were called over all nodes, whoever called them.
    pub(crate) fn functions(&self, wants: impl Fn(&CallKey) -> bool) -> CallMetrics {
        let state = self.0.lock();
        let mut sums = BTreeMap::<_, (Counts, Rate)>::new();
        for (key, counts) in state.board.sums().into_iter().filter(|(key, _)| wants(key)) {
            let rate = state.board.rate(&key);
            let of = (key.app, key.slice, key.version, key.function);
            let (sum, rates) = sums.entry(of).or_default();
            sum.add(&counts);
            *rates = *rates + rate;
        }
        let functions = sums.into_iter().map(|((app, slice, version, function), (sum, rate))| {
            function_metrics((app, slice, version, function), &sum, rate)
        });
        CallMetrics { functions: functions.collect() }
    }

    /// The newest slow calls of this node that are wanted, the newest first.
    pub(crate) fn slow(&self, limit: usize, wants: impl Fn(&SlowCall) -> bool) -> Vec<SlowCall> {
        self.0.lock().slow.newest(limit, wants)
    }

    /// Takes up what this node has counted, and says it in reports for the others.
    fn take_up(&self, (node, run): (NodeId, u64), picture: &Picture) -> Vec<Report> {
        let mut state = self.0.lock();
        state.note_slow(&picture.world.slow);
        state.held.iter().for_each(|held| held.switch(&picture.world.aspects.value));
        let own = state.own(known(picture));
        state.board.keep(known(picture));
        let reports = Report::all(run, &own);
        for report in &reports {
            state.board.on_report(node, report.clone());
        }
        reports
    }

    /// What is compared by a rollout now. Requests from outside: a call between slices belongs to
    /// one of them, and would have its failures counted twice.
    pub(crate) fn measured(&self, rollout: &Rollout) -> Measured {
        let mut state = self.0.lock();
        let State { board, marks, .. } = &mut *state;
        let Some(since) = rollout.measuring_since() else {
            marks.remove(&rollout.app);
            return Measured::default();
        };
        let of = |version: Revision| {
            board.sum(|key| {
                key.version == version && key.app == rollout.app && key.caller == Caller::Outside
            })
        };
        let (old, new) = (of(rollout.old.revision), of(rollout.new.revision));
        let known = marks.get(&rollout.app).filter(|mark| mark.since == since);
        if known.is_none() {
            let mark = Mark { since, old: old.clone(), new: new.clone() };
            marks.insert(rollout.app.clone(), mark);
        }
        let mark = &marks[&rollout.app];
        Measured {
            since: Some(since),
            old: window(old.since(&mark.old)),
            new: window(new.since(&mark.new)),
        }
    }

    /// Begins to compare where a rollout has begun to.
    fn follow(&self, picture: &Picture) {
        let rollouts = &picture.world.rollouts;
        self.0.lock().marks.retain(|app, _| rollouts.contains_key(app));
        rollouts.values().for_each(|at| drop(self.measured(&at.value)));
    }

    /// How often a slice is called now, by anyone, over all nodes and revisions.
    pub(crate) fn rate(&self, app: &AppName, slice: &Coordinates) -> Rate {
        self.0.lock().board.rate_of(|key| key.app == *app && key.slice == *slice)
    }

    /// Calls of a slice that run or wait now, over all nodes.
    pub(crate) fn busy(&self, app: &AppName, slice: &Coordinates, now: Duration) -> f64 {
        self.0.lock().busy.sum(app, slice, now)
    }

    pub(crate) fn on_busy(&self, from: NodeId, now: Duration, report: BusyReport) {
        self.0.lock().busy.on_report(from, now, report);
    }

    /// Requests from outside to an application: how often now, and how they ended in the last
    /// minute.
    pub(crate) fn requests(&self, app: &AppName) -> (Rate, Counts) {
        let state = self.0.lock();
        let rate = state.board.rate_of(|key| key.app == *app && key.caller == Caller::Outside);
        (rate, state.minute.of(app))
    }

    /// Calls that run or wait on this node.
    fn own_busy(&self) -> BusyReport {
        let mut slices = BTreeMap::<_, u64>::new();
        for load in self.loads() {
            let calls = (load.stats.busy + load.stats.queued) as u64;
            *slices.entry((load.app, load.slice)).or_default() += calls;
        }
        let busy = slices.into_iter().filter(|(_, calls)| *calls > 0);
        BusyReport { slices: busy.map(|((app, slice), calls)| (app, slice, calls)).collect() }
    }

    /// Requests from outside over all nodes: now, and slot by slot.
    pub(crate) fn traffic(&self, span: &Span) -> (TrafficPoint, Vec<Option<TrafficPoint>>) {
        let state = self.0.lock();
        (state.traffic.now(), state.traffic.history(span))
    }

    /// For what is done with nodes and requests together.
    pub(crate) fn with_traffic<R>(&self, act: impl FnOnce(&mut Traffic) -> R) -> R {
        act(&mut self.0.lock().traffic)
    }

    /// `now`: since the moment from which slots are counted.
    fn tick(&self, picture: &Picture, now: Duration, elapsed: Duration) {
        let mut state = self.0.lock();
        state.board.tick(elapsed);
        let requests = |app: &AppName| {
            state.board.lately(|key| key.app == *app && key.caller == Caller::Outside)
        };
        let apps = picture.world.applications.keys();
        let lately = apps.map(|app| (app.clone(), requests(app))).collect();
        state.minute.tick(lately);
        let counted = state.board.lately(|key| key.caller == Caller::Outside);
        state.traffic.tick(now, elapsed, counted);
    }
}

impl State {
    /// Takes up which calls were slow, and says which ones are from now on.
    fn note_slow(&mut self, strategy: &SlowStrategy) {
        let mut times = Times::new();
        if strategy.is_adaptive() {
            for (key, counts) in self.board.sums() {
                let function = (key.app, key.version, key.slice, key.function);
                times.entry(function).or_default().add(&counts.latencies);
            }
        }
        for held @ Held { app, version, slice, tally, .. } in &self.held {
            for call in tally.take_slow() {
                let ago = u64::try_from(call.ended.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.slow.push(SlowCall {
                    at_unix_ms: crate::unix_ms().saturating_sub(ago),
                    app: app.clone(),
                    version: *version,
                    slice: slice.clone(),
                    function: call.function,
                    caller: call.caller,
                    request_id: call.request_id,
                    took: call.took,
                    ending: call.ending,
                });
            }
            held.watch(strategy, &times);
        }
    }

    /// What this node has counted in its present run.
    fn own(&mut self, keeps: impl Fn(&CallKey) -> bool) -> BTreeMap<CallKey, Counts> {
        let ended = &mut self.ended;
        self.held.retain(|held| {
            // Nobody counts there any more.
            let is_gone = Arc::strong_count(&held.tally) == 1;
            if is_gone {
                held.add_to(ended);
            }
            !is_gone
        });
        ended.retain(|key, _| keeps(key));
        let mut own = ended.clone();
        self.held.iter().for_each(|held| held.add_to(&mut own));
        own.retain(|key, _| keeps(key));
        own
    }
}

impl Held {
    /// Says what is done with its calls from now on.
    fn switch(&self, aspects: &Aspects) {
        let Self { app, slice, tally, .. } = self;
        tally.switch(|function| aspects.of(app, &slice.slice, function));
    }

    /// Says which of its calls are slow from now on.
    fn watch(&self, strategy: &SlowStrategy, times: &Times) {
        self.tally.watch(|function| {
            let of = (self.app.clone(), self.version, self.slice.clone(), function.clone());
            strategy.threshold(function, times.get(&of))
        });
    }

    fn add_to(&self, sums: &mut BTreeMap<CallKey, Counts>) {
        for (function, caller, counts) in self.tally.counts() {
            let key = CallKey {
                app: self.app.clone(),
                version: self.version,
                slice: self.slice.clone(),
                function: function.clone(),
                caller,
            };
            sums.entry(key).or_default().add(&counts);
        }
    }
}

/// Whether the version of a key is one of those that there are now.
fn known(picture: &Picture) -> impl Fn(&CallKey) -> bool {
    |key| picture.applications.get(&key.app, key.version).is_some()
}

fn edge(board: &Board, key: &CallKey, counts: &Counts) -> GraphEdge {
    let CallKey { app, version, slice, function, caller } = key;
    let rate = board.rate(key);
    GraphEdge {
        app: app.clone(),
        caller: match caller {
            Caller::Outside => None,
            Caller::Slice(slice) => Some(slice.to_string()),
            Caller::Others => Some("others".to_owned()),
        },
        callee: slice.to_string(),
        version: version.0,
        function: function.to_string(),
        calls: counts.calls(),
        failures: counts.failures(),
        calls_per_second: rate.calls,
        failures_per_second: rate.failures,
        p50_us: counts.latencies.percentile(50),
        p90_us: counts.latencies.percentile(90),
        p99_us: counts.latencies.percentile(99),
        latencies: counts.latencies.buckets().collect(),
    }
}

fn function_metrics(
    (app, slice, version, function): (AppName, Coordinates, Revision, FunctionName),
    counts: &Counts,
    rate: Rate,
) -> FunctionMetrics {
    let (times, timed) = (&counts.latencies, counts.latencies.count());
    let endings = Ending::ALL.into_iter().filter(|ending| counts.of(*ending) > 0);
    FunctionMetrics {
        app,
        slice: slice.to_string(),
        version: version.0,
        function: function.to_string(),
        calls: counts.calls(),
        failures: counts.failures(),
        endings: endings.map(|ending| (ending.word().to_owned(), counts.of(ending))).collect(),
        calls_per_second: rate.calls,
        failures_per_second: rate.failures,
        timed,
        mean_us: (timed > 0).then(|| counts.nanos as f64 / timed as f64 / 1e3),
        p50_us: times.percentile(50),
        p90_us: times.percentile(90),
        p99_us: times.percentile(99),
        max_us: times.percentile(100),
    }
}

fn window(counts: Counts) -> Window {
    Window { requests: counts.calls(), errors: counts.failures(), latencies: counts.worked }
}

/// Tells every other node what this one has counted.
pub(crate) async fn tell(
    own: (NodeId, u64),
    (counting, timeline): (Counting, Timeline),
    pictures: Pictures,
    network: Network,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    while shutdown.run_until_cancelled(every.tick()).await.is_some() {
        let picture = pictures.borrow().clone();
        let reports = counting.take_up(own, &picture);
        // So that any node shows what is compared.
        counting.follow(&picture);
        counting.tick(&picture, timeline.now(), last.elapsed());
        let busy = counting.own_busy();
        counting.on_busy(own.0, timeline.now(), busy.clone());
        last = Instant::now();
        let Some(links) = network.links() else { continue };
        let statuses = links.statuses().borrow().clone();
        let reports = reports.iter().map(|report| (Notice::Counts, encode(report)));
        for (notice, report) in reports.chain([(Notice::Busy, encode(&busy))]) {
            let bytes = bytes::Bytes::from(report);
            for (node, _) in statuses.iter().filter(|(_, status)| status.is_up()) {
                links.send(*node, Class::Calls, notice as u64, bytes.clone());
            }
        }
    }
    Ok(())
}
