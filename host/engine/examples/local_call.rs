//! Measures calls from slice to slice through the whole path, without a node around them: prints
//! one JSON document. Takes the two components of the bench: the caller, which measures, and the
//! callee.

use aether_engine::{
    AppContext, CallContext, EffectiveLimits, Engine, Load, Origin, Router, Settings, Slice, Target,
};
use aether_types::blueprint::{Grants, Limits};
use aether_types::{CallError, InterfaceName};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const CALLS: u32 = 20_000;
const FUNCTIONS: [(&str, &str, Option<u32>); 3] = [
    ("small record", "bench:pair/run#record-ns", None),
    ("4 KiB bytes", "bench:pair/run#bytes-ns", Some(4_096)),
    ("10 KB bytes", "bench:pair/run#bytes-ns", Some(10_000)),
];

/// Routes everything to the callee.
#[derive(Default)]
struct ToCallee(OnceLock<Arc<Slice>>);

impl Router for ToCallee {
    fn pick(
        &self,
        _: &AppContext,
        callee: &InterfaceName,
        _: &CallContext,
    ) -> Result<Target, CallError> {
        let missing = || CallError::Unavailable(callee.to_string());
        self.0.get().cloned().map(Target::Local).ok_or_else(missing)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    let [caller, callee] = files.as_slice() else { return Err("usage: CALLER CALLEE".into()) };
    let dir = tempfile::tempdir()?;
    let engine = Engine::new(Settings::for_machine(dir.path().join("code")), Vec::new())?;
    let router = Arc::new(ToCallee::default());
    let load = |file| -> Result<Arc<Slice>, Box<dyn Error>> {
        let bytes = std::fs::read(file)?;
        let description = engine.describe(&bytes)?;
        let app = AppContext {
            app: "bench".parse()?,
            coordinates: Arc::new("bench:slice:1.0.0".parse()?),
            limits: EffectiveLimits::narrow(
                "bench",
                &description.settings.instances,
                &Limits::default(),
            )?,
            grants: Grants::default(),
            config: BTreeMap::new(),
            buckets: BTreeMap::new(),
        };
        let (description, app) = (Arc::new(description), Arc::new(app));
        let load = Load { description, bytes: &bytes, app, router: router.clone() };
        engine.load(load).map_err(|reason| reason.to_string().into())
    };
    let (caller, callee) = (load(caller)?, load(callee)?);
    router.0.set(callee).map_err(|_| "there is one callee")?;
    let mut measures = Vec::new();
    for (name, function, bytes) in FUNCTIONS {
        let place = caller.find(&function.parse()?).ok_or(function)?;
        let args: Vec<u8> =
            [Some(CALLS), bytes].iter().flatten().flat_map(|n| n.to_le_bytes()).collect();
        let mut medians = Vec::new();
        for _ in 0..ROUNDS {
            let answer = caller.call(place, args.clone(), context()).await?;
            medians.push(u64::from_le_bytes(answer[..].try_into()?));
        }
        medians.sort_unstable();
        let value = medians[ROUNDS / 2];
        measures.push(serde_json::json!({
            "name": format!("{name} p50 ns"), "unit": "ns", "ours": value,
            "best": medians[0], "worst": medians[ROUNDS - 1],
        }));
    }
    let document = serde_json::json!({ "measures": measures });
    writeln!(std::io::stdout(), "{document:#}")?;
    Ok(())
}

fn context() -> CallContext {
    let id = "bench".parse().expect("a well-formed request id");
    let deadline = Instant::now() + Duration::from_secs(60);
    CallContext::edge(Arc::new(Origin::anonymous(id)), deadline.into())
}
