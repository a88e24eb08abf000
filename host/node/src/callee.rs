//! One callee as this node calls it: the choice of an instance, attempts, and what is remembered of
//! both. Decides nothing itself: `aether-routing` chooses and says whether to try again.

mod course;
mod kept;
mod repeats;
mod rules;

use crate::network::Network;
use crate::remote::{self, Attempt, BoxError, StreamedBody};
use crate::routing::{Patience, SliceRouter};
use aether_engine::{CallContext, HttpBody, Offer, RemoteSlice, Slice};
use aether_routing::{
    Breaker, Budget, Endpoint, Explained, Key, NoTarget, Pin, Signal, Signals, Split, Started,
    Tick, Tried, choose, explain,
};
use aether_types::{CallError, FunctionName, InterfaceName, Revision};
use bytes::Bytes;
use course::{Course, ask};
use futures_util::future::BoxFuture;
use http_body::Body;
use http_body_util::BodyExt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Instant;

pub(crate) use kept::Kept;
pub(crate) use repeats::Repeats;
pub(crate) use rules::Rules;

/// Who can take the calls of an edge or the requests of a route, now. Made anew whenever that
/// changes; what is remembered is handed on.
#[derive(Debug)]
pub(crate) struct Callee {
    split: Split,
    /// At the indexes of the split's endpoints.
    seats: Vec<Seat>,
    memory: Arc<Memory>,
    network: Network,
    rules: Rules,
    /// Whose import it is, if it is one's.
    importer: Weak<SliceRouter>,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) place: Reached,
    pub(crate) record: Arc<Record>,
}

#[derive(Debug, Clone)]
pub(crate) enum Reached {
    Here(Arc<Slice>),
    /// On this node, and not in its pools: it is on its way in or out.
    Nowhere,
    There,
}

/// What this node has seen of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Record {
    breaker: AtomicU64,
    /// Calls of this node that are on their way to another.
    outstanding: AtomicU32,
}

/// What outlives a change of endpoints.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Counts calls that follow the weights: each has its turn.
    turns: AtomicU64,
    /// Counts all others.
    draws: AtomicU64,
    budget: AtomicU32,
    /// Of all callees of this node.
    repeats: Arc<Repeats>,
}

const OFFERED: &str = "a call is offered until it begins on this node";

/// What a call wants of the choice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish {
    pub(crate) pin: Option<Pin>,
    pub(crate) sticky: Option<Key>,
    pub(crate) affinity: Option<Key>,
}

/// Why a call has no answer, after all of its attempts.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) error: CallError,
    /// Whom it was sent to did not take it and is not there any more: others may be, of which the
    /// next table of this node knows. It may be made again then.
    pub(crate) outdated: bool,
}

impl Memory {
    /// Takes turns from this one on: see [`Split::first_turn`].
    pub(crate) fn from_turn(first: u64, repeats: Arc<Repeats>) -> Self {
        let budget = AtomicU32::new(Budget::FULL.to_bits());
        // Routers that begin together shall not all send to the same endpoint first.
        let draws = AtomicU64::new(rand::random());
        Self { turns: AtomicU64::new(first), draws, budget, repeats }
    }
}

impl Record {
    fn breaker(&self) -> Breaker {
        Breaker::from_bits(self.breaker.load(Relaxed))
    }

    /// Gives back what the breaker was, if it changed.
    fn change(&self, change: impl Fn(Breaker) -> Breaker) -> Option<Breaker> {
        let known = self.breaker.load(Relaxed);
        // Nearly always nothing changes, and the line stays shared by all threads.
        if change(Breaker::from_bits(known)).to_bits() == known {
            return None;
        }
        let change = |bits| Some(change(Breaker::from_bits(bits)).to_bits());
        let before = self.breaker.fetch_update(Relaxed, Relaxed, change);
        Some(Breaker::from_bits(before.expect("every word is a breaker")))
    }

    fn sent(self: &Arc<Self>) -> OnItsWay {
        self.outstanding.fetch_add(1, Relaxed);
        OnItsWay(Arc::clone(self))
    }
}

/// Counts a call to another node until its answer, or until nobody waits for that any more.
pub(crate) struct OnItsWay(Arc<Record>);

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Relaxed);
    }
}

impl Signals for Callee {
    fn signal(&self, endpoint: usize) -> Signal {
        let Seat { place, record } = &self.seats[endpoint];
        let breaker = record.breaker();
        match place {
            Reached::Here(slice) => {
                let load = slice.occupancy();
                let count = |calls| u32::try_from(calls).unwrap_or(u32::MAX);
                let (outstanding, comfortable) = (count(load.calls), count(load.calls_max));
                Signal { connected: true, outstanding, comfortable, breaker }
            }
            Reached::There | Reached::Nowhere => Signal {
                connected: matches!(place, Reached::There),
                outstanding: record.outstanding.load(Relaxed),
                comfortable: 0,
                breaker,
            },
        }
    }
}

