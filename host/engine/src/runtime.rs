//! The two wasmtime engines of a node and what they share: ticks, budgets, compiled code.
//!
//! A component without component-model async runs on an engine that has no concurrency support:
//! calls are 3 to 4 times cheaper there. Whether a component needs the other one is read from its
//! bytes.

use crate::admission::Admissions;
use crate::codec::Concurrency;
use crate::compile_cache::{CompileCache, CompilerKey};
use crate::meter::{Budget, CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::provided::{self, Provided};
use crate::settings::{TICK_MILLIS, can_scan_pages};
use crate::tamper::Tampering;
use crate::trace::Traces;
use crate::{ErasedInfra, Error, HostState, Settings};
use aether_types::slice_toml::MEMORY_MAX;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Stack of a guest. Deeper recursion is a trap.
pub const GUEST_STACK_BYTES: usize = 512 << 10;
/// Stack of a fiber: that of the guest, and 1 MiB for host functions that run on top of it.
const FIBER_STACK_BYTES: usize = GUEST_STACK_BYTES + (1 << 20);
/// Memory of a dead instance that stays mapped for the next one, where the kernel can tell which
/// pages were written (PAGEMAP_SCAN). A page fault costs more than to clear a page.
const KEEP_RESIDENT_BYTES: usize = 512 << 10;
/// Idle `WasmInstance`s are dropped after this many ticks: 30 s.
pub(crate) const IDLE_TICKS_MAX: u64 = 30_000 / TICK_MILLIS;
/// How often idle ones are looked for: every second.
const TRIM_TICKS: u64 = 1_000 / TICK_MILLIS;

/// One of the two engines.
pub(crate) struct Lane {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) concurrency: Concurrency,
    /// Everything that the host provides.
    pub(crate) linker: Linker<HostState>,
    pub(crate) provided: Provided,
    pub(crate) key: CompilerKey,
}

pub(crate) struct Runtime {
    pub(crate) settings: Settings,
    pub(crate) infra: Vec<Arc<dyn ErasedInfra>>,
    pub(crate) cache: CompileCache,
    pub(crate) budget: Arc<Budget>,
    pub(crate) shared: Arc<Shared>,
    plain: Lane,
    concurrent: Lane,
    pub(crate) admissions: Arc<Admissions>,
    /// The clock stops when this is dropped.
    _clock: mpsc::Sender<()>,
}

/// What pools need of the runtime while they work.
#[cfg_attr(test, derive(Default))]
#[derive(Debug)]
pub(crate) struct Shared {
    /// Counts ticks of `TICK_MILLIS`: a clock that costs one load.
    pub(crate) ticks: AtomicU64,
    live: AtomicU32,
    live_max: u32,
    pub(crate) tampering: Arc<Tampering>,
    pub(crate) traces: Arc<Traces>,
}

/// One live `WasmInstance` of the node's limit.
#[derive(Debug)]
pub(crate) struct Live(Arc<Shared>);

/// Something that has idle instances to drop now and then.
pub(crate) trait Trim: Send + Sync {
    fn trim(&self, ticks: u64);
}

pub(crate) type Trims = Arc<Mutex<Vec<Weak<dyn Trim>>>>;

impl Runtime {
    pub(crate) fn new(
        settings: Settings,
        infra: Vec<Arc<dyn ErasedInfra>>,
        trims: &Trims,
    ) -> Result<Self, Error> {
        settings.check()?;
        let cache = CompileCache::open(settings.cache_dir.clone(), settings.cache_bytes_max)?;
        let plain = Lane::new(&settings, &infra, Concurrency::Off)?;
        let concurrent = Lane::new(&settings, &infra, Concurrency::On)?;
        let shared = Arc::new(Shared {
            ticks: AtomicU64::new(0),
            live: AtomicU32::new(0),
            live_max: settings.wasm_instances_max,
            tampering: Arc::default(),
            traces: Arc::default(),
        });
        let engines = [plain.engine.clone(), concurrent.engine.clone()];
        Ok(Self {
            budget: Budget::new(settings.memory_budget),
            _clock: start_clock(engines, Arc::clone(&shared), Arc::clone(trims))?,
            admissions: Admissions::new(settings.memory_budget),
            settings,
            infra,
            cache,
            shared,
            plain,
            concurrent,
        })
    }

