//! A node with nothing but an engine: loads guests, routes every interface to who exports it.

use aether_engine::{
    AppContext, CallContext, EffectiveLimits, Engine, ErasedInfra, HostState, InfraSlice, Load,
    Origin, Router, Settings, Slice, Target,
};
use aether_types::blueprint::{Grants, Limits};
use aether_types::observed::Reason;
use aether_types::slice_toml::Reuse;
use aether_types::{ByteSize, CallError, InterfaceName, Problem};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use wasmtime::component::{Linker, ResourceType, Val};

pub(crate) struct Node {
    pub(crate) engine: Engine,
    table: Arc<Table>,
    _dir: TempDir,
}

#[derive(Default)]
struct Table(RwLock<BTreeMap<InterfaceName, Arc<Slice>>>);

/// What a test wants of a slice beside its defaults.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) reuse: Option<Reuse>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::for_machine(dir.path().join("code"));
        settings.wasm_instances_max = 100;
        change(&mut settings);
        let infra: Vec<Arc<dyn ErasedInfra>> =
            vec![Arc::new(NoCache), Arc::new(NoLog), Arc::new(OnlyGet)];
        let engine = Engine::new(settings, infra).unwrap();
        Self { engine, table: Arc::default(), _dir: dir }
    }

    /// Loads a component; later ones that import what it exports reach it.
    pub(crate) fn load(&self, bytes: &[u8], wanted: Wanted) -> Result<Arc<Slice>, Reason> {
        let description = self.engine.describe(bytes).unwrap_or_else(|p| panic!("{p}"));
        let fallback = || format!("test:slice-{}:1.0.0", description.digest.short());
        let declared = description.settings.slice.artifact.clone();
        let coordinates = declared.unwrap_or_else(|| fallback().parse().unwrap());
        let instances = &description.settings.instances;
        let mut limits = EffectiveLimits::narrow("test", instances, &wanted.limits).unwrap();
        limits.reuse = wanted.reuse.unwrap_or(limits.reuse);
        let app = AppContext {
            app: "test".parse().unwrap(),
            coordinates: Arc::new(coordinates),
            limits,
            grants: wanted.grants,
            config: wanted.config,
            buckets: BTreeMap::new(),
        };
        let slice = self.engine.load(Load {
            description: Arc::new(description),
            bytes,
            app: Arc::new(app),
            router: self.table.clone(),
        })?;
        for interface in &slice.description().exports {
            self.table.0.write().unwrap().insert(interface.name.clone(), slice.clone());
        }
        Ok(slice)
    }

    /// Unloads everything that the test itself does not hold.
    pub(crate) fn unload(&self) {
        self.table.0.write().unwrap().clear();
    }

    pub(crate) fn guest(&self, name: &str, wanted: Wanted) -> Arc<Slice> {
        self.load(&aether_test_guests::bytes(name), wanted).unwrap_or_else(|r| panic!("{r}"))
    }

    pub(crate) fn wat(&self, text: &str, wanted: Wanted) -> Arc<Slice> {
        self.load(&wat::parse_str(text).unwrap(), wanted).unwrap_or_else(|r| panic!("{r}"))
    }
}

impl Router for Table {
    fn pick(
        &self,
        caller: &AppContext,
        callee: &InterfaceName,
        _ctx: &CallContext,
    ) -> Result<Target, CallError> {
        let found = self.0.read().unwrap().get(callee).cloned();
        let missing =
            || CallError::Unavailable(format!("{} finds no {callee}", caller.coordinates));
        found.map(Target::Local).ok_or_else(missing)
    }
}

/// The context of a request from outside that has ten seconds.
pub(crate) fn ctx() -> CallContext {
    ctx_for(Duration::from_secs(10))
}

pub(crate) fn ctx_for(time: Duration) -> CallContext {
    let origin = Origin::anonymous("req-1".parse().unwrap());
    CallContext::edge(Arc::new(origin), Instant::now() + time)
}