impl Callee {
    pub(crate) fn new(
        split: Split,
        seats: Vec<Seat>,
        memory: Arc<Memory>,
        network: Network,
        rules: Rules,
    ) -> Self {
        assert_eq!(split.endpoints().len(), seats.len(), "each endpoint has its seat");
        Self { split, seats, memory, network, rules, importer: Weak::new() }
    }

    /// For the calls of a slice, which has its way to whoever provides the interface then.
    pub(crate) fn of_importer(self, importer: &Arc<SliceRouter>) -> Self {
        Self { importer: Arc::downgrade(importer), ..self }
    }

    /// The pool of this node that takes the next call whatever it is, if that needs no thought: one
    /// version, one instance here, not busy, not broken.
    pub(crate) fn at_hand(&self) -> Option<&Arc<Slice>> {
        let Seat { place: Reached::Here(slice), record } = self.seats.first()? else { return None };
        let here_too = self.seats.get(1).is_some_and(|s| !matches!(s.place, Reached::There));
        let goes_by_key = self.rules.has_keys() && self.seats.len() > 1;
        if self.split.versions() != 1 || here_too || goes_by_key {
            return None;
        }
        let load = slice.occupancy();
        let free = load.calls < load.calls_max && record.breaker() == Breaker::NEW;
        free.then_some(slice)
    }

    /// The version whose turn it is, or the one that the key belongs to.
    pub(crate) fn version(&self, sticky: Option<Key>) -> Result<Revision, NoTarget> {
        let wish = Wish { sticky, ..Wish::default() };
        let turn = self.memory.turns.fetch_add(1, Relaxed);
        choose(&self.split, &ask(turn, wish, &Tried::new()), self).map(|pick| pick.version)
    }

    /// Where a call would go now, and why.
    pub(crate) fn explain(&self, wish: Wish) -> Explained {
        let turn = match wish.pin {
            None => self.memory.turns.load(Relaxed),
            Some(_) => self.memory.draws.load(Relaxed),
        };
        explain(&self.split, &ask(turn, wish, &Tried::new()), self)
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Calls a function of an instance that takes the call, of several if the first ones fail. The
    /// offer is still there unless the call has begun on this node and cannot be made again.
    ///
    /// # Errors
    /// What the last one said, or why there is nobody.
    pub(crate) async fn invoke(
        &self,
        function: &FunctionName,
        offer: &mut Option<Offer>,
        wish: Wish,
    ) -> Result<Bytes, Ended> {
        let Offer { args, ctx } = offer.as_ref().expect(OFFERED);
        let affinity = wish.affinity.or_else(|| self.rules.key(function, args));
        let wish = Wish { affinity, ..wish };
        let repeats = self.rules.repeats(function);
        let mut course = Course::new(self, wish, repeats, &ctx.origin);
        let mut last = None;
        loop {
            let pick = course.pick(last)?;
            let ctx = &mut offer.as_mut().expect(OFFERED).ctx;
            course.go_to(&pick, ctx);
            let Seat { place, record } = &self.seats[pick.endpoint];
            let outcome = match place {
                Reached::Here(slice) => {
                    // Where its own calls find nobody of its version, another one may do.
                    let spare =
                        if repeats && self.split.versions() > 1 { offer.clone() } else { None };
                    let outcome = local(slice, function, offer).await;
                    if let Err(Attempt { error: CallError::Unavailable(_), .. }) = &outcome {
                        *offer = offer.take().or(spare);
                    }
                    outcome
                }
                Reached::There | Reached::Nowhere => {
                    let _counted = record.sent();
                    let endpoint = &self.split.endpoints()[pick.endpoint];
                    let offer = offer.as_mut().expect(OFFERED);
                    remote::call(&self.network, endpoint, function, offer).await
                }
            };
            let attempt = match outcome {
                Ok(answer) => {
                    self.answers(pick.endpoint);
                    return Ok(answer);
                }
                Err(attempt) => attempt,
            };
            // What has begun on this node and failed would fail elsewhere: its own calls were
            // made again already.
            let Some(Offer { ctx, .. }) = offer else { return Err(course.failed(&pick, attempt)) };
            let left = ctx.remaining().as_millis().try_into().unwrap_or(u64::MAX);
            last = Some(course.again(&pick, attempt, left)?);
        }
    }

    /// Lets an instance answer an HTTP request. Another one is tried while nothing was begun; and
    /// after that if the body was kept and the method may be repeated (RFC 9110, 9.2.2).
    ///
    /// # Errors
    /// What the last one said, or why there is nobody.
    pub(crate) async fn handle<B>(
        &self,
        kept: &mut Kept<B>,
        mut ctx: CallContext,
        wish: Wish,
    ) -> Result<http::Response<StreamedBody>, Ended>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let mut course = Course::new(self, wish, kept.is_idempotent(), &ctx.origin);
        let mut last = None;
        loop {
            let pick = course.pick(last)?;
            course.go_to(&pick, &mut ctx);
            let mut offer = kept.take();
            let Seat { place, record } = &self.seats[pick.endpoint];
            let outcome = match place {
                Reached::Here(slice) => {
                    let answered = slice.offer_request(&mut offer, ctx.clone()).await;
                    let boxed = |body: HttpBody| body.map_err(BoxError::from).boxed_unsync();
                    answered.map(|response| response.map(boxed)).map_err(|error| {
                        let started = if offer.is_some() { Started::No } else { Started::Perhaps };
                        Attempt { error, started }
                    })
                }
                Reached::There | Reached::Nowhere => {
                    let _counted = record.sent();
                    let endpoint = &self.split.endpoints()[pick.endpoint];
                    remote::handle(&self.network, endpoint, &mut offer, &ctx).await
                }
            };
            let attempt = match outcome {
                Ok(response) => {
                    self.answers(pick.endpoint);
                    return Ok(response);
                }
                Err(attempt) => attempt,
            };
            if !kept.give_back(offer) {
                // The body is gone.
                return Err(course.failed(&pick, attempt));
            }
            let left = ctx.remaining().as_millis().try_into().unwrap_or(u64::MAX);
            last = Some(course.again(&pick, attempt, left)?);
        }
    }
}

