//! A host with every infra slice, for tests with real guests. Knows no node, no routes, no cluster.

use aether_engine::json::{self, Answer};
use aether_engine::{
    AppContext, CallContext, EffectiveLimits, Engine, ErasedInfra, Load, Origin, Router, Settings,
    Slice, Target,
};
use aether_infra_cache::{Cache, Embedded};
use aether_infra_config::{Blueprint as FromBlueprint, Config};
use aether_infra_http_client::HttpClient;
use aether_infra_logging::Logging;
use aether_types::binding::{Binding, Source};
use aether_types::blueprint::Blueprint;
use aether_types::observed::Reason;
use aether_types::{CallError, FunctionName, InterfaceName};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// An engine with the infra slices that a node has.
pub struct Host {
    pub cache: Arc<Embedded>,
    engine: Engine,
    _code: TempDir,
}

/// No slice here calls another one.
struct Alone;

impl Router for Alone {
    fn pick(
        &self,
        caller: &AppContext,
        callee: &InterfaceName,
        _ctx: &CallContext,
    ) -> Result<Target, CallError> {
        let message = format!("{} calls {callee}, which nobody exports", caller.coordinates);
        Err(CallError::Unavailable(message))
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// # Panics
    /// Where there is no room for compiled code.
    pub fn new() -> Self {
        let code = tempfile::tempdir().expect("a folder for compiled code");
        let mut settings = Settings::for_machine(code.path().to_owned());
        settings.wasm_instances_max = 100;
        let cache = Arc::new(Embedded::new());
        let infra: Vec<Arc<dyn ErasedInfra>> = vec![
            Arc::new(Cache::new(cache.clone())),
            Arc::new(Config::new(Arc::new(FromBlueprint))),
            Arc::new(Logging),
            Arc::new(HttpClient::new()),
        ];
        let engine = Engine::new(settings, infra).expect("the settings are right");
        Self { cache, engine, _code: code }
    }

    /// Loads a test guest as the first slice of a blueprint; `more` is what the blueprint says
    /// beyond its name and the slice's coordinates, from inside `[[slices]]` on.
    ///
    /// # Errors
    /// Why the slice cannot run.
    ///
    /// # Panics
    /// When the blueprint or the guest is not right.
    pub fn load(&self, guest: &str, more: &str) -> Result<Arc<Slice>, Reason> {
        let text = format!(
            "[application]\nname = \"shop\"\nversion = \"1.0.0\"\n\n\
             [[slices]]\nartifact = \"test:{guest}:1.0.0\"\n{more}"
        );
        let blueprint = Blueprint::parse("blueprint.toml", &text).unwrap_or_else(|p| panic!("{p}"));
        let bytes = aether_test_guests::bytes(guest);
        let description = self.engine.describe(&bytes).unwrap_or_else(|p| panic!("{p}"));
        let entry = blueprint.slices[0].clone();
        let instances = &description.settings.instances;
        let mut config = blueprint.config;
        config.extend(entry.config);
        let limits = EffectiveLimits::narrow("test", instances, &entry.limits);
        let app = AppContext {
            app: blueprint.application.name,
            coordinates: Arc::new(entry.artifact.expect("it stands above")),
            limits: limits.expect("the blueprint narrows only"),
            grants: entry.grants,
            config,
            buckets: blueprint.cache,
        };
        let (description, router) = (Arc::new(description), Arc::new(Alone));
        self.engine.load(Load { description, bytes: &bytes, app: Arc::new(app), router })
    }
}

/// The `traceparent` of each call.
pub const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Calls a function with its parameters as a JSON object, for at most ten seconds; the answer is
/// JSON, or a word and the error.
///
/// # Panics
/// When there is no such function or the parameters do not fit.
pub async fn call(slice: &Slice, function: &str, params: &str) -> String {
    call_within(slice, function, params, Duration::from_secs(10)).await
}

/// Like [`call`], with another deadline.
///
/// # Panics
/// Like [`call`].
pub async fn call_within(slice: &Slice, function: &str, params: &str, time: Duration) -> String {
    let name: FunctionName = function.parse().expect("a function name");
    let description = slice.description().clone();
    let (_, function) = description.export(&name).unwrap_or_else(|| panic!("no {name}"));
    let binding = Binding { params: vec![Source::BodyKey; function.params.len()] };
    let request = json::Request { path: &[], query: &[], body: params.as_bytes() };
    let args = json::decode_params(function, &binding, request).unwrap_or_else(|e| panic!("{e}"));
    let origin = Origin {
        trace_parent: Some(TRACE.to_owned()),
        ..Origin::anonymous("req-1".parse().expect("a request id"))
    };
    let ctx = CallContext::edge(Arc::new(origin), Instant::now() + time);
    let place = slice.find(&name).expect("it is exported");
    let wire = match slice.call(place, args, ctx).await {
        Ok(wire) => wire,
        Err(error) => return format!("call failed: {error}"),
    };
    let text = |json: Option<Vec<u8>>| String::from_utf8(json.unwrap_or_default());
    match json::answer(function, &wire).expect("the wire fits its type") {
        Answer::Value(json) => text(json).expect("JSON is UTF-8"),
        Answer::Error { payload, .. } => {
            format!("error: {}", text(payload).expect("JSON is UTF-8"))
        }
        Answer::Failed(error) => format!("failed: {error}"),
    }
}
