//! Counts the calls of one loaded slice where they run: by function and caller. Knows no version,
//! no node and no metric names.

#[cfg(test)]
mod tests;

use crate::trace::Open;
use crate::{CallContext, Origin};
use aether_types::aspect::Aspect;
use aether_types::counts::{CALLERS_MAX, Caller, Counts, ENDINGS, Ending};
use aether_types::latencies::{BUCKETS, Latencies, bucket};
use aether_types::{AppName, CallError, Coordinates, FunctionName, RequestId};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// What a slice has counted since it was loaded. Outlives the slice.
#[derive(Debug)]
pub struct Tally {
    app: AppName,
    slice: Arc<Coordinates>,
    functions: Vec<Function>,
    slow: Mutex<Vec<SlowCall>>,
}

#[derive(Debug)]
struct Function {
    name: FunctionName,
    callers: Callers,
    /// A call that takes so long is noted.
    slow_nanos: AtomicU64,
    /// The place of its aspect in [`Aspect::ALL`].
    aspect: AtomicU8,
}

/// A call that took longer than calls of its function should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowCall {
    pub function: FunctionName,
    pub caller: Caller,
    pub request_id: RequestId,
    pub took: Duration,
    pub ended: Instant,
    pub ending: Ending,
}

/// Slow calls of a slice that are noted until somebody takes them away; others are not.
const SLOW_MAX: usize = 64;

/// One cell for each caller that there was, in the order in which they came.
#[derive(Debug, Default)]
struct Callers(OnceLock<Box<Cell>>);

/// What one caller called how often. Only added to, so that it needs no lock.
#[derive(Debug)]
pub(crate) struct Cell {
    caller: Option<Arc<Coordinates>>,
    is_others: bool,
    calls: AtomicU64,
    /// Those that were answered are what is left.
    endings: [AtomicU64; ENDINGS],
    buckets: Buckets,
    nanos: AtomicU64,
    /// Of calls from outside: the time without the way to other nodes.
    worked: Option<Box<Buckets>>,
    next: Callers,
}

type Buckets = [AtomicU64; BUCKETS];

/// Reading a clock costs as much as all the rest of counting; a request from outside is worth it, a
/// call between two slices now and then: one of so many.
const TIMED_OF: u64 = 16;

/// A call that is being made. One that is dropped was abandoned.
pub(crate) struct Counting<'a> {
    tally: &'a Tally,
    function: &'a Function,
    cell: &'a Cell,
    started: Instant,
    /// Of a call whose end the clock is read for: because it is timed, or logged.
    origin: Option<Arc<Origin>>,
    is_timed: bool,
    /// Of a call from outside: the way before it, where it was tried before.
    way_before: Option<Duration>,
    logs: bool,
    /// Of a call whose trace is recorded.
    span: Option<Box<Open>>,
    ended: bool,
}

impl Tally {
    pub(crate) fn new(
        app: AppName,
        slice: Arc<Coordinates>,
        functions: impl IntoIterator<Item = FunctionName>,
    ) -> Arc<Self> {
        let function = |name| Function {
            name,
            callers: Callers::default(),
            slow_nanos: AtomicU64::new(u64::MAX),
            aspect: AtomicU8::new(0),
        };
        let functions = functions.into_iter().map(function).collect();
        Arc::new(Self { app, slice, functions, slow: Mutex::default() })
    }

