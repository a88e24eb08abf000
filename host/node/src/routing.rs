//! The routing table of this node with the pools behind it, and every slice's way to its
//! dependencies. Decides nothing: `aether-routing` derives the table.

use crate::projector::{Picture, Pictures};
use crate::tasks::Runs;
use aether_engine::{AppContext, CallContext, Router, Slice, Target};
use aether_routing::{Endpoint, Table};
use aether_types::plan::InstanceKey;
use aether_types::{AppName, CallError, Coordinates, InterfaceName, NodeId, Revision};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where requests and calls go, now. Cheap to clone; reading takes no lock.
#[derive(Clone)]
pub(crate) struct Routing(Arc<Shared>);

struct Shared {
    node: NodeId,
    /// Tells this run of the node from earlier ones, whose entries count for nothing.
    run: u64,
    table: ArcSwap<Table>,
    /// The picture that the table is derived from.
    derived: watch::Sender<Arc<Picture>>,
    local: ArcSwap<Local>,
    /// One for each loaded slice; those that are gone are swept with the next change.
    routers: Mutex<Vec<Weak<SliceRouter>>>,
}

/// ACTIVE instances of this node, by what the plan calls them.
type Local = BTreeMap<(InstanceKey, Revision), Arc<Slice>>;

impl Routing {
    pub(crate) fn new(node: NodeId, run: u64) -> Self {
        Self(Arc::new(Shared {
            node,
            run,
            table: ArcSwap::default(),
            derived: watch::Sender::new(Arc::default()),
            local: ArcSwap::default(),
            routers: Mutex::default(),
        }))
    }

    /// Derives the table anew with every picture.
    pub(crate) async fn run(
        self,
        mut pictures: Pictures,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        loop {
            let since = Instant::now();
            let picture = pictures.borrow_and_update().clone();
            self.derive(picture);
            runs.note("routing", since, None);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = pictures.changed() => {}
                else => return Ok(()),
            }
        }
    }

    pub(crate) fn derive(&self, picture: Arc<Picture>) {
        let observed = picture.world.observed.values().map(|observed| &**observed);
        let observed = observed.filter(|o| self.is_of_this_run(o));
        self.0.table.store(Arc::new(Table::derive(&picture.applications, observed)));
        self.show_ways();
        self.0.derived.send_replace(picture);
    }

    fn is_of_this_run(&self, observed: &aether_types::observed::Observed) -> bool {
        observed.node != self.0.node || observed.run == self.0.run
    }

    /// Pictures as the traffic sees them: what they show, the table already does.
    pub(crate) fn derived(&self) -> Pictures {
        self.0.derived.subscribe()
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// The first endpoint that has a pool here.
    pub(crate) fn local<'a>(
        &self,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
    ) -> Option<Arc<Slice>> {
        let local = self.0.local.load();
        let mut here = endpoints.into_iter().filter(|e| e.node == self.0.node);
        here.find_map(|e| local.get(&(e.instance.clone(), e.revision)).cloned())
    }

    /// The way of a slice that is about to be loaded.
    pub(crate) fn router(
        &self,
        app: AppName,
        revision: Revision,
        importer: Coordinates,
    ) -> Arc<SliceRouter> {
        let router = Arc::new(SliceRouter { app, revision, importer, ways: ArcSwap::default() });
        router.show(self);
        self.0.routers.lock().push(Arc::downgrade(&router));
        router
    }

    /// From now on calls can reach the pool, once the table has the instance.
    pub(crate) fn announce(&self, instance: InstanceKey, revision: Revision, slice: Arc<Slice>) {
        self.change(|local| {
            local.insert((instance.clone(), revision), Arc::clone(&slice));
        });
    }

    /// Waits until the table sends nothing there any more, then removes the pool. Another attempt
    /// of the same instance stays.
    pub(crate) async fn withdraw(
        &self,
        instance: &InstanceKey,
        revision: Revision,
        slice: &Arc<Slice>,
    ) {
        let mut derived = self.0.derived.subscribe();
        while self.table().sends_to(self.0.node, instance, revision) {
            if derived.changed().await.is_err() {
                break;
            }
        }
        self.remove(instance, revision, slice);
    }

    /// No call finds the pool any more, whatever the table says.
    pub(crate) fn remove(&self, instance: &InstanceKey, revision: Revision, slice: &Arc<Slice>) {
        let key = (instance.clone(), revision);
        self.change(|local| {
            if local.get(&key).is_some_and(|known| Arc::ptr_eq(known, slice)) {
                local.remove(&key);
            }
        });
    }

    fn change(&self, change: impl Fn(&mut Local)) {
        self.0.local.rcu(|local| {
            let mut local = Local::clone(local);
            change(&mut local);
            local
        });
        self.show_ways();
    }

    fn show_ways(&self) {
        self.0.routers.lock().retain(|router| match router.upgrade() {
            Some(router) => {
                router.show(self);
                true
            }
            None => false,
        });
    }
}

/// One loaded slice's way to the interfaces that it imports.
#[derive(Debug)]
pub(crate) struct SliceRouter {
    app: AppName,
    revision: Revision,
    importer: Coordinates,
    /// Few: a slice imports a handful of interfaces.
    ways: ArcSwap<Vec<Way>>,
}

#[derive(Debug)]
struct Way {
    interface: InterfaceName,
    exporter: Coordinates,
    target: Option<Arc<Slice>>,
}

impl SliceRouter {
    fn show(&self, routing: &Routing) {
        let table = routing.table();
        let edges = table.edges(&self.app, self.revision, &self.importer).iter();
        let way = |edge: &aether_routing::Edge| Way {
            interface: edge.interface.clone(),
            exporter: edge.exporter.clone(),
            target: routing.local(&edge.endpoints),
        };
        self.ways.store(Arc::new(edges.map(way).collect()));
    }
}

impl Router for SliceRouter {
    fn pick(
        &self,
        _caller: &AppContext,
        callee: &InterfaceName,
        _ctx: &CallContext,
    ) -> Result<Target, CallError> {
        let ways = self.ways.load();
        match ways.iter().find(|way| way.interface == *callee) {
            Some(Way { target: Some(slice), .. }) => Ok(Target::Local(Arc::clone(slice))),
            Some(Way { exporter, .. }) => {
                Err(CallError::Unavailable(format!("no instance of {exporter} is active")))
            }
            None => Err(CallError::Unavailable(format!("nobody provides {callee}"))),
        }
    }
}
