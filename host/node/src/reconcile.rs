//! The shell around this node's reconciler: executes its effects on the engine and tells it how
//! they ended. Decides nothing: `lifecycle` does.

use crate::control::Control;
use crate::counts::Counting;
use crate::keys;
use crate::loader::Loader;
use crate::projector::Pictures;
use crate::routing::Routing;
use crate::tasks::{OnFailure, Runs, Tasks};
use aether_engine::{CallContext, HOOK_TIMEOUT, Origin, Slice};
use aether_kv::{Operation, Transaction};
use aether_lifecycle::{AttemptId, Effect, Outbox, Reconciler, Tick, active_elsewhere};
use aether_types::observed::{Observed, Reason};
use aether_types::plan::InstanceKey;
use aether_types::versioned::encode;
use aether_types::{NodeId, RequestId, Revision};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Completions on their way to the reconciler: one for each step of an instance.
const COMPLETIONS_MAX: usize = 1_024;
/// How long to wait before publishing again after it failed.
const PUBLISH_RETRY: Duration = Duration::from_millis(200);
/// How long to sleep when the reconciler has no deadline.
const NO_DEADLINE: Duration = Duration::from_secs(3_600);

/// How a step ended.
enum Completion {
    Loaded(AttemptId, Result<Arc<Slice>, Reason>),
    Started(AttemptId, Result<(), Reason>),
    Withdrawn(AttemptId),
    Drained(AttemptId),
    Stopped(AttemptId),
    Unloaded(AttemptId),
}

/// What the node holds for an attempt.
struct Held {
    instance: InstanceKey,
    revision: Revision,
    /// None while it is being loaded.
    slice: Option<Arc<Slice>>,
}

/// Owns the reconciler of this node.
pub(crate) struct Reconcile {
    core: Reconciler,
    node: NodeId,
    started: Instant,
    held: BTreeMap<AttemptId, Held>,
    loader: Loader,
    counting: Counting,
    routing: Routing,
    tasks: Tasks,
    pictures: Pictures,
    observed: watch::Sender<Option<Observed>>,
    done: mpsc::Sender<Completion>,
    completions: mpsc::Receiver<Completion>,
}

impl Reconcile {
    pub(crate) fn new(
        settings: aether_lifecycle::Settings,
        (loader, counting): (Loader, Counting),
        routing: Routing,
        tasks: Tasks,
        pictures: Pictures,
    ) -> (Self, watch::Receiver<Option<Observed>>) {
        let (done, completions) = mpsc::channel(COMPLETIONS_MAX);
        let (observed, publisher) = watch::channel(None);
        let this = Self {
            node: settings.node,
            core: Reconciler::new(settings),
            started: Instant::now(),
            held: BTreeMap::new(),
            loader,
            counting,
            routing,
            tasks,
            pictures,
            observed,
            done,
            completions,
        };
        (this, publisher)
    }

