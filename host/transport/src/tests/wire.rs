//! What goes over the wire, as a peer sees it that keeps to the protocol.

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::{raw::*, support::*};
use crate::{
    Class, DownReason, Refusal, Run,
    frame::{Frame, Kind},
    hello::Hello,
    limits::FRAME_BYTES_MAX,
    links::Connection,
};

const THREE: aether_types::NodeId = aether_types::NodeId(3);

/// The next frame of this kind, pings answered.
async fn next(connection: &mut Connection, kind: Kind) -> Frame {
    soon(async {
        loop {
            let frame = connection.read().await.unwrap();
            match frame.kind {
                Kind::Ping => {
                    let pong = Frame::bare(Kind::Pong, 0, frame.extra);
                    connection.io.write_all(&bytes_of(&pong)).await.unwrap();
                    connection.io.flush().await.unwrap();
                }
                found if found == kind => return frame,
                _ => {}
            }
        }
    })
    .await
}

#[tokio::test]
async fn consensus_does_not_wait_behind_payloads() {
    let scene = Scene::new().await;
    let mut consensus = scene.linked(Class::Consensus).await;
    // Takes nothing, and has more to take than its queue and the system hold.
    let _bulk = scene.linked(Class::Bulk).await;
    let long = Bytes::from(vec![0; FRAME_BYTES_MAX]);
    while scene.one.links.send(THREE, Class::Bulk, 1, long.clone()) {
        tokio::task::yield_now().await;
    }
    assert!(scene.one.links.send(THREE, Class::Consensus, 2, "vote".into()));
    let vote = next(&mut consensus, Kind::Message).await;
    assert_eq!((vote.id, &*vote.body), (2, &b"vote"[..]));
}

#[tokio::test]
async fn another_process_gets_an_identity_only_when_the_first_does_not_answer() {
    let scene = Scene::new().await;
    let mut first = scene.linked(Class::Consensus).await;
    // Of another class, so no link of its own is in its way.
    let claim = async || {
        let mut second = scene.connected().await;
        let hello = Hello { run: Run(4), ..hello_of_three(Class::Calls) };
        second.write(Kind::Hello, hello.encode()).await.unwrap();
        soon(second.read()).await.map(|frame| frame.kind)
    };
    let claimed = tokio::select! {
        claimed = claim() => claimed,
        _ = next(&mut first, Kind::Goodbye) => panic!("the first one is alive"),
    };
    let duplicate = Refusal::DuplicateIdentity { node: THREE };
    assert_eq!(claimed, Err(DownReason::Refused(duplicate)));
    // Now the first one says nothing any more.
    assert_eq!(claim().await, Ok(Kind::Welcome));
}