    pub(crate) fn lane(&self, is_async: bool) -> &Lane {
        if is_async { &self.concurrent } else { &self.plain }
    }
}

impl Lane {
    fn new(
        settings: &Settings,
        infra: &[Arc<dyn ErasedInfra>],
        concurrency: Concurrency,
    ) -> Result<Self, Error> {
        let engine = wasmtime::Engine::new(&config(settings, concurrency))?;
        let mut linker = Linker::new(&engine);
        provided::link(&mut linker, infra, concurrency)?;
        let provided = Provided::new(infra, concurrency)?;
        let key = CompilerKey::of(&engine);
        Ok(Self { engine, concurrency, linker, provided, key })
    }
}

fn config(settings: &Settings, concurrency: Concurrency) -> Config {
    let instances = settings.wasm_instances_max;
    let keep = if can_scan_pages() { KEEP_RESIDENT_BYTES } else { 0 };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .max_core_instances_per_component(CORE_INSTANCES_MAX as u32)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX as u32))
        .max_memories_per_component(MEMORIES_MAX as u32)
        // Nearly every component has one memory; a composed one has one for each part.
        .total_memories(instances + instances / 4 + MEMORIES_MAX as u32)
        .max_tables_per_component(TABLES_MAX as u32)
        // Two tables each: that of the program and that of its adapter.
        .total_tables(2 * instances + TABLES_MAX as u32)
        .table_elements(TABLE_ELEMENTS_MAX)
        // Each live instance holds on to the stack of its last call; an async one may have some
        // tasks that wait on stacks of their own.
        .total_stacks(if concurrency == Concurrency::On { 4 * instances } else { instances })
        .max_memory_size(MEMORY_MAX.bytes() as usize)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(keep)
        .table_keep_resident(keep);
    let mut config = Config::new();
    config
        .concurrency_support(concurrency == Concurrency::On)
        .wasm_component_model_async(concurrency == Concurrency::On)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES);
    config
}

/// Ticks until the returned end is dropped. One thread for both engines and all pools.
fn start_clock(
    engines: [wasmtime::Engine; 2],
    shared: Arc<Shared>,
    trims: Trims,
) -> Result<mpsc::Sender<()>, Error> {
    const NAME: &str = "engine-clock";
    let (stop, stopped) = mpsc::channel();
    let engines = engines.map(|engine| engine.weak());
    let run = move || {
        let tick = Duration::from_millis(TICK_MILLIS);
        while stopped.recv_timeout(tick) == Err(mpsc::RecvTimeoutError::Timeout) {
            let ticks = shared.ticks.fetch_add(1, Relaxed) + 1;
            engines.iter().filter_map(|e| e.upgrade()).for_each(|e| e.increment_epoch());
            if ticks.is_multiple_of(TRIM_TICKS) {
                let mut trims = trims.lock();
                trims.retain(|trim| trim.strong_count() > 0);
                let live: Vec<_> = trims.iter().filter_map(Weak::upgrade).collect();
                drop(trims);
                live.iter().for_each(|trim| trim.trim(ticks));
            }
        }
    };
    let started = std::thread::Builder::new().name(NAME.to_owned()).spawn(run);
    started.map(|_| stop).map_err(|source| Error::Thread { name: NAME, source })
}

impl Shared {
    /// A place for one more live instance; None when the node is full.
    pub(crate) fn live(self: &Arc<Self>) -> Option<Live> {
        let more = |live: u32| (live < self.live_max).then_some(live + 1);
        self.live.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Live(Arc::clone(self)))
    }

    pub(crate) fn live_count(&self) -> u32 {
        self.live.load(Relaxed)
    }

    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Relaxed)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Relaxed);
    }
}
