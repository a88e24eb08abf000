//! Which threads of a node do what, and its peers while they are busy.

use std::sync::{Arc, Barrier};

use aether_types::NodeId;
use tokio::{io::AsyncWriteExt, runtime::Builder};

use super::{raw, support::*};
use crate::{
    Class,
    frame::{Frame, Kind},
};

const WORKERS: usize = 2;

#[test]
fn a_node_whose_threads_are_all_busy_still_answers() {
    let cluster = Cluster::new();
    let main = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    let mut node = main.block_on(cluster.node(1));
    let [busy, answered] = [(); 2].map(|()| Arc::new(Barrier::new(WORKERS + 1)));
    for _ in 0..WORKERS {
        let (busy, answered) = (busy.clone(), answered.clone());
        main.spawn(async move {
            busy.wait();
            answered.wait();
        });
    }
    busy.wait();
    let outside = Builder::new_current_thread().enable_all().build().unwrap();
    let mut peer = outside.block_on(soon(async {
        let mut peer = raw::linked(&cluster, &node, Class::Consensus).await;
        peer.write(Kind::Ping, "".into()).await.unwrap();
        while peer.read().await.unwrap().kind != Kind::Pong {}
        peer.write(Kind::Message, "vote".into()).await.unwrap();
        let message = Seen::Message(NodeId(3), Class::Consensus, 0, "vote".into());
        node.sees(|seen| *seen == message).await;
        // A request beside another one waits for a thread that works.
        for (id, kind) in [(1, HANG), (2, ECHO)] {
            let request = Frame::bare(Kind::Request, id, u64::from(kind) << 32 | 10_000);
            peer.io.write_all(&raw::bytes_of(&request)).await.unwrap();
        }
        peer.write(Kind::Ping, "".into()).await.unwrap();
        loop {
            match peer.read().await.unwrap().kind {
                Kind::Pong => break,
                kind => assert_ne!(kind, Kind::Response),
            }
        }
        peer
    }));
    answered.wait();
    outside.block_on(soon(async { while peer.read().await.unwrap().kind != Kind::Response {} }));
}

#[tokio::test]
async fn requests_are_begun_by_threads_of_links_until_one_takes_long() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    assert_eq!(soon(one.call(two.id, WHERE, b"")).await.unwrap().body, "links");
    soon(one.call(two.id, BUSY, b"")).await.unwrap();
    // A hundred times as long, so for 10 s; on the links of others too.
    assert_ne!(soon(one.call(two.id, WHERE, b"")).await.unwrap().body, "links");
    let three = cluster.node(3).await;
    three.peers(&[&two]);
    three.up(&two).await;
    assert_ne!(soon(three.call(two.id, WHERE, b"")).await.unwrap().body, "links");
}

#[tokio::test]
async fn requests_beside_others_are_not_begun_by_threads_of_links() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let waiting = one.call(two.id, GATE, b"");
    let (waiting, ()) = tokio::join!(soon(waiting), async {
        two.sees(|seen| *seen == Seen::Called(GATE)).await;
        assert_ne!(soon(one.call(two.id, WHERE, b"")).await.unwrap().body, "links");
        two.handler.gate.send_replace(true);
    });
    waiting.unwrap();
}
