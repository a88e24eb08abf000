//! Code that travels between two engines, over real links.

use super::*;
use crate::pair::{Answers, HERE, Half, THERE, pair};
use crate::tasks::OnFailure;
use aether_transport::{Request, Response};
use futures_util::future::BoxFuture;
use std::convert::Infallible;

const SLICE: &str = r#"(component
    (core module $m (func (export "f") (result i32) i32.const 42))
    (core instance $i (instantiate $m))
    (func $f (result u32) (canon lift (core func $i "f")))
    (instance $e (export "f" (func $f)))
    (export "t:one/api@1.0.0" (instance $e)))"#;

fn shared(half: &Half, other: NodeId, folder: &tempfile::TempDir) -> SharedCode {
    let storage = aether_storage::Storage::open(folder.path()).unwrap();
    let settings = aether_engine::Settings {
        wasm_instances_max: 16,
        ..aether_engine::Settings::for_machine(storage.compiled.path().to_owned())
    };
    let depot = half.depot(storage.artifacts, other);
    SharedCode { engine: Engine::new(settings, crate::infra_slices()).unwrap(), depot }
}

/// Gives code to those who ask; sends the last byte wrong if it `lies`.
struct Giver {
    code: SharedCode,
    lies: bool,
}

impl Answers for Giver {
    fn call(&self, _: Request) -> BoxFuture<'static, Response> {
        unreachable!("nobody calls")
    }

    fn on_stream(&self, head: StreamHead, stream: Stream) {
        let StreamHead::GetCode(key) = head else { panic!("{head:?} is not asked for") };
        if !self.lies {
            return self.code.serve(key, stream);
        }
        let mut sealed = self.code.engine.code(&key).unwrap();
        *sealed.last_mut().unwrap() ^= 1;
        self.code.depot.tasks.spawn("lie", OnFailure::Log, async move {
            let Stream { mut send, recv } = stream;
            drop(recv);
            send.send(sealed.into()).await.unwrap();
            send.finish().unwrap();
            Ok::<(), Infallible>(())
        });
    }
}

/// How often this node has to compile what the other one has compiled, or has not.
async fn compiles(has: bool, lies: bool) -> u64 {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [here, there] = pair().await;
    let giver = shared(&there, HERE, &folders[1]);
    let bytes = wat::parse_str(SLICE).unwrap();
    let description = match has {
        true => giver.engine.describe(&bytes).unwrap(),
        false => {
            let folder = tempfile::tempdir().unwrap();
            shared(&there, HERE, &folder).engine.describe(&bytes).unwrap()
        }
    };
    there.answers(Giver { code: giver, lies });
    let taker = shared(&here, THERE, &folders[0]);
    taker.fetch(&description, &[]).await;
    assert_eq!(taker.engine.describe(&bytes).unwrap(), description);
    taker.engine.usage().compiled
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_has_compiled_is_not_compiled_again() {
    assert_eq!(compiles(true, false).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_code_and_no_code_cost_the_time_to_compile() {
    assert_eq!(compiles(true, true).await, 1);
    assert_eq!(compiles(false, false).await, 1);
}