/// Calls by name; panics when there is no such function.
pub(crate) async fn call(slice: &Slice, name: &str, args: Vec<u8>) -> Result<Vec<u8>, CallError> {
    call_in(slice, name, args, ctx()).await
}

pub(crate) async fn call_in(
    slice: &Slice,
    name: &str,
    args: Vec<u8>,
    ctx: CallContext,
) -> Result<Vec<u8>, CallError> {
    let place = slice.find(&name.parse().unwrap()).unwrap_or_else(|| panic!("no {name}"));
    slice.call(place, args, ctx).await.map(Vec::from)
}

/// A string on the wire.
pub(crate) fn text(value: &str) -> Vec<u8> {
    [&u32::try_from(value.len()).unwrap().to_le_bytes(), value.as_bytes()].concat()
}

pub(crate) fn memory(bytes: u64) -> Limits {
    Limits { memory: Some(ByteSize(bytes)), ..Limits::default() }
}

pub(crate) fn timeout(millis: u64) -> Limits {
    Limits { timeout: Some(aether_types::TimeSpan::from_millis(millis)), ..Limits::default() }
}

/// Stands in for the cache: guests link against it and must not use it.
struct NoCache;

/// Stands in for the log.
struct NoLog;

/// Stands in for the configuration: `get` alone.
struct OnlyGet;

impl InfraSlice for OnlyGet {
    type AppState = ();
    type State = ();

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:config/store@0.2.0-rc.1"]
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        let mut config = linker.instance("wasi:config/store@0.2.0-rc.1")?;
        config.func_new("get", |mut store, _, params, results| {
            let Val::String(key) = &params[0] else { unreachable!("the linker checked the type") };
            let value = store.data_mut().infra::<Self>().app.config.get(key).cloned();
            let value = Val::Option(value.map(|value| Box::new(Val::String(value))));
            results[0] = Val::Result(Ok(Some(Box::new(value))));
            Ok(())
        })
    }

    fn configure(&self, _: &AppContext) -> Result<(), Problem> {
        Ok(())
    }

    fn instance(&self, _: &()) {}
}

impl InfraSlice for NoCache {
    type AppState = ();
    type State = ();

    fn interfaces(&self) -> &'static [&'static str] {
        &["aether:infra/cache@0.1.0", "aether:infra/types@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        const METHODS: &[&str] = &[
            "get",
            "get-versioned",
            "set",
            "delete",
            "exists",
            "increment",
            "lifetime",
            "expire",
            "get-many",
            "set-many",
            "delete-many",
            "list-keys",
            "stats",
        ];
        let mut cache = linker.instance("aether:infra/cache@0.1.0")?;
        cache.resource("bucket", ResourceType::host::<Self>(), |_, _| Ok(()))?;
        let methods = METHODS.iter().map(|name| format!("[method]bucket.{name}"));
        for name in methods.chain(["[static]bucket.open".to_owned()]) {
            cache.func_new(&name, |_, _, _, _| Err(wasmtime::format_err!("there is no cache")))?;
        }
        Ok(())
    }

    fn configure(&self, _: &AppContext) -> Result<(), Problem> {
        Ok(())
    }

    fn instance(&self, _: &()) {}
}

impl InfraSlice for NoLog {
    type AppState = String;
    type State = String;

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:logging/logging@0.1.0-draft"]
    }

    fn link(&self, linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
        let mut log = linker.instance("wasi:logging/logging@0.1.0-draft")?;
        log.func_new("log", |mut store, _, _, _| {
            let view = store.data_mut().infra::<Self>();
            assert_eq!(*view.state, view.app.coordinates.to_string());
            Ok(())
        })
    }

    fn configure(&self, app: &AppContext) -> Result<String, Problem> {
        Ok(app.coordinates.to_string())
    }

    fn instance(&self, app: &String) -> String {
        app.clone()
    }
}
