//! Spans of calls that belong to a recorded trace, for whoever collects them. Costs nothing where
//! nobody does. Knows no collector.

use crate::CallContext;
use aether_types::counts::Ending;
use aether_types::trace::begun_by_door;
use aether_types::{AppName, Coordinates, FunctionName, RequestId, Revision};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A call that an instance of this node has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSpan {
    /// Of the W3C trace context.
    pub trace: u128,
    pub id: NonZeroU64,
    /// The call that made this one, or whatever the client said.
    pub parent: Option<NonZeroU64>,
    pub app: AppName,
    pub slice: Arc<Coordinates>,
    pub function: FunctionName,
    /// The slice that called; none: somebody from outside.
    pub caller: Option<Arc<Coordinates>>,
    pub request_id: RequestId,
    /// The version of the application that the request got, if it got one.
    pub variant: Option<Revision>,
    /// Who asked for the outermost request, if that is known.
    pub principal: Option<String>,
    /// 1 for the first.
    pub attempt: u32,
    pub started: Instant,
    pub took: Duration,
    pub ending: Ending,
}

/// Spans that wait for whoever collects them: 2 MB. More are dropped and counted.
const WAITING_MAX: usize = 4_096;

/// Where the spans of all slices of a process go.
#[derive(Debug, Default)]
pub struct Traces {
    collected: OnceLock<Collected>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Collected {
    tx: mpsc::Sender<CallSpan>,
    seed: u64,
    next: AtomicU64,
}

/// The span of a call that has begun.
pub(crate) struct Open {
    traces: Arc<Traces>,
    span: CallSpan,
}

impl Traces {
    /// Makes spans from now on, once in the life of a process.
    pub fn collect(&self) -> Option<mpsc::Receiver<CallSpan>> {
        let (tx, rx) = mpsc::channel(WAITING_MAX);
        let seed = RandomState::new().build_hasher().finish();
        self.collected.set(Collected { tx, seed, next: AtomicU64::new(0) }).ok()?;
        Some(rx)
    }

    /// Spans that nobody gets to see.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Counts spans that were collected, and then lost.
    pub fn drop_spans(&self, count: u64) {
        self.dropped.fetch_add(count, Relaxed);
    }

    /// Begins the span of a call, if its trace is recorded; calls that it makes are below it.
    pub(crate) fn open(
        self: &Arc<Self>,
        ctx: &mut CallContext,
        (app, slice, function): (&AppName, &Arc<Coordinates>, &FunctionName),
        started: Instant,
    ) -> Option<Box<Open>> {
        let collected = self.collected.get()?;
        let text = ctx.origin.trace_parent.as_deref()?;
        let flags = u8::from_str_radix(text.get(53..55)?, 16).ok()?;
        if flags & 1 == 0 {
            return None;
        }
        let trace = u128::from_str_radix(text.get(3..35)?, 16).ok()?;
        let given = || NonZeroU64::new(u64::from_str_radix(text.get(36..52)?, 16).ok()?);
        let given = || given().filter(|id| id.get() != begun_by_door(trace));
        let parent = ctx.span.or_else(given);
        let id = collected.id();
        let span = CallSpan {
            trace,
            id,
            parent,
            app: app.clone(),
            slice: Arc::clone(slice),
            function: function.clone(),
            caller: ctx.caller().cloned(),
            request_id: ctx.origin.request_id.clone(),
            variant: ctx.origin.variant,
            principal: ctx.origin.principal.clone(),
            attempt: ctx.attempt,
            started,
            took: Duration::ZERO,
            ending: Ending::Abandoned,
        };
        ctx.span = Some(id);
        Some(Box::new(Open { traces: Arc::clone(self), span }))
    }
}

impl Collected {
    /// Random, and never the same twice in a process: one step of splitmix64.
    fn id(&self) -> NonZeroU64 {
        loop {
            let turn = self.next.fetch_add(1, Relaxed);
            let mut z = self.seed.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            if let Some(id) = NonZeroU64::new(z ^ (z >> 31)) {
                return id;
            }
        }
    }
}

impl Open {
    pub(crate) fn end(self: Box<Self>, ending: Ending) {
        let Self { traces, span } = *self;
        let took = span.started.elapsed();
        let span = CallSpan { took, ending, ..span };
        let Some(collected) = traces.collected.get() else { return };
        if collected.tx.try_send(span).is_err() {
            traces.drop_spans(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn outside(trace_parent: Option<&str>) -> CallContext {
        let origin = Origin {
            trace_parent: trace_parent.map(str::to_owned),
            ..Origin::anonymous("r-1".parse().unwrap())
        };
        CallContext::edge(Arc::new(origin), Instant::now())
    }

    fn open(traces: &Arc<Traces>, ctx: &mut CallContext) -> Option<Box<Open>> {
        let slice = Arc::new("t:a:1.0.0".parse().unwrap());
        let callee = (&"shop".parse().unwrap(), &slice, &"t:a/api#f".parse().unwrap());
        traces.open(ctx, callee, Instant::now())
    }

    const RECORDED: &str = "00-0000000000000000000000000000000a-000000000000000b-01";

    #[test]
    fn calls_of_recorded_traces_have_spans_one_below_the_other() {
        let traces = Arc::new(Traces::default());
        assert!(open(&traces, &mut outside(Some(RECORDED))).is_none(), "nobody collects");
        let mut spans = traces.collect().unwrap();
        assert!(traces.collect().is_none());
        let not_recorded = RECORDED.replace("-01", "-00");
        for text in [None, Some(not_recorded.as_str()), Some("nonsense")] {
            assert!(open(&traces, &mut outside(text)).is_none(), "{text:?}");
        }
        let mut above = outside(Some(RECORDED));
        assert_eq!(above.trace_parent().unwrap(), RECORDED);
        let first = open(&traces, &mut above).unwrap();
        let mut below = above.nested(Arc::new("t:a:1.0.0".parse().unwrap()));
        let second = open(&traces, &mut below).unwrap();
        second.end(Ending::Answered);
        first.end(Ending::Erred);
        let (second, first) = (spans.try_recv().unwrap(), spans.try_recv().unwrap());
        assert_eq!(
            (first.trace, first.parent.unwrap().get(), first.ending),
            (10, 11, Ending::Erred)
        );
        assert_eq!((second.parent, second.caller.is_some()), (Some(first.id), true));
        // Whoever takes a call of it elsewhere sees the same.
        let elsewhere = below.trace_parent().unwrap();
        assert_eq!(elsewhere, RECORDED.replace("000000000000000b", &format!("{:016x}", second.id)));
    }

    #[test]
    fn a_trace_that_a_door_begins_has_its_first_call_as_root() {
        let traces = Arc::new(Traces::default());
        let mut spans = traces.collect().unwrap();
        let trace = 0x1234_5678_9abc_def0_0fed_cba9_8765_4321_u128;
        let text = format!("00-{trace:032x}-{:016x}-01", begun_by_door(trace));
        open(&traces, &mut outside(Some(&text))).unwrap().end(Ending::Answered);
        let root = spans.try_recv().unwrap();
        assert_eq!((root.trace, root.parent), (trace, None));
    }

    #[test]
    fn what_nobody_takes_is_counted() {
        let traces = Arc::new(Traces::default());
        let spans = traces.collect().unwrap();
        let end = || open(&traces, &mut outside(Some(RECORDED))).unwrap().end(Ending::Answered);
        (0..WAITING_MAX + 3).for_each(|_| end());
        assert_eq!((spans.len(), traces.dropped()), (WAITING_MAX, 3));
    }
}
