//! From the bytes of a component to a slice that takes calls. Knows no plan, no storage, no routes.

use crate::code::{Code, ExportedFunction, Hooks};
use crate::compile_cache::{CodeError, CodeKey};
use crate::edge::Edge;
use crate::pool::Pool;
use crate::provided::Provided;
use crate::runtime::{Lane, Runtime, Trim, Trims};
use crate::slice::Slice;
use crate::tamper::Tampering;
use crate::trace::Traces;
use crate::{AppContext, ErasedInfra, Error, HostState, Router, Settings, codec, reflect};
use aether_types::code::Code as ProblemCode;
use aether_types::description::{Description, HttpVersion};
use aether_types::observed::Reason;
use aether_types::slice_toml::Reuse;
use aether_types::{ByteSize, Digest, FunctionName, InterfaceName, Problem, Problems};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// Runs slices. Cheap to clone; there is one for each node.
#[derive(Clone)]
pub struct Engine {
    runtime: Arc<Runtime>,
    trims: Trims,
    slices: Arc<AtomicU32>,
}

/// Everything that makes a slice of an application out of a component.
pub struct Load<'a> {
    /// From [`Engine::describe`], here or on another node.
    pub description: Arc<Description>,
    pub bytes: &'a [u8],
    pub app: Arc<AppContext>,
    pub router: Arc<dyn Router>,
}

/// Numbers of the whole engine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Live `WasmInstance`s, idle ones included, and how many there may be.
    pub wasm_instances: u32,
    pub wasm_instances_max: u32,
    /// Linear memory that guests hold, and what they may hold together.
    pub memory: ByteSize,
    pub memory_budget: ByteSize,
    /// What one instance of each loaded slice may hold, together.
    pub memory_admitted: ByteSize,
    /// How often a component was compiled here, for whatever reason, since the start.
    pub compiled: u64,
}

impl Engine {
    /// Sets up both wasmtime engines, links everything that the host provides, starts the clock.
    pub fn new(settings: Settings, infra: Vec<Arc<dyn ErasedInfra>>) -> Result<Self, Error> {
        let trims = Trims::default();
        let runtime = Arc::new(Runtime::new(settings, infra, &trims)?);
        Ok(Self { runtime, trims, slices: Arc::default() })
    }

    /// What the component is. Compiles it (the code is kept for [`Engine::load`]): blocks.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once where that is possible.
    pub fn describe(&self, bytes: &[u8]) -> Result<Description, Problems> {
        let preview = reflect::preview(bytes)?;
        let lane = self.runtime.lane(preview.is_async);
        let digest = digest(bytes);
        let component = self.compile(lane, &digest, bytes).map_err(|error| {
            let message = format!("{error:#}");
            Problem::new(ProblemCode::ComponentInvalid, "component", message)
        })?;
        let provides = |name: &InterfaceName| lane.provided.provides(name);
        let surface = reflect::surface(&lane.engine, &component.component_type(), &provides)
            .map_err(|problems| with_nearest(problems, &lane.provided))?;
        Ok(Description {
            digest,
            size: bytes.len() as u64,
            settings: preview.settings,
            exports: surface.exports,
            dependencies: surface.dependencies,
            infra: surface.infra,
            handler: surface.handler,
            has_lifecycle: surface.has_lifecycle,
            is_async: preview.is_async,
        })
    }

    /// Compiles (or reads compiled code), links, admits. Blocks; runs nothing of the guest.
    ///
    /// # Errors
    /// Why the slice cannot run on this node.
    pub fn load(&self, load: Load<'_>) -> Result<Arc<Slice>, Reason> {
        let Load { description, bytes, app, router } = load;
        check_digest(&description, bytes)?;
        check_reuse(&app, &description)?;
        let admission = self.runtime.admissions.admit(&app)?;
        let lane = self.runtime.lane(description.is_async);
        let component = self
            .compile(lane, &description.digest, bytes)
            .map_err(|error| reason(ProblemCode::ComponentInvalid, format!("{error:#}")))?;
        let mut infra = Vec::new();
        for i in lane.provided.infra(&description.infra) {
            let slice = Arc::clone(&self.runtime.infra[i]);
            infra.push(slice.configure(&app).map_err(|p| reason(p.code, with_help(&p)))?);
        }
        let pre = link(lane, &component, &description, &app, &router)?;
        let code = Code {
            functions: functions(&component, &description, &app)?,
            handler: handler(&component, &description)?,
            hooks: hooks(&component, &description)?,
            concurrency: lane.concurrency,
            budget: Arc::clone(&self.runtime.budget),
            shared: Arc::clone(&self.runtime.shared),
            app,
            pre,
            infra,
        };
        let number = self.slices.fetch_add(1, Relaxed) + 1;
        let slice = Arc::new(Slice::new(number, description, code, admission));
        let pool: Weak<Pool<_>> = Arc::downgrade(&slice.pool);
        let joint = slice.joint.as_ref().map(|joint| Arc::downgrade(joint) as Weak<dyn Trim>);
        self.trims.lock().extend([pool as Weak<dyn Trim>].into_iter().chain(joint));
        Ok(slice)
    }

