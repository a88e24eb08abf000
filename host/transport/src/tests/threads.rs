//! A node all of whose threads are busy, and its peers.

use std::sync::{Arc, Barrier};

use aether_types::NodeId;
use tokio::runtime::Builder;

use super::{raw, support::*};
use crate::{Class, frame::Kind};

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
        // A request waits for a thread that works.
        peer.write(Kind::Request, "question".into()).await.unwrap();
        peer.write(Kind::Ping, "".into()).await.unwrap();
        while peer.read().await.unwrap().kind != Kind::Pong {}
        peer
    }));
    answered.wait();
    outside.block_on(soon(async { while peer.read().await.unwrap().kind != Kind::Response {} }));
}
