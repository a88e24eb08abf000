//! Peers that do not keep to the protocol: the link ends with a counted reason, others go on.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{raw::*, support::*};
use crate::{
    Class, DownReason, Refusal,
    frame::{Frame, Kind, OPENER},
    hello::{self, Hello},
    limits::{FRAME_BYTES_MAX, REQUESTS_MAX, STREAM_WINDOW, UNKNOWN_MAX},
    links::dial_connection,
    tls::server_name,
};

/// What a linked peer that says `bytes` gets.
async fn check(bytes: &[u8], label: &'static str) {
    let scene = Scene::new().await;
    let mut connection = scene.linked(Class::Calls).await;
    connection.io.write_all(bytes).await.unwrap();
    connection.io.flush().await.unwrap();
    scene.ends(connection, label).await;
}

#[tokio::test]
async fn bytes_that_are_no_frames() {
    check(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "frame-format").await;
    let mut unknown = Frame::bare(Kind::Ping, 0, 0).header();
    unknown[5] = 99;
    check(&unknown, "frame-kind").await;
    let mut long = Frame::bare(Kind::Message, 0, 0).header();
    long[..4].copy_from_slice(&(FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
    check(&long, "frame-length").await;
    check(&bytes_of(&Frame::bare(Kind::Hello, 0, 0)), "frame-order").await;
}

#[tokio::test]
async fn streams_against_their_windows() {
    let open = bytes_of(&Frame { flags: OPENER, ..Frame::bare(Kind::Open, 1, 0) });
    let after = |frame: Frame| [&open[..], &bytes_of(&Frame { flags: OPENER, ..frame })].concat();
    let flood = Bytes::from(vec![0; STREAM_WINDOW as usize]);
    check(&after(Frame::new(Kind::Data, 1, flood)), "stream-window").await;
    check(&after(Frame::bare(Kind::Credit, 1, 1)), "stream-credit").await;
    check(&after(Frame::bare(Kind::Data, 2, 0)), "stream-unknown").await;
    check(&after(Frame::bare(Kind::Open, 1, 0)), "stream-unknown").await;
}

#[tokio::test]
async fn the_same_request_twice() {
    let request = bytes_of(&Frame::bare(Kind::Request, 7, u64::from(HANG) << 32 | 1000));
    check(&[&request[..], &request].concat(), "frame-order").await;
}

#[tokio::test]
async fn more_requests_than_may_be_in_flight_are_refused_each() {
    let scene = Scene::new().await;
    let mut connection = scene.linked(Class::Calls).await;
    let requests: Vec<u8> = (0..=REQUESTS_MAX as u64)
        .flat_map(|id| bytes_of(&Frame::bare(Kind::Request, id, u64::from(HANG) << 32 | 10_000)))
        .collect();
    connection.io.write_all(&requests).await.unwrap();
    connection.io.flush().await.unwrap();
    let refused = soon(async {
        loop {
            let frame = connection.read().await.unwrap();
            if frame.kind == Kind::Response {
                return frame;
            }
        }
    });
    let refused = refused.await;
    assert_eq!((refused.id, refused.flags), (REQUESTS_MAX as u64, 1));
    assert_eq!(scene.one.links.stats().requests_refused, 1);
}

#[tokio::test]
async fn who_asks_and_takes_no_answer_is_cut() {
    let scene = Scene::new().await;
    let mut connection = scene.linked(Class::Calls).await;
    let pings = bytes_of(&Frame::bare(Kind::Ping, 0, 0)).repeat(40_000);
    // Until the other side has cut the connection, which it must.
    soon(async { while connection.io.write_all(&pings).await.is_ok() {} }).await;
    scene.ends(connection, "owed").await;
}

#[tokio::test]
async fn messages_for_who_takes_none_are_dropped_and_counted() {
    let scene = Scene::new().await;
    let connection = scene.linked(Class::Consensus).await;
    let three = aether_types::NodeId(3);
    let long = Bytes::from(vec![0; FRAME_BYTES_MAX]);
    let sent =
        (0..100).take_while(|_| scene.one.links.send(three, Class::Consensus, 1, long.clone()));
    let sent = sent.count();
    assert!((1..=2).contains(&sent), "{sent}: one is written, one of the longest fits behind it");
    assert_eq!(scene.one.links.stats().messages_dropped, 1);
    drop(connection);
}

#[tokio::test]
async fn strangers_do_not_get_far() {
    let scene = Scene::new().await;
    // No TLS at all.
    let mut plain = TcpStream::connect(&scene.one.address).await.unwrap();
    plain.write_all(b"hello?").await.unwrap();
    soon(async { while plain.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {} }).await;
    // TLS, and then no hello.
    let mut garbage = scene.connected().await;
    garbage.io.write_all(&[0xff; 64]).await.unwrap();
    scene.ends(garbage, "frame-format").await;
    // A frame that is no hello; a hello that is too long.
    let mut early = scene.connected().await;
    early.write(Kind::Ping, Bytes::new()).await.unwrap();
    scene.ends(early, "rejected").await;
    let mut long = scene.connected().await;
    long.write(Kind::Hello, Bytes::from(vec![0; 1 << 15])).await.unwrap();
    scene.ends(long, "frame-length").await;
    assert_eq!(scene.one.links.stats().ended["handshake"], 1);
}

#[tokio::test]
async fn half_a_hello_is_not_waited_for() {
    let scene = Scene::new().await;
    let mut half = scene.connected().await;
    half.io.write_all(&hello_of_three(Class::Bulk).encode()[..10]).await.unwrap();
    half.io.flush().await.unwrap();
    scene.ends(half, "hello-timeout").await;
}

#[tokio::test]
async fn other_versions_are_told_both() {
    let scene = Scene::new().await;
    let mut other = scene.connected().await;
    let mut bytes = hello_of_three(Class::Calls).encode().to_vec();
    bytes[8..12].copy_from_slice(&[3, 0, 4, 0]);
    other.write(Kind::Hello, bytes.into()).await.unwrap();
    let Err(DownReason::Refused(refusal)) = other.read().await else { panic!("taken") };
    assert_eq!(refusal.to_string(), "wrong version: it speaks versions 3 to 4, this node 2 to 2");
}

#[tokio::test]
async fn without_a_certificate_or_with_that_of_another_nothing_goes() {
    let scene = Scene::new().await;
    let pinned = crate::fingerprint_of(scene.cluster.authority.ca_pem()).unwrap();
    let anonymous = crate::tls::joining(pinned).unwrap();
    let name = server_name(scene.one.id, CLUSTER);
    let mut nobody = dial_connection(&scene.one.address, anonymous, name).await.unwrap();
    nobody.write(Kind::Hello, hello_of_three(Class::Calls).encode()).await.unwrap();
    let refused = nobody.read().await.unwrap_err();
    assert_eq!(refused, DownReason::Refused(Refusal::NoCertificate));

    let mut liar = scene.connected().await;
    let node = aether_types::NodeId(4);
    let hello = Hello { node, ..hello_of_three(Class::Calls) };
    liar.write(Kind::Hello, hello.encode()).await.unwrap();
    let refused = liar.read().await.unwrap_err();
    assert_eq!(refused, DownReason::Refused(Refusal::WrongCertificate { node }));
    let refusal: Option<Refusal> = hello::decode(&hello::encode(&Refusal::NotAether));
    assert_eq!(refusal, Some(Refusal::NotAether));
}

#[tokio::test]
async fn the_number_of_strangers_is_bounded() {
    let cluster = Cluster::new();
    let one = cluster.node(1).await;
    let mut silent = Vec::new();
    for _ in 0..UNKNOWN_MAX {
        silent.push(TcpStream::connect(&one.address).await.unwrap());
    }
    let mut more = TcpStream::connect(&one.address).await.unwrap();
    let read = soon(more.read(&mut [0; 8])).await;
    assert!(!read.is_ok_and(|count| count > 0), "it is closed");
    assert_eq!(one.links.stats().connections_refused, 1);
    // Those who behave get in once the silent ones are gone.
    drop(silent);
    let two = cluster.node(2).await;
    two.peers(&[&one]);
    two.up(&one).await;
    drop(Arc::clone(&one.handler));
}
