//! The routing table of this node with the pools behind it, and every slice's way to its
//! dependencies. Decides nothing: `aether-routing` derives the table.

use crate::network::Network;
use crate::projector::{Picture, Pictures};
use crate::reach::{Reach, Reaches};
use crate::remote::{Remote, RemoteImport};
use crate::tasks::Runs;
use aether_engine::{AppContext, CallContext, Router, Slice, Target};
use aether_routing::{Endpoint, Table};
use aether_types::plan::InstanceKey;
use aether_types::slice_toml::Retry;
use aether_types::{
    AppName, CallError, Coordinates, FunctionName, InterfaceName, NodeId, Revision,
};
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
    network: Network,
    table: ArcSwap<Table>,
    /// The picture that the table is derived from, as soon as the table is.
    picture: ArcSwap<Picture>,
    /// The same, once every slice's way has followed.
    derived: watch::Sender<Arc<Picture>>,
    local: ArcSwap<Local>,
    /// One for each loaded slice; those that are gone are swept with the next change.
    routers: Mutex<Vec<Weak<SliceRouter>>>,
}

/// ACTIVE instances of this node, by what the plan calls them.
type Local = BTreeMap<(InstanceKey, Revision), Arc<Slice>>;

impl Routing {
    pub(crate) fn new(node: NodeId, run: u64, network: Network) -> Self {
        Self(Arc::new(Shared {
            node,
            run,
            network,
            table: ArcSwap::default(),
            picture: ArcSwap::default(),
            derived: watch::Sender::new(Arc::default()),
            local: ArcSwap::default(),
            routers: Mutex::default(),
        }))
    }

    /// Derives the table anew with every picture, and whenever a node stops or begins to answer.
    pub(crate) async fn run(
        self,
        mut pictures: Pictures,
        mut reaches: Reaches,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        loop {
            let since = Instant::now();
            let picture = pictures.borrow_and_update().clone();
            self.derive(picture, &reaches.borrow_and_update().clone());
            runs.note("routing", since, None);
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Ok(()) = pictures.changed() => {}
                Ok(()) = reaches.changed() => {}
                else => return Ok(()),
            }
        }
    }

    pub(crate) fn derive(&self, picture: Arc<Picture>, reach: &Reach) {
        let observed = picture.world.observed.values().map(|observed| &**observed);
        let observed = observed.filter(|o| self.is_alive(o, reach));
        self.0.table.store(Arc::new(Table::derive(&picture.applications, observed)));
        self.0.picture.store(Arc::clone(&picture));
        self.show_ways();
        self.0.derived.send_replace(picture);
    }

    /// Nodes whose link is broken get nothing, whatever the leader has written of them so far. What
    /// an earlier run of a node has said counts for nothing.
    fn is_alive(&self, observed: &aether_types::observed::Observed, reach: &Reach) -> bool {
        let other = || reach.0.get(&observed.node).filter(|seen| seen.up).map(|seen| seen.run);
        let run = if observed.node == self.0.node { Some(self.0.run) } else { other() };
        run == Some(observed.run)
    }

    /// Pictures as the traffic sees them: what they show, the table already does.
    pub(crate) fn derived(&self) -> Pictures {
        self.0.derived.subscribe()
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// Who takes a call: an instance of this node if there is one, else those of others. Of several
    /// revisions, the instances of the first endpoint's.
    pub(crate) fn way(&self, endpoints: &[Endpoint]) -> Option<Way> {
        let local = self.0.local.load();
        let revision = endpoints.first()?.revision;
        let same = || endpoints.iter().filter(|e| e.revision == revision);
        let mut here = same().filter(|e| e.node == self.0.node);
        let pool = here.find_map(|e| local.get(&(e.instance.clone(), e.revision)).cloned());
        if let Some(slice) = pool {
            return Some(Way::Local(slice));
        }
        let others = same().filter(|e| e.node != self.0.node).cloned().collect();
        Remote::new(self.0.network.clone(), others).map(Way::Remote)
    }

    /// Functions of a slice that may not be called twice.
    fn never_repeated(
        &self,
        app: &AppName,
        revision: Revision,
        slice: &Coordinates,
    ) -> Vec<FunctionName> {
        let picture = self.0.picture.load();
        let checked = picture.applications.get(app, revision).and_then(|c| c.slice(slice));
        let description = checked.and_then(|slice| picture.world.artifacts.get(&slice.digest));
        let functions = description.into_iter().flat_map(|d| &d.settings.functions);
        let never = functions.filter(|(_, settings)| settings.retry == Retry::Never);
        never.map(|(name, _)| name.clone()).collect()
    }

    /// The pool of an instance of this node.
    pub(crate) fn pool(&self, instance: &InstanceKey, revision: Revision) -> Option<Arc<Slice>> {
        self.0.local.load().get(&(instance.clone(), revision)).cloned()
    }

    /// The way of a slice that is about to be loaded.
    pub(crate) fn router(
        &self,
        app: AppName,
        revision: Revision,
        importer: Coordinates,
    ) -> Arc<SliceRouter> {
        let router = Arc::new(SliceRouter { app, revision, importer, imports: ArcSwap::default() });
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
    imports: ArcSwap<Vec<Import>>,
}

#[derive(Debug)]
struct Import {
    interface: InterfaceName,
    exporter: Coordinates,
    target: Option<Target>,
}

/// Who takes a call.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    Local(Arc<Slice>),
    Remote(Arc<Remote>),
}

impl SliceRouter {
    fn show(&self, routing: &Routing) {
        let table = routing.table();
        let edges = table.edges(&self.app, self.revision, &self.importer).iter();
        let import = |edge: &aether_routing::Edge| Import {
            interface: edge.interface.clone(),
            exporter: edge.exporter.clone(),
            target: routing.way(&edge.endpoints).map(|way| match way {
                Way::Local(slice) => Target::Local(slice),
                Way::Remote(remote) => {
                    let (app, revision) = (&self.app, self.revision);
                    let never_repeated = routing.never_repeated(app, revision, &edge.exporter);
                    Target::Remote(Arc::new(RemoteImport { remote, never_repeated }))
                }
            }),
        };
        self.imports.store(Arc::new(edges.map(import).collect()));
    }
}

impl Router for SliceRouter {
    fn pick(
        &self,
        _caller: &AppContext,
        callee: &InterfaceName,
        _ctx: &CallContext,
    ) -> Result<Target, CallError> {
        let imports = self.imports.load();
        match imports.iter().find(|import| import.interface == *callee) {
            Some(Import { target: Some(target), .. }) => Ok(target.clone()),
            Some(Import { exporter, .. }) => {
                Err(CallError::Unavailable(format!("no instance of {exporter} is active")))
            }
            None => Err(CallError::Unavailable(format!("nobody provides {callee}"))),
        }
    }
}