    /// What is tampered with in calls of this engine's slices: nothing, unless somebody sets it.
    /// Where the spans of all calls go.
    pub fn traces(&self) -> Arc<Traces> {
        Arc::clone(&self.runtime.shared.traces)
    }

    pub fn tampering(&self) -> Arc<Tampering> {
        Arc::clone(&self.runtime.shared.tampering)
    }

    pub fn usage(&self) -> Usage {
        let runtime = &self.runtime;
        Usage {
            wasm_instances: runtime.shared.live_count(),
            wasm_instances_max: runtime.settings.wasm_instances_max,
            memory: ByteSize(runtime.budget.bytes()),
            memory_budget: runtime.settings.memory_budget,
            memory_admitted: runtime.admissions.bytes(),
            compiled: runtime.cache.compiled(),
        }
    }

    /// Names the compiled code of a component on this node, and on every node whose engine,
    /// configuration and processor are the same.
    pub fn code_key(&self, description: &Description) -> CodeKey {
        let lane = self.runtime.lane(description.is_async);
        CodeKey { component: description.digest, compiler: lane.key }
    }

    /// Whether [`Engine::load`] finds compiled code.
    pub fn has_code(&self, key: &CodeKey) -> bool {
        self.runtime.cache.has(key)
    }

    /// Compiled code for another node; None where there is none. Blocks.
    pub fn code(&self, key: &CodeKey) -> Option<Vec<u8>> {
        self.runtime.cache.sealed(key)
    }

    /// Keeps what [`Engine::code`] gave on another node. It will run without a sandbox: the caller
    /// must know that an authenticated node of the same cluster sent it. Blocks.
    ///
    /// # Errors
    /// When the bytes are not what the other node's compiler made, and those of the disk.
    pub fn keep_code(&self, key: &CodeKey, sealed: &[u8]) -> Result<(), CodeError> {
        self.runtime.cache.keep(key, sealed)
    }

    fn compile(&self, lane: &Lane, digest: &Digest, bytes: &[u8]) -> wasmtime::Result<Component> {
        let key = CodeKey { component: *digest, compiler: lane.key };
        self.runtime.cache.component(&lane.engine, &key, bytes)
    }
}

fn reason(code: ProblemCode, message: impl Into<String>) -> Reason {
    Reason { code, message: message.into(), retryable: false }
}

fn with_help(problem: &Problem) -> String {
    match problem.help.is_empty() {
        true => format!("{}: {}", problem.place, problem.message),
        false => format!("{}: {} ({})", problem.place, problem.message, problem.help),
    }
}

/// Names what the host does provide beside each import that it does not.
fn with_nearest(mut problems: Problems, provided: &Provided) -> Problems {
    for problem in problems.0.iter_mut().filter(|p| p.code == ProblemCode::UnknownImport) {
        let near = problem.place.parse().ok().and_then(|name| provided.nearest(&name));
        if let Some(near) = near {
            problem.help = format!("the nearest that the host provides is {near}");
        }
    }
    problems
}

fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn check_digest(description: &Description, bytes: &[u8]) -> Result<(), Reason> {
    let found = digest(bytes);
    match found == description.digest {
        true => Ok(()),
        false => {
            let message = format!("the bytes are {found}, not {}", description.digest);
            Err(reason(ProblemCode::DigestMismatch, message))
        }
    }
}

