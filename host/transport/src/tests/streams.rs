//! Byte streams: windows, ends, resets.

use bytes::Bytes;
use futures_util::FutureExt;

use super::support::*;
use crate::{Class, STREAM_DROPPED, Stream, StreamError, limits::STREAMS_MAX};

async fn opened(one: &Node, two: &mut Node) -> (Stream, Stream) {
    let here = one.links.open(two.id, Class::Bulk, "head".into()).await.unwrap();
    let (head, there) = soon(two.streams.recv()).await.unwrap();
    assert_eq!(head, "head");
    (here, there)
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at * 31 % 251) as u8).collect::<Vec<_>>().into()
}

async fn all(mut stream: crate::RecvStream) -> Result<Vec<u8>, StreamError> {
    let mut all = Vec::new();
    while let Some(bytes) = soon(stream.next()).await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn bytes_go_both_ways_and_end() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let (here, there) = opened(&one, &mut two).await;
    let bytes = pattern(3 << 20);
    let Stream { mut send, recv } = here;
    let there = async {
        let Stream { send: mut back, recv } = there;
        let heard = all(recv).await.unwrap();
        back.send(Bytes::from(heard)).await.unwrap();
        back.finish().unwrap();
    };
    let here = async {
        send.send(bytes.clone()).await.unwrap();
        send.finish().unwrap();
        all(recv).await.unwrap()
    };
    let (heard, ()) = tokio::join!(here, there);
    assert!(heard == bytes, "{} bytes", heard.len());
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_its_sender_alone() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let (mut slow, waiting) = opened(&one, &mut two).await;
    let (mut quick, reading) = opened(&one, &mut two).await;
    let mut blocked = Box::pin(async {
        slow.send.send(pattern(2 << 20)).await.unwrap();
        slow.send.finish().unwrap();
    });
    let through = async {
        quick.send.send(pattern(4 << 20)).await.unwrap();
        quick.send.finish().unwrap();
    };
    tokio::select! {
        biased;
        () = &mut blocked => panic!("nobody read it, but it was sent"),
        (heard, ()) = async { tokio::join!(all(reading.recv), through) } => {
            assert_eq!(heard.unwrap().len(), 4 << 20);
        }
    }
    let (heard, ()) = tokio::join!(all(waiting.recv), blocked);
    assert_eq!(heard.unwrap().len(), 2 << 20);
}

#[tokio::test]
async fn either_end_can_give_up_with_a_code() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let (mut here, there) = opened(&one, &mut two).await;
    here.send.send("half".into()).await.unwrap();
    here.send.reset(7);
    assert_eq!(all(there.recv).await, Err(StreamError::Reset(7)));
    there.send.reset(8);
    assert_eq!(all(here.recv).await, Err(StreamError::Reset(8)));

    let (mut here, there) = opened(&one, &mut two).await;
    there.recv.stop(9);
    let stopped = soon(async {
        loop {
            if let Err(error) = here.send.send(pattern(1000)).await {
                return error;
            }
        }
    });
    assert_eq!(stopped.await, StreamError::Stopped(9));

    let (mut here, there) = opened(&one, &mut two).await;
    drop(there);
    assert_eq!(all(here.recv).await, Err(StreamError::Reset(STREAM_DROPPED)));
    let stopped = soon(async {
        loop {
            if let Err(error) = here.send.send(pattern(1000)).await {
                return error;
            }
        }
    });
    assert_eq!(stopped.await, StreamError::Stopped(STREAM_DROPPED));
}

#[tokio::test]
async fn who_sends_nothing_hears_that_nobody_reads() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let (here, there) = opened(&one, &mut two).await;
    let mut unread = Box::pin(there.send.unread());
    assert!((&mut unread).now_or_never().is_none());
    // What goes the other way does not matter.
    here.send.finish().unwrap();
    assert_eq!(all(there.recv).await, Ok(vec![]));
    assert!((&mut unread).now_or_never().is_none());
    drop(here.recv);
    soon(unread).await;

    let (here, there) = opened(&one, &mut two).await;
    let unread = there.send.unread();
    one.links.faults().reset(two.id);
    soon(unread).await;
    drop((here, there));
}

#[tokio::test]
async fn the_number_of_streams_is_bounded_and_ended_ones_do_not_count() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let mut open = Vec::new();
    for _ in 0..STREAMS_MAX {
        open.push(opened(&one, &mut two).await);
    }
    let refused = one.links.open(two.id, Class::Bulk, "one more".into()).await.unwrap_err();
    assert_eq!(refused, StreamError::Overloaded { node: two.id });
    let (here, there) = open.pop().unwrap();
    here.send.finish().unwrap();
    there.send.finish().unwrap();
    let (a, b) = tokio::join!(all(here.recv), all(there.recv));
    assert_eq!((a, b), (Ok(vec![]), Ok(vec![])));
    opened(&one, &mut two).await;
}

#[tokio::test]
async fn a_lost_link_ends_its_streams() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let (mut here, there) = opened(&one, &mut two).await;
    one.links.faults().reset(two.id);
    assert!(matches!(all(there.recv).await, Err(StreamError::Lost(_))));
    assert!(matches!(all(here.recv).await, Err(StreamError::Lost(_))));
    let lost = soon(here.send.send("more".into())).await;
    assert!(matches!(lost, Err(StreamError::Lost(_))), "{lost:?}");
}
