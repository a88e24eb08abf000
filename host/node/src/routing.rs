//! The routing table of this node with the pools behind it: whom each route and each import leads
//! to. Decides nothing: `aether-routing` derives the table.

mod leavers;
mod newer;

use crate::callee::{Callee, Memory, Reached, Record, Repeats, Rules, Seat, Wish};
use crate::network::Network;
use crate::projector::{Picture, Pictures};
use crate::reach::{Reach, Reaches};
use crate::tasks::Runs;
use aether_engine::{AppContext, CallContext, RemoteSlice, Router, Slice, Target};
use aether_routing::{Arm, Endpoint, HttpRoute, Pin, RouteTrie, Split, Table};
use aether_types::checked::BoundRoute;
use aether_types::description::Description;
use aether_types::observed::Observed;
use aether_types::plan::InstanceKey;
use aether_types::traffic::{Sticky, TrafficRevision, Weight};
use aether_types::{AppName, CallError, Coordinates, Digest, InterfaceName, NodeId, Revision};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use newer::Patience;

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
    /// The nodes that are about to end, of which the table knows.
    left: watch::Sender<BTreeSet<NodeId>>,
    local: ArcSwap<Local>,
    /// The table's routes with whom they lead to.
    routes: ArcSwap<RouteTrie<Routes>>,
    memories: Mutex<BTreeMap<MemoryKey, Weak<Memory>>>,
    records: Mutex<BTreeMap<Endpoint, Weak<Record>>>,
    repeats: Arc<Repeats>,
    /// Held while the ways are made anew. Several change what they are made of; whoever is last
    /// must have seen all of it.
    showing: Mutex<()>,
    /// One for each loaded slice; those that are gone are swept with the next change.
    routers: Mutex<Vec<Weak<SliceRouter>>>,
}

/// What is remembered of a callee: of whose, of what, and since which switch of the traffic.
type MemoryKey = (AppName, Called, Option<TrafficRevision>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Called {
    /// By the shape of its pattern.
    Route(String),
    Import(InterfaceName),
    Slice(Coordinates),
    Export(InterfaceName),
}

/// A route of the front door, in each version that gets some of its requests.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) versions: Vec<Arc<Route>>,
}

/// A route as one version has it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) app: AppName,
    pub(crate) revision: Revision,
    pub(crate) route: BoundRoute,
    pub(crate) callee: Arc<Callee>,
    /// What a request wants that has this version.
    pub(crate) wish: Wish,
    /// By what a request finds its version, if not by the weights.
    pub(crate) sticky: Option<Sticky>,
    artifacts: Arc<BTreeMap<Digest, Description>>,
    /// Of the slice that serves it, if that is known.
    digest: Option<Digest>,
}

