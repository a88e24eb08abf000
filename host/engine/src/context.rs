//! What a slice runs with and what travels with a call. Knows no wasmtime and no transport.

use crate::Slice;
use aether_types::blueprint::{CacheBucket, Grants, Limits};
use aether_types::code::Code;
use aether_types::slice_toml::{Instances, Reuse};
use aether_types::{
    AppName, ByteSize, CallError, Coordinates, InterfaceName, Problem, Problems, RequestId,
};
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

/// The author's instance policy, narrowed by the blueprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveLimits {
    pub reuse: Reuse,
    /// Calls at the same time on this node.
    pub max_concurrency: usize,
    /// Calls that wait when all instances are busy.
    pub queue: usize,
    /// Linear memory of one `WasmInstance`, all its memories together.
    pub memory: ByteSize,
    /// Longest time of one call, queueing included.
    pub timeout: Duration,
}

/// What is the same for every call that one outer request causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub request_id: RequestId,
    /// The authenticated caller of the outermost request.
    pub principal: Option<String>,
    /// Sorted, without repetition.
    pub roles: Vec<String>,
    /// W3C `traceparent` of the outermost request.
    pub trace_parent: Option<String>,
}

/// What travels with a call. Cheap to clone: two reference counts.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub origin: Arc<Origin>,
    /// When the caller stops waiting, whatever the callee's own limit is.
    pub deadline: Instant,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many slices are waiting for this call: 0 at the edge.
    pub depth: u32,
    /// The slice that made the call; none at the edge.
    pub caller: Option<Arc<Coordinates>>,
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
}

/// Who takes a call.
#[derive(Debug, Clone)]
pub enum Target {
    /// The pool of a slice on this node.
    Local(Arc<Slice>),
}

impl Origin {
    /// An origin that nobody authenticated.
    pub fn anonymous(request_id: RequestId) -> Self {
        Self { request_id, principal: None, roles: Vec::new(), trace_parent: None }
    }
}

impl CallContext {
    /// The context of a call that comes from outside: HTTP, the command line, a life-cycle hook.
    pub fn edge(origin: Arc<Origin>, deadline: Instant) -> Self {
        Self { origin, deadline, attempt: 1, depth: 0, caller: None }
    }

    /// The context of a call that the slice `caller` makes while it works on this one.
    pub fn nested(&self, caller: Arc<Coordinates>) -> Self {
        Self {
            origin: Arc::clone(&self.origin),
            deadline: self.deadline,
            attempt: 1,
            depth: self.depth + 1,
            caller: Some(caller),
        }
    }

    /// What is left until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl EffectiveLimits {
    /// The author's policy with the blueprint's narrower limits; a wider one is a problem.
    pub fn narrow(place: &str, author: &Instances, operator: &Limits) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut refuse = |key: &str, wanted: String, most: String| {
            let message = format!("{key} is {wanted}; the slice's author allows at most {most}");
            let problem = Problem::new(Code::TomlValue, place, message);
            problems.push(problem.help("a blueprint can lower a limit, not raise it"));
        };
        let mut narrowed = Self::author(author);
        if let Some(wanted) = operator.max_concurrency {
            if wanted.get() > author.max_concurrency.get() {
                let most = author.max_concurrency.get().to_string();
                refuse("max-concurrency", wanted.get().to_string(), most);
            }
            narrowed.max_concurrency = wanted.get() as usize;
        }
        if let Some(wanted) = operator.queue {
            if wanted.get() > author.queue.get() {
                refuse("queue", wanted.get().to_string(), author.queue.get().to_string());
            }
            narrowed.queue = wanted.get() as usize;
        }
        if let Some(wanted) = operator.memory {
            if wanted > author.memory {
                refuse("memory", wanted.to_string(), author.memory.to_string());
            }
            narrowed.memory = wanted;
        }
        if let Some(wanted) = operator.timeout {
            if wanted > author.timeout {
                refuse("timeout", wanted.to_string(), author.timeout.to_string());
            }
            narrowed.timeout = wanted.duration();
        }
        if problems.is_empty() { Ok(narrowed) } else { Err(Problems(problems)) }
    }

    fn author(author: &Instances) -> Self {
        Self {
            reuse: author.reuse,
            max_concurrency: author.max_concurrency.get() as usize,
            queue: author.queue.get() as usize,
            memory: author.memory,
            timeout: author.timeout.duration(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blueprint_lowers_limits_and_never_raises_them() {
        let author = Instances::default();
        let mut operator = Limits { memory: Some(ByteSize::mib(8)), ..Limits::default() };
        let narrowed = EffectiveLimits::narrow("shop", &author, &operator).unwrap();
        assert_eq!((narrowed.memory, narrowed.max_concurrency), (ByteSize::mib(8), 64));
        operator.memory = Some(ByteSize::mib(128));
        operator.timeout = Some(aether_types::TimeSpan::from_secs(60));
        let problems = EffectiveLimits::narrow("shop", &author, &operator).unwrap_err();
        expect_test::expect![[r#"
            shop: memory is 128MiB; the slice's author allows at most 64MiB [toml-value]
              help: a blueprint can lower a limit, not raise it
            shop: timeout is 1m; the slice's author allows at most 5s [toml-value]
              help: a blueprint can lower a limit, not raise it"#]]
        .assert_eq(&problems.to_string());
    }
}