    /// Begins to count a call of the function at a place.
    pub(crate) fn begin(&self, place: usize, ctx: &CallContext, started: Instant) -> Counting<'_> {
        let function = &self.functions[place];
        let cell = function.callers.cell(ctx.caller());
        let aspect = function.aspect();
        let (logs, is_timed) = (aspect.logs(), aspect.measures() || cell.is_next_timed());
        let origin = (is_timed || logs).then(|| Arc::clone(&ctx.origin));
        if logs {
            self.log_begin(function, ctx);
        }
        let way_before = cell.worked.is_some().then(|| ctx.origin.way.until(started));
        let tally = self;
        Counting {
            tally,
            function,
            cell,
            started,
            origin,
            is_timed,
            way_before,
            logs,
            span: None,
            ended: false,
        }
    }

    /// What is done with calls of each function from now on.
    pub fn switch(&self, aspect: impl Fn(&FunctionName) -> Aspect) {
        for function in &self.functions {
            function.aspect.store(aspect(&function.name) as u8, Relaxed);
        }
    }

    #[cold]
    fn log_begin(&self, function: &Function, ctx: &CallContext) {
        let origin = &ctx.origin;
        tracing::info!(
            target: "aspect",
            app = self.app.as_str(),
            slice = %self.slice,
            request_id = origin.request_id.as_str(),
            variant = origin.variant_number(),
            trace_id = origin.trace_id(),
            principal = origin.principal_name(),
            function = %function.name,
            caller = ctx.caller().map(tracing::field::display),
            attempt = ctx.attempt,
            "call begins"
        );
    }

    pub(crate) fn function(&self, place: usize) -> &FunctionName {
        &self.functions[place].name
    }

    /// From when on calls of each function are noted as slow.
    pub fn watch(&self, threshold: impl Fn(&FunctionName) -> Duration) {
        for function in &self.functions {
            let nanos = threshold(&function.name).as_nanos();
            function.slow_nanos.store(u64::try_from(nanos).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// The slow calls since the last time, in the order in which they ended.
    pub fn take_slow(&self) -> Vec<SlowCall> {
        std::mem::take(&mut *self.slow.lock())
    }

    /// Everything so far, by function and caller.
    pub fn counts(&self) -> impl Iterator<Item = (&FunctionName, Caller, Counts)> {
        let cells = self
            .functions
            .iter()
            .flat_map(|function| function.callers.iter().map(move |cell| (&function.name, cell)));
        cells.map(|(name, cell)| (name, cell.who(), cell.counts()))
    }

    /// Everything so far, together.
    pub fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        self.counts().for_each(|(_, _, counts)| sum.add(&counts));
        sum
    }
}

impl Function {
    fn aspect(&self) -> Aspect {
        Aspect::ALL[usize::from(self.aspect.load(Relaxed)) % Aspect::ALL.len()]
    }
}

impl Callers {
    fn iter(&self) -> impl Iterator<Item = &Cell> {
        std::iter::successors(self.0.get(), |cell| cell.next.0.get()).map(|cell| &**cell)
    }

    /// The caller's cell. There are few, and the one of a call is nearly always the first.
    fn cell(&self, caller: Option<&Arc<Coordinates>>) -> &Cell {
        let mut callers = self;
        for number in 0..CALLERS_MAX {
            let cell = callers.0.get_or_init(|| Cell::new(caller.cloned(), false));
            if cell.is_of(caller) {
                return cell;
            }
            callers = match number {
                // Callers come from authenticated nodes, and still there is an end to them.
                _ if number + 1 == CALLERS_MAX => return cell.next.others(),
                _ => &cell.next,
            };
        }
        unreachable!("the last cell is for all others")
    }

    fn others(&self) -> &Cell {
        self.0.get_or_init(|| Cell::new(None, true))
    }
}

impl Cell {
    fn new(caller: Option<Arc<Coordinates>>, is_others: bool) -> Box<Self> {
        let is_outside = caller.is_none() && !is_others;
        Box::new(Self {
            caller,
            is_others,
            calls: AtomicU64::new(0),
            endings: std::array::from_fn(|_| AtomicU64::new(0)),
            buckets: buckets(),
            worked: is_outside.then(|| Box::new(buckets())),
            nanos: AtomicU64::new(0),
            next: Callers::default(),
        })
    }

    fn is_of(&self, caller: Option<&Arc<Coordinates>>) -> bool {
        match (&self.caller, caller) {
            // Callers on this node keep their coordinates in one place.
            (Some(known), Some(caller)) => Arc::ptr_eq(known, caller) || known == caller,
            (None, None) => true,
            _ => false,
        }
    }

    fn who(&self) -> Caller {
        match &self.caller {
            Some(caller) => Caller::Slice((**caller).clone()),
            None if self.is_others => Caller::Others,
            None => Caller::Outside,
        }
    }

    /// Whether the call that begins now is worth two readings of the clock.
    fn is_next_timed(&self) -> bool {
        self.caller.is_none() || self.calls.load(Relaxed).is_multiple_of(TIMED_OF)
    }

    /// Counts a call, with its time where that is known, and the way that is in it.
    fn end(&self, ending: Ending, took: Option<Duration>, way: Option<Duration>) {
        self.calls.fetch_add(1, Relaxed);
        if ending != Ending::Answered {
            self.endings[ending as usize].fetch_add(1, Relaxed);
        }
        let Some(took) = took else { return };
        count(&self.buckets, took);
        self.nanos.fetch_add(nanos(took), Relaxed);
        if let (Some(worked), Some(way)) = (&self.worked, way) {
            count(worked, took.saturating_sub(way));
        }
    }

    fn counts(&self) -> Counts {
        let load = |n: &AtomicU64| n.load(Relaxed);
        let mut endings = self.endings.each_ref().map(load);
        let others: u64 = endings.iter().sum();
        // A call that ends meanwhile may be counted in one and not yet in the other.
        endings[Ending::Answered as usize] = load(&self.calls).saturating_sub(others);
        let latencies = Latencies::of_buckets(self.buckets.iter().map(load));
        let worked = self.worked.iter().flat_map(|buckets| buckets.iter());
        let worked = Latencies::of_buckets(worked.map(load));
        Counts { endings, latencies, nanos: load(&self.nanos), worked }
    }
}

impl Counting<'_> {
    /// With a span that ends with the call.
    pub(crate) fn traced(mut self, span: Option<Box<Open>>) -> Self {
        self.span = span;
        self
    }

    /// Counts the call with its end.
    pub(crate) fn end(mut self, ending: Ending) {
        self.count(ending);
    }

    fn count(&mut self, ending: Ending) {
        self.ended = true;
        if let Some(span) = self.span.take() {
            span.end(ending);
        }
        let Some(origin) = self.origin.take() else { return self.cell.end(ending, None, None) };
        let is_begun = !matches!(ending, Ending::TurnedAway | Ending::Overloaded | Ending::Denied);
        let took = self.started.elapsed();
        let way = self.way_before.map(|before| {
            let way = origin.way.until(self.started + took);
            way.saturating_sub(before)
        });
        self.cell.end(ending, (is_begun && self.is_timed).then_some(took), way);
        if is_begun && nanos(took) >= self.function.slow_nanos.load(Relaxed) {
            self.note(ending, took, &origin);
        }
        if self.logs {
            self.log_end(ending, took, &origin);
        }
    }

    #[cold]
    fn log_end(&self, ending: Ending, took: Duration, origin: &Origin) {
        tracing::info!(
            target: "aspect",
            app = self.tally.app.as_str(),
            slice = %self.tally.slice,
            request_id = origin.request_id.as_str(),
            variant = origin.variant_number(),
            trace_id = origin.trace_id(),
            principal = origin.principal_name(),
            function = %self.function.name,
            ending = ending.word(),
            took_us = took.as_micros() as u64,
            "call ended"
        );
    }

    #[cold]
    fn note(&self, ending: Ending, took: Duration, origin: &Origin) {
        let mut slow = self.tally.slow.lock();
        if slow.len() < SLOW_MAX {
            slow.push(SlowCall {
                function: self.function.name.clone(),
                caller: self.cell.who(),
                request_id: origin.request_id.clone(),
                took,
                ended: self.started + took,
                ending,
            });
        }
    }

    /// The same for a call that failed; whether it was begun.
    pub(crate) fn fail(self, error: &CallError, is_begun: bool) {
        self.end(match error {
            CallError::Unavailable(_) if !is_begun => Ending::TurnedAway,
            error => Ending::of_error(error),
        });
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Ending::Abandoned);
        }
    }
}

fn buckets() -> Buckets {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn count(buckets: &Buckets, time: Duration) {
    buckets[usize::from(bucket(nanos(time) / 1_000))].fetch_add(1, Relaxed);
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