impl Route {
    /// The types of the slice that serves it, as the replicated state has them.
    pub(crate) fn types(&self) -> Option<&Description> {
        self.artifacts.get(&self.digest?)
    }
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
            left: watch::Sender::default(),
            local: ArcSwap::default(),
            routes: ArcSwap::default(),
            memories: Mutex::default(),
            records: Mutex::default(),
            repeats: Arc::default(),
            showing: Mutex::default(),
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
        let observed: Vec<&Observed> = observed.filter(|o| self.is_alive(o, reach)).collect();
        let is_leaving = |node| node != self.0.node && reach.is_leaving(node);
        let spared = leavers::spare(&observed, is_leaving);
        let observed = spared.iter().map(AsRef::as_ref);
        let traffics = &picture.world.traffics;
        let table = Table::derive_under(&picture.applications, observed, traffics);
        self.0.table.store(Arc::new(table));
        self.0.picture.store(Arc::clone(&picture));
        self.show_ways();
        self.0.derived.send_replace(picture);
        let left = reach.0.keys().filter(|node| reach.is_leaving(**node)).copied().collect();
        self.0.left.send_replace(left);
    }

    /// The nodes that are about to end, of which the table knows.
    pub(crate) fn left(&self) -> watch::Receiver<BTreeSet<NodeId>> {
        self.0.left.subscribe()
    }

    /// Nodes whose link is broken get nothing, whatever the leader has written of them so far. What
    /// an earlier run of a node has said counts for nothing.
    fn is_alive(&self, observed: &Observed, reach: &Reach) -> bool {
        let other = || reach.0.get(&observed.node).filter(|seen| seen.up).map(|seen| seen.run);
        let run = if observed.node == self.0.node { Some(self.0.run) } else { other() };
        run == Some(observed.run)
    }

    /// Pictures as the traffic sees them: what they show, the table already does.
    pub(crate) fn derived(&self) -> Pictures {
        self.0.derived.subscribe()
    }

    /// Calls that were made again.
    pub(crate) fn repeats(&self) -> &Repeats {
        &self.0.repeats
    }

    /// This node.
    pub(crate) fn node(&self) -> NodeId {
        self.0.node
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    pub(crate) fn routes(&self) -> arc_swap::Guard<Arc<RouteTrie<Routes>>> {
        self.0.routes.load()
    }

    /// Who takes the calls of a slice: the instances of the newest revision that has some.
    pub(crate) fn slice(
        &self,
        app: &AppName,
        revision: Revision,
        slice: &Coordinates,
    ) -> Arc<Callee> {
        let endpoints = self.table().endpoints(app, revision, slice);
        let version = endpoints.first().map_or(revision, |first| first.revision);
        let same = endpoints.into_iter().filter(|e| e.revision == version).collect();
        let arm = Arm { version, slice: slice.clone(), weight: Weight::WHOLE, endpoints: same };
        Arc::new(self.callee(app, Called::Slice(slice.clone()), None, vec![arm]))
    }

    /// Who takes the calls of an interface that come from outside its application: every version
    /// that gets traffic.
    pub(crate) fn export(&self, app: &AppName, interface: &InterfaceName) -> Arc<Callee> {
        let (table, picture) = (self.table(), self.0.picture.load());
        let (applications, traffics) = (&picture.applications, &picture.world.traffics);
        let (arms, traffic) = table.arms_of_export(applications, traffics, app, interface);
        Arc::new(self.callee(app, Called::Export(interface.clone()), traffic, arms))
    }

    /// Who takes the calls of a slice's import.
    pub(crate) fn import(
        &self,
        app: &AppName,
        revision: Revision,
        edge: &aether_types::checked::Edge,
    ) -> Option<Callee> {
        let table = self.table();
        let mut edges = table.edges(app, revision, &edge.importer).iter();
        edges.find(|it| it.interface == edge.interface).map(|edge| self.imported(app, edge))
    }

    fn imported(&self, app: &AppName, edge: &aether_routing::Edge) -> Callee {
        let called = Called::Import(edge.interface.clone());
        self.callee(app, called, edge.traffic, edge.arms.clone())
    }

    fn callee(
        &self,
        app: &AppName,
        called: Called,
        traffic: Option<TrafficRevision>,
        arms: Vec<Arm>,
    ) -> Callee {
        let rules = self.rules(app, &arms);
        let split = Split::new(self.0.node, traffic, arms);
        let local = self.0.local.load();
        let seat = |endpoint: &Endpoint| {
            let place = match local.get(&(endpoint.instance.clone(), endpoint.revision)) {
                _ if endpoint.node != self.0.node => Reached::There,
                Some(slice) => Reached::Here(Arc::clone(slice)),
                None => Reached::Nowhere,
            };
            Seat { place, record: recall(&self.0.records, endpoint, Record::default) }
        };
        let seats = split.endpoints().iter().map(seat).collect();
        // Nobody keeps that of an export from one call to the next.
        let first = match called {
            Called::Export(_) => rand::random::<u32>().into(),
            _ => split.first_turn(self.0.node.0 % 16, 16),
        };
        let memory = || Memory::from_turn(first, Arc::clone(&self.0.repeats));
        let memory = recall(&self.0.memories, &(app.clone(), called, traffic), memory);
        Callee::new(split, seats, memory, self.0.network.clone(), rules)
    }

    fn http_route(&self, http: &HttpRoute) -> Routes {
        let HttpRoute { app, revision, traffic, versions, .. } = http;
        let arms = versions.iter().map(|version| version.arm.clone()).collect();
        let called = Called::Route(http.route.pattern.shape().to_string());
        let callee = Arc::new(self.callee(app, called, *traffic, arms));
        let picture = self.0.picture.load();
        let Picture { world, applications } = &**picture;
        let sticky = world.traffics.get(app).and_then(|traffic| traffic.sticky.clone());
        let one = |version: &aether_routing::RouteVersion| {
            let shared = traffic.is_some();
            let same = versions.iter().all(|v| v.route.target == version.route.target);
            let revision = if shared { version.arm.version } else { *revision };
            let checked = applications.get(app, revision);
            let slice = checked.and_then(|checked| checked.slice(&version.route.slice));
            Arc::new(Route {
                app: app.clone(),
                revision,
                route: version.route.clone(),
                callee: Arc::clone(&callee),
                // Decoded for one version, a request means nothing to another that differs.
                wish: Wish {
                    pin: shared.then_some(Pin { version: version.arm.version, only: !same }),
                    ..Wish::default()
                },
                sticky: sticky.clone(),
                artifacts: Arc::clone(&world.artifacts),
                digest: slice.map(|slice| slice.digest),
            })
        };
        Routes { versions: versions.iter().map(one).collect() }
    }

    /// What the authors of the slices say, in each version.
    fn rules(&self, app: &AppName, arms: &[Arm]) -> Rules {
        let (picture, mut rules) = (self.0.picture.load(), Rules::default());
        for arm in arms {
            let checked = picture.applications.get(app, arm.version);
            let slice = checked.and_then(|checked| checked.slice(&arm.slice));
            let description = slice.and_then(|slice| picture.world.artifacts.get(&slice.digest));
            description.into_iter().for_each(|description| rules.add(description));
        }
        rules
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
        let (routing, imports) = (self.clone(), ArcSwap::default());
        let router = Arc::new(SliceRouter { routing, app, revision, importer, imports });
        let _showing = self.0.showing.lock();
        router.show();
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
        let _showing = self.0.showing.lock();
        let routes = self.table().http.map(|route| self.http_route(route));
        self.0.routes.store(Arc::new(routes));
        self.0.routers.lock().retain(|router| match router.upgrade() {
            Some(router) => {
                router.show();
                true
            }
            None => false,
        });
        forget(&self.0.memories);
        forget(&self.0.records);
    }
}