impl Callee {
    fn answers(&self, endpoint: usize) {
        let before = self.seats[endpoint].record.change(Breaker::on_answered);
        if before.is_some_and(|before| before.until().is_some()) {
            let Endpoint { instance, node, .. } = &self.split.endpoints()[endpoint];
            tracing::info!(%instance, on = %node, "an instance that kept failing answers again");
        }
    }

    fn fails(&self, endpoint: usize, error: &CallError) {
        let now = now();
        let record = &self.seats[endpoint].record;
        let before = record.change(|breaker| breaker.on_failed(now));
        let opens =
            |before: Breaker| before.until().is_none() && before.on_failed(now).until().is_some();
        if before.is_some_and(opens) {
            let Endpoint { instance, node, .. } = &self.split.endpoints()[endpoint];
            tracing::warn!(%instance, on = %node, %error, "an instance keeps failing: it gets no calls for a while");
        }
    }

    fn nobody(&self, nobody: NoTarget) -> CallError {
        let slices = self.split.slices().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        CallError::Unavailable(match nobody {
            NoTarget::Nobody | NoTarget::AllDisconnected => {
                format!("no instance of {slices} is active")
            }
            other => format!("no instance of {slices} takes the call: {other}"),
        })
    }
}

async fn local(
    slice: &Slice,
    function: &FunctionName,
    offer: &mut Option<Offer>,
) -> Result<Bytes, Attempt> {
    let Some(place) = slice.find(function) else {
        let callee = &slice.app().coordinates;
        let error = CallError::Unavailable(format!("{callee} has no {function}"));
        return Err(Attempt { error, started: Started::No });
    };
    slice.offer(place, offer).await.map_err(|error| {
        let started = if offer.is_some() { Started::No } else { Started::Perhaps };
        Attempt { error, started }
    })
}

/// Since the first call of the process.
fn now() -> Tick {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Tick(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// What a slice imports, for calls that are not simply made on this node.
impl RemoteSlice for Callee {
    fn call(
        self: Arc<Self>,
        interface: &InterfaceName,
        function: &str,
        args: Bytes,
        ctx: CallContext,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let function = FunctionName { interface: interface.clone(), function: function.to_owned() };
        Box::pin(async move {
            let (mut offer, mut callee, mut patience) = (Some(Offer { args, ctx }), self, None);
            loop {
                let ended = match callee.invoke(&function, &mut offer, Wish::default()).await {
                    Ok(answer) => return Ok(answer),
                    Err(ended) => ended,
                };
                let (true, Some(Offer { ctx, .. })) = (ended.outdated, &offer) else {
                    return Err(ended.error);
                };
                let patience = patience.get_or_insert_with(|| Patience::until(ctx.deadline));
                let importer = callee.importer.upgrade();
                let newer = match importer {
                    Some(importer) => importer.newer(&function.interface, &callee, patience).await,
                    None => None,
                };
                callee = newer.ok_or(ended.error)?;
            }
        })
    }
}