    /// Runs until `stop` and until every instance has been taken down.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Infallible> {
        self.on_picture();
        let mut stopping = false;
        while !(stopping && self.core.is_idle()) {
            let deadline = self
                .core
                .next_deadline()
                .map_or(NO_DEADLINE, |at| Duration::from_millis(at.0.saturating_sub(self.now().0)));
            tokio::select! {
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.step(Reconciler::on_shutdown);
                }
                Ok(()) = self.pictures.changed(), if !stopping => self.on_picture(),
                Some(completion) = self.completions.recv() => self.on_completion(completion),
                () = tokio::time::sleep(deadline) => self.step(Reconciler::tick),
            }
        }
        Ok(())
    }

    fn now(&self) -> Tick {
        let elapsed = self.started.elapsed().as_millis();
        Tick(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    fn on_picture(&mut self) {
        let picture = self.pictures.borrow_and_update().clone();
        self.loader.show(&picture);
        let world = &picture.world;
        let elsewhere = active_elsewhere(self.node, &world.plan.value, |node| {
            world.observed.get(&node).map(|observed| &**observed)
        });
        self.step(|core, now, out| {
            core.on_elsewhere(now, elsewhere, out);
            core.on_plan(now, &picture.world.plan.value, &picture.applications, out);
        });
    }

    /// Steps the core, then executes what it wants.
    fn step(&mut self, input: impl FnOnce(&mut Reconciler, Tick, &mut Outbox)) {
        let mut out = Outbox::new();
        let now = self.now();
        input(&mut self.core, now, &mut out);
        self.core.check();
        for effect in out {
            self.on_effect(effect);
        }
    }

    fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Load { attempt, instance, digest, revision } => {
                let load = self.loader.load(&instance, &digest, revision, &self.routing);
                self.held.insert(attempt, Held { instance, revision, slice: None });
                self.spawn(async move { Completion::Loaded(attempt, load.await) });
            }
            Effect::Start { attempt } => {
                let slice = self.slice(attempt);
                self.spawn(async move {
                    Completion::Started(attempt, slice.start(hook_context()).await)
                });
            }
            Effect::Announce { attempt } => {
                let slice = self.slice(attempt);
                let held = &self.held[&attempt];
                tracing::info!(
                    app = %held.instance.app, slice = %held.instance.coordinates, "instance active"
                );
                self.routing.announce(held.instance.clone(), held.revision, slice);
            }
            Effect::Withdraw { attempt } => {
                let (routing, slice) = (self.routing.clone(), self.slice(attempt));
                let held = &self.held[&attempt];
                let (instance, revision) = (held.instance.clone(), held.revision);
                self.spawn(async move {
                    routing.withdraw(&instance, revision, &slice).await;
                    Completion::Withdrawn(attempt)
                });
            }
            Effect::Drain { attempt, until } => {
                let slice = self.slice(attempt);
                let held = &self.held[&attempt];
                // Without a quorum the table may not have changed within the time for that.
                self.routing.remove(&held.instance, held.revision, &slice);
                let until = self.started + Duration::from_millis(until.0);
                self.spawn(async move {
                    if let Err(calls) = slice.drain(until).await {
                        tracing::warn!(slice = %slice.app().coordinates, calls, "drain timed out");
                    }
                    Completion::Drained(attempt)
                });
            }
            Effect::Stop { attempt } => {
                let slice = self.slice(attempt);
                self.spawn(async move {
                    slice.stop(hook_context()).await;
                    Completion::Stopped(attempt)
                });
            }
            Effect::Unload { attempt } => {
                let held = self.held.remove(&attempt);
                self.spawn(async move {
                    drop(held);
                    Completion::Unloaded(attempt)
                });
            }
            Effect::Discard { attempt } => drop(self.held.remove(&attempt)),
            Effect::Publish(observed) => drop(self.observed.send_replace(Some(observed))),
        }
    }

    fn slice(&self, attempt: AttemptId) -> Arc<Slice> {
        let held = self.held.get(&attempt).and_then(|held| held.slice.clone());
        held.expect("the reconciler starts only what was loaded")
    }

    fn spawn(&self, step: impl Future<Output = Completion> + Send + 'static) {
        let done = self.done.clone();
        self.tasks.spawn("instance", OnFailure::Log, async move {
            tokio::select! {
                // Nobody listens any more when the node is gone.
                completion = step => drop(done.send(completion).await),
                // What the reconciler has given up may never end: without a log, nobody ever hears
                // that an instance was withdrawn.
                () = done.closed() => {}
            }
            Ok::<(), Infallible>(())
        });
    }

    fn on_completion(&mut self, completion: Completion) {
        match completion {
            Completion::Loaded(attempt, result) => {
                let result = result.map(|slice| match self.held.get_mut(&attempt) {
                    Some(held) => {
                        let (app, picture) = (&held.instance.app, self.pictures.borrow().clone());
                        self.counting.hold((app, held.revision), &slice, &picture.world);
                        held.slice = Some(slice);
                    }
                    None => drop(slice),
                });
                self.step(|core, now, out| core.on_loaded(now, attempt, result, out));
            }
            Completion::Started(attempt, result) => {
                self.step(|core, now, out| core.on_started(now, attempt, result, out));
            }
            Completion::Withdrawn(attempt) => {
                self.step(|core, now, out| core.on_withdrawn(now, attempt, out));
            }
            Completion::Drained(attempt) => {
                self.step(|core, now, out| core.on_drained(now, attempt, out));
            }
            Completion::Stopped(attempt) => {
                self.step(|core, now, out| core.on_stopped(now, attempt, out));
            }
            Completion::Unloaded(attempt) => {
                self.step(|core, now, out| core.on_unloaded(now, attempt, out));
            }
        }
    }
}

fn hook_context() -> CallContext {
    let id: RequestId = uuid::Uuid::now_v7().to_string().parse().expect("a UUID is visible ASCII");
    CallContext::edge(Arc::new(Origin::anonymous(id)), Instant::now() + HOOK_TIMEOUT)
}

/// Writes down what the reconciler says of the node; only the newest counts.
pub(crate) async fn publish(
    control: Control,
    mut observed: watch::Receiver<Option<Observed>>,
    runs: Runs,
) -> Result<(), Infallible> {
    // Nothing is lost if the node stops before that.
    let mut ended = observed.clone();
    tokio::select! {
        () = crate::readiness::heard(&control) => {}
        _ = ended.wait_for(|_| false) => return Ok(()),
    }
    // Ends with the reconciler, whose last word is written first, if there is a leader.
    while observed.changed().await.is_ok() {
        loop {
            let Some(newest) = observed.borrow_and_update().clone() else { break };
            let key = keys::observed(newest.node);
            let put = Operation::Put { key, value: encode(&newest).into(), lease: None };
            let transaction = Transaction { conditions: vec![], operations: vec![put] };
            let since = std::time::Instant::now();
            let written = control.transact(transaction).await;
            runs.note("publisher", since, written.as_ref().err().map(ToString::to_string));
            match written {
                Ok(_) => break,
                Err(_) if observed.has_changed().is_err() => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "failed to publish the node's instances");
                    tokio::time::sleep(PUBLISH_RETRY).await;
                }
            }
        }
    }
    Ok(())
}