/// What is remembered under a key, by somebody who still uses it, or something new.
fn recall<K: Ord + Clone, V>(
    known: &Mutex<BTreeMap<K, Weak<V>>>,
    key: &K,
    new: impl FnOnce() -> V,
) -> Arc<V> {
    let mut known = known.lock();
    if let Some(value) = known.get(key).and_then(Weak::upgrade) {
        return value;
    }
    let value = Arc::new(new());
    known.insert(key.clone(), Arc::downgrade(&value));
    value
}

fn forget<K: Ord, V>(known: &Mutex<BTreeMap<K, Weak<V>>>) {
    known.lock().retain(|_, value| value.strong_count() > 0);
}

/// One loaded slice's way to the interfaces that it imports.
pub(crate) struct SliceRouter {
    routing: Routing,
    app: AppName,
    revision: Revision,
    importer: Coordinates,
    /// Few: a slice imports a handful of interfaces.
    imports: ArcSwap<Vec<Import>>,
}

#[derive(Debug)]
struct Import {
    interface: InterfaceName,
    callee: Arc<Callee>,
}

impl SliceRouter {
    fn show(self: &Arc<Self>) {
        let table = self.routing.table();
        let edges = table.edges(&self.app, self.revision, &self.importer).iter();
        let import = |edge: &aether_routing::Edge| {
            let callee = self.routing.imported(&self.app, edge);
            Import { interface: edge.interface.clone(), callee: Arc::new(callee.of_importer(self)) }
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
            Some(Import { callee, .. }) => Ok(match callee.at_hand() {
                Some(slice) => Target::Local(Arc::clone(slice)),
                None => Target::Remote(Arc::clone(callee) as Arc<dyn RemoteSlice>),
            }),
            None => Err(CallError::Unavailable(format!("nobody provides {callee}"))),
        }
    }

    fn elsewhere(&self, callee: &InterfaceName) -> Option<Arc<dyn RemoteSlice>> {
        let imports = self.imports.load();
        let import = imports.iter().find(|import| import.interface == *callee)?;
        Some(Arc::clone(&import.callee) as Arc<dyn RemoteSlice>)
    }
}
