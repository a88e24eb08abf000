//! History that travels between two nodes, over real links; and who is asked next.

use super::*;
use crate::clock::Clock;
use crate::pair::{Answers, HERE, Half, THERE, pair};
use crate::tasks::{OnFailure, Tasks};
use aether_telemetry::{Fleet, Reading, Span, Traffic};
use aether_transport::{Request, Response};
use futures_util::future::{BoxFuture, ready};
use std::sync::Mutex;

const MINUTE: Duration = Duration::from_secs(60);

fn shared(half: &Half, other: NodeId, folder: &tempfile::TempDir) -> SharedHistory {
    let storage = aether_storage::Storage::open(folder.path()).unwrap();
    let depot = half.depot(storage.artifacts, other);
    SharedHistory::new(depot, Samples::new(Clock::default()), Counting::default(), true)
}

/// What a node does that is asked for history.
enum Giver {
    Gives(SharedHistory),
    /// It is of a version that does not know what it is asked for.
    Drops,
    Says(Tasks, Vec<u8>),
}

impl Answers for Giver {
    fn call(&self, _: Request) -> BoxFuture<'static, Response> {
        unreachable!("nobody calls")
    }

    fn on_stream(&self, head: StreamHead, stream: Stream) {
        assert_eq!(head, StreamHead::GetHistory);
        match self {
            Self::Gives(history) => history.serve(stream),
            Self::Drops => drop(stream),
            Self::Says(tasks, bytes) => {
                let bytes = bytes.clone();
                tasks.spawn("lie", OnFailure::Log, async move {
                    let Stream { mut send, recv } = stream;
                    drop(recv);
                    send.send(bytes.into()).await.unwrap();
                    send.finish().unwrap();
                    Ok::<(), Infallible>(())
                });
            }
        }
    }
}

/// What a node that starts has of the last hour afterwards, or why not: minutes of both nodes.
async fn asked(giver: impl FnOnce(SharedHistory) -> Giver) -> Result<Vec<(NodeId, usize)>, String> {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [here, there] = pair().await;
    let old = shared(&there, HERE, &folders[1]);
    let now = old.samples.timeline.now();
    old.samples.with_fleet(|fleet| {
        for minute in 0..60 {
            let (at, uptime) = (now - MINUTE * (59 - minute), MINUTE * (minute + 1));
            for node in [HERE, THERE] {
                fleet.on_reading(node, at, Reading { uptime, ..Reading::default() });
            }
            fleet.tick(at);
        }
    });
    there.answers(giver(old));
    let own = shared(&here, THERE, &folders[0]);
    own.keep(own.fetch(THERE).await.map_err(|silence| silence.to_string())?);
    let history = own.samples.history(&Span::until(now, MINUTE * 60), |_| true);
    let minutes = |points: &[Option<_>]| points.iter().flatten().count();
    Ok(history.iter().map(|it| (it.node, minutes(&it.points))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_has_kept_comes_over_the_link() {
    let minutes = asked(Giver::Gives).await.unwrap();
    // Of the first minute there is none, as there was no reading before; and the last second is for
    // each node itself to measure.
    assert_eq!(minutes, [(HERE, 58), (THERE, 58)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_none_to_give_says_so() {
    let silence = asked(|_| Giver::Drops).await.unwrap_err();
    assert_eq!(silence, "its version knows no history to give");
    let says = |bytes| |history: SharedHistory| Giver::Says(history.depot.tasks, bytes);
    let newer = asked(says(vec![9])).await.unwrap_err();
    assert!(newer.starts_with("format 9 of "), "{newer}");
    let damaged = asked(says(vec![1, 0xff, 0xff])).await.unwrap_err();
    assert!(damaged.starts_with("damaged bytes of "), "{damaged}");
    let long = asked(says(vec![1; 13 << 20])).await.unwrap_err();
    assert!(long.contains("stopped"), "{long}");
}

#[tokio::test]
async fn others_are_asked_until_one_knows_all() {
    let check = async |nodes: &[&str]| {
        let asked = Mutex::new(Vec::new());
        let kept = Mutex::new(0);
        let fetch = |node: NodeId| {
            asked.lock().unwrap().push(node.0);
            let answer = |is_whole| {
                let (fleet, traffic) = (Fleet::default(), Traffic::default());
                let past = Past::of(Duration::ZERO, is_whole, &fleet, &traffic);
                Ok(Answer { past, asked: Duration::ZERO, answered: Duration::ZERO })
            };
            ready(match nodes[node.0 as usize] {
                "old" => Err(Silence::Unknown),
                "late" => Err(Silence::Late),
                "young" => answer(false),
                _ => answer(true),
            })
        };
        let ids = (0..nodes.len() as u64).map(NodeId).collect();
        ask_in_turn(ids, fetch, |_| *kept.lock().unwrap() += 1).await;
        (asked.into_inner().unwrap().len(), kept.into_inner().unwrap())
    };
    assert_eq!(check(&["whole", "whole"]).await, (1, 1));
    assert_eq!(check(&["old", "late", "young", "whole", "whole"]).await, (4, 2));
    assert_eq!(check(&["young", "young"]).await, (2, 2));
    assert_eq!(check(&["old", "late"]).await, (2, 0));
    assert_eq!(check(&[]).await, (0, 0));
}
