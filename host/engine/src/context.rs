//! What a slice runs with and what travels with a call. Knows no wasmtime and no transport.

use crate::{Slice, Way};
use aether_types::blueprint::{CacheBucket, Grants};
use aether_types::limits::EffectiveLimits;
use aether_types::{AppName, CallError, Coordinates, InterfaceName, RequestId, Revision};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::num::NonZeroU64;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;

/// What one slice of one application runs with on this node; the same for all its instances.
#[derive(Debug, Clone)]
pub struct AppContext {
    pub app: AppName,
    pub coordinates: Arc<Coordinates>,
    pub limits: EffectiveLimits,
    pub grants: Grants,
    /// Values of the application, with those of the slice on top.
    pub config: BTreeMap<String, String>,
    /// All buckets of the application; `grants.cache` names those that the slice may open.
    pub buckets: BTreeMap<String, CacheBucket>,
}

/// What is the same for every call that one outer request causes on a node.
#[derive(Debug)]
pub struct Origin {
    pub request_id: RequestId,
    /// The authenticated caller of the outermost request.
    pub principal: Option<String>,
    /// Sorted, without repetition.
    pub roles: Vec<String>,
    /// W3C `traceparent` of the outermost request.
    pub trace_parent: Option<String>,
    /// The version of its application that the outermost request got.
    pub variant: Option<Revision>,
    pub urgency: Urgency,
    /// What its calls were on their way from this node.
    pub way: Way,
}

/// Who is let in first where calls wait.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    #[default]
    Usual,
    /// Somebody looks after the cluster, and has to get through when it is overloaded.
    Operator,
}

/// What travels with a call. Cheap to clone: two reference counts.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub origin: Arc<Origin>,
    /// When the caller stops waiting, whatever the callee's own limit is.
    pub deadline: Instant,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The slices that wait for this call, the last one first; none at the edge.
    pub chain: Option<Arc<Waits>>,
    /// The span of the call that makes this one, if both are recorded and made on this node.
    pub span: Option<NonZeroU64>,
}

/// A slice that waits for the call that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    pub slice: Arc<Coordinates>,
    /// The other node that it is on, as the shell calls it; none: it is on this one.
    pub node: Option<u64>,
    /// Who waits for it.
    pub before: Option<Arc<Waits>>,
    /// How many there are, with this one.
    depth: u32,
}

/// Slices that may wait for each other in one request. 32 fibers of 512 KiB of stack are 16 MiB.
pub const CALL_DEPTH_MAX: u32 = 32;

/// Chooses who takes a call. Implemented by the node; called on the hot path: no lock, no waiting.
pub trait Router: Send + Sync + 'static {
    /// `callee` is an interface that the caller imports and the host does not provide.
    fn pick(
        &self,
        caller: &AppContext,
        callee: &InterfaceName,
        ctx: &CallContext,
    ) -> Result<Target, CallError>;

    /// All who provide an interface, for a call that the instance of this node, picked before, did
    /// not take. None if there is nobody else.
    fn elsewhere(&self, _callee: &InterfaceName) -> Option<Arc<dyn RemoteSlice>> {
        None
    }
}

/// Who takes a call.
#[derive(Debug, Clone)]
pub enum Target {
    /// The pool of a slice on this node.
    Local(Arc<Slice>),
    /// An instance of another node.
    Remote(Arc<dyn RemoteSlice>),
}

/// A slice that runs on another node. Implemented by the node.
pub trait RemoteSlice: std::fmt::Debug + Send + Sync {
    /// Calls a function. `args` and the answer are in the wire format of its types; the answer is
    /// checked against them when it goes into the caller.
    fn call(
        self: Arc<Self>,
        interface: &InterfaceName,
        function: &str,
        args: Bytes,
        ctx: CallContext,
    ) -> BoxFuture<'static, Result<Bytes, CallError>>;
}

impl Origin {
    /// The trace that the request belongs to: 32 hexadecimal digits of its trace context.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_parent.as_deref()?.get(3..35)
    }

    /// The number of [`Origin::variant`], as logs write it.
    pub fn variant_number(&self) -> Option<u64> {
        self.variant.map(|variant| variant.0)
    }

    /// The same request in another version, which begins anew.
    pub fn in_variant(&self, variant: Revision) -> Arc<Self> {
        Arc::new(Self {
            request_id: self.request_id.clone(),
            principal: self.principal.clone(),
            roles: self.roles.clone(),
            trace_parent: self.trace_parent.clone(),
            variant: Some(variant),
            urgency: self.urgency,
            way: Way::default(),
        })
    }

    /// Who asked, as logs write it.
    pub fn principal_name(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// An origin that nobody authenticated.
    pub fn anonymous(request_id: RequestId) -> Self {
        Self {
            request_id,
            principal: None,
            roles: Vec::new(),
            trace_parent: None,
            variant: None,
            urgency: Urgency::Usual,
            way: Way::default(),
        }
    }
}

impl Waits {
    /// `slice` waits, and those before wait for it.
    pub fn after(
        slice: Arc<Coordinates>,
        node: Option<u64>,
        before: Option<Arc<Self>>,
    ) -> Arc<Self> {
        let depth = before.as_ref().map_or(0, |before| before.depth) + 1;
        Arc::new(Self { slice, node, before, depth })
    }
}

impl CallContext {
    /// The context of a call that comes from outside: HTTP, the command line, a life-cycle hook.
    pub fn edge(origin: Arc<Origin>, deadline: Instant) -> Self {
        Self { origin, deadline, attempt: 1, chain: None, span: None }
    }

    /// The context of a call that the slice `caller` makes while it works on this one.
    pub fn nested(&self, caller: Arc<Coordinates>) -> Self {
        self.awaited_by(self.waits(caller))
    }

    /// `caller`, which works on this call, as it waits for those that it makes.
    pub(crate) fn waits(&self, caller: Arc<Coordinates>) -> Arc<Waits> {
        Waits::after(caller, None, self.chain.clone())
    }

    /// The context of a call that is made by who works on this one.
    pub(crate) fn awaited_by(&self, waits: Arc<Waits>) -> Self {
        Self {
            origin: Arc::clone(&self.origin),
            deadline: self.deadline,
            attempt: 1,
            chain: Some(waits),
            span: self.span,
        }
    }

    /// W3C `traceparent` for whoever takes this call elsewhere.
    pub fn trace_parent(&self) -> Option<String> {
        let text = self.origin.trace_parent.as_ref()?;
        let span = self.span.map(|span| format!("{}{span:016x}{}", &text[..36], &text[52..]));
        Some(span.unwrap_or_else(|| text.clone()))
    }

    /// How many slices are waiting for this call: 0 at the edge.
    pub fn depth(&self) -> u32 {
        self.chain.as_ref().map_or(0, |waits| waits.depth)
    }

    /// The slice that made the call; none at the edge.
    pub fn caller(&self) -> Option<&Arc<Coordinates>> {
        self.chain.as_ref().map(|waits| &waits.slice)
    }

    /// The slices that wait for this call, the last one first.
    pub fn waiting(&self) -> impl Iterator<Item = &Waits> {
        std::iter::successors(self.chain.as_deref(), |waits| waits.before.as_deref())
    }

    /// What is left until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