fn check_reuse(app: &AppContext, description: &Description) -> Result<(), Reason> {
    match description.why_not_concurrent() {
        Some(why) if app.limits.reuse == Reuse::Concurrent => {
            let message = format!("reuse = \"concurrent\" is not possible: {why}");
            Err(reason(ProblemCode::ReuseImpossible, message))
        }
        _ => Ok(()),
    }
}

/// Defines the dependencies beside what the host provides, and checks every import.
fn link(
    lane: &Lane,
    component: &Component,
    description: &Description,
    app: &Arc<AppContext>,
    router: &Arc<dyn Router>,
) -> Result<InstancePre<HostState>, Reason> {
    let mut linker = lane.linker.clone();
    for interface in &description.dependencies {
        for function in &interface.functions {
            define(&mut linker, &interface.name, function, app, router).map_err(|error| {
                let message = format!("{}#{}: {error:#}", interface.name, function.name);
                reason(ProblemCode::UnknownImport, message)
            })?;
        }
    }
    let linked = linker.instantiate_pre(component);
    linked.map_err(|error| reason(ProblemCode::UnknownImport, format!("{error:#}")))
}

fn define(
    linker: &mut Linker<HostState>,
    interface: &InterfaceName,
    function: &aether_types::wit::Function,
    app: &Arc<AppContext>,
    router: &Arc<dyn Router>,
) -> wasmtime::Result<()> {
    let edge = Edge::new(Arc::clone(app), Arc::clone(router), interface.clone(), function.clone());
    let mut instance = linker.instance(&interface.to_string())?;
    codec::define_import(&mut instance, function, move |state: &mut HostState, args| {
        Arc::clone(&edge).call(state, args)
    })
}

fn functions(
    component: &Component,
    description: &Description,
    app: &AppContext,
) -> Result<Vec<ExportedFunction>, Reason> {
    let mut found = Vec::new();
    for interface in &description.exports {
        for function in &interface.functions {
            let index = codec::export_index(component, &interface.name, &function.name)
                .map_err(|error| reason(ProblemCode::ComponentInvalid, format!("{error:#}")))?;
            let (interface, function_name) = (interface.name.clone(), function.name.clone());
            let name = FunctionName { interface, function: function_name };
            let timeout = timeout(description, &name, app.limits.timeout);
            found.push(ExportedFunction { name, ty: function.clone(), index, timeout });
        }
    }
    Ok(found)
}

/// The function's own time-out, where it has one. An operator who gave the slice less than its
/// author did means every function.
fn timeout(description: &Description, name: &FunctionName, slice: Duration) -> Duration {
    let author = description.settings.instances.timeout.duration();
    match description.settings.function(name).timeout {
        Some(own) if slice < author => own.duration().min(slice),
        Some(own) => own.duration(),
        None => slice,
    }
}

fn handler(
    component: &Component,
    description: &Description,
) -> Result<Option<(HttpVersion, ComponentExportIndex)>, Reason> {
    let Some(version) = description.handler else { return Ok(None) };
    let path = match version {
        HttpVersion::V02 => "wasi:http/incoming-handler",
        HttpVersion::V03 => "wasi:http/handler",
    };
    Ok(Some((version, exported(component, path, "handle")?)))
}

fn hooks(component: &Component, description: &Description) -> Result<Option<Hooks>, Reason> {
    const LIFECYCLE: &str = "aether:slice/lifecycle";
    if !description.has_lifecycle {
        return Ok(None);
    }
    let start = exported(component, LIFECYCLE, "start")?;
    let stop = exported(component, LIFECYCLE, "stop")?;
    Ok(Some(Hooks { start, stop }))
}

/// A function of an exported interface, whatever the interface's version.
fn exported(
    component: &Component,
    path: &str,
    function: &str,
) -> Result<ComponentExportIndex, Reason> {
    let engine = component.engine();
    let ty = component.component_type();
    let has_path = |name: &str| name.split('@').next() == Some(path);
    let found = ty.exports(engine).find_map(|(name, _)| {
        let (_, interface) = has_path(name).then(|| component.get_export(None, name)).flatten()?;
        component.get_export(Some(&interface), function).map(|(_, index)| index)
    });
    let missing = || reason(ProblemCode::ComponentInvalid, format!("no {path}#{function}"));
    found.ok_or_else(missing)
}
