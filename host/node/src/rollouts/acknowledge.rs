//! Says which switches of traffic this node's router follows. Knows no rollout.

use crate::control::Control;
use crate::keys;
use crate::projector::{Picture, Pictures};
use crate::tasks::Runs;
use aether_kv::Transaction;
use aether_types::NodeId;
use aether_types::traffic::Acknowledged;
use aether_types::versioned::encode;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long to wait before saying again what could not be written.
const RETRY: Duration = Duration::from_millis(200);

/// Writes it down whenever it changes. `derived`: pictures that the router follows already.
pub(crate) async fn acknowledge(
    (node, run): (NodeId, u64),
    control: Control,
    mut derived: Pictures,
    runs: Runs,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    loop {
        let follows = follows(node, run, &derived.borrow_and_update());
        let mut failed = false;
        if let Some(follows) = follows {
            let since = Instant::now();
            let operations = vec![super::put(keys::acknowledged(node), encode(&follows))];
            let transaction = Transaction { conditions: vec![], operations };
            let written = control.transact(transaction).await;
            runs.note("acknowledge", since, written.as_ref().err().map(ToString::to_string));
            failed = written.is_err();
        }
        let retry = async {
            match failed {
                true => tokio::time::sleep(RETRY).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = retry => {}
            Ok(()) = derived.changed() => {}
            else => return Ok(()),
        }
    }
}

/// What is to be written; nothing where it stands there.
fn follows(node: NodeId, run: u64, picture: &Picture) -> Option<Acknowledged> {
    let world = &picture.world;
    let traffics = world.traffics.iter();
    let switches = traffics.map(|(app, traffic)| (app.clone(), traffic.revision)).collect();
    let follows = Acknowledged { node, run, switches };
    let stands = match world.acknowledged.get(&node) {
        Some(known) => **known == follows,
        None => follows.switches.is_empty(),
    };
    (!stands && world.members.contains_key(&node)).then_some(follows)
}
