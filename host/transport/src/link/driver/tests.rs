//! One end of a link over a pipe in memory; time stands still unless everybody waits.

use std::{sync::Arc, time::Duration};

use aether_types::NodeId;
use bytes::{Bytes, BytesMut};
use expect_test::expect;
use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    task::yield_now,
    time::Instant,
};

use super::{Driven, Event};
use crate::{
    Addresses, CallFailure, Class, Direction, DownReason, Fault, Faults, Peer, Run,
    faults::FaultTable,
    frame::{Frame, Kind},
    limits::{FRAME_BYTES_MAX, RETIRE_MAX},
    link::{Link, Queue},
    port::Port,
    tests::support::{ECHO, GATE, HANG, Recorder, Seen, request},
};

const PEER: NodeId = NodeId(2);

/// This end, not yet driven, and the peer's.
struct End {
    link: Arc<Link>,
    queue: Queue,
    here: DuplexStream,
    there: There,
    handler: Arc<Recorder>,
    seen: mpsc::UnboundedReceiver<Seen>,
    faults: Faults,
}

struct There {
    io: DuplexStream,
    input: BytesMut,
}

impl End {
    fn new() -> Self {
        let peer = Peer {
            node: PEER,
            run: Run(1),
            starts: 1,
            class: Class::Calls,
            addresses: Addresses::default(),
        };
        let table = Arc::<FaultTable>::default();
        let (link, queue) = Link::new(peer, PEER, table.clone(), Arc::default());
        let (here, there) = duplex(1 << 20);
        let (handler, seen, _) = Recorder::new();
        let there = There { io: there, input: BytesMut::new() };
        let faults = Faults::new(table, std::sync::Weak::new());
        Self { link, queue, here, there, handler, seen, faults }
    }

    /// Drives this end to its end; gives the reason.
    fn drive(self, input: &[Frame]) -> (Running, impl Future<Output = DownReason> + use<>) {
        let input = input.iter().flat_map(bytes_of).collect::<Vec<_>>();
        let input = BytesMut::from(&input[..]);
        let Self { link, queue, here, there, handler, seen, faults } = self;
        let mut driver = Driven::new(here, input, link.clone(), queue, Port::new(handler.clone()));
        let task = tokio::spawn(async move {
            loop {
                if let Event::Closed(reason) = driver.next().await {
                    return driver.close(reason).await;
                }
            }
        });
        (Running { link, there, handler, seen, faults }, async { task.await.unwrap() })
    }
}

struct Running {
    link: Arc<Link>,
    there: There,
    handler: Arc<Recorder>,
    seen: mpsc::UnboundedReceiver<Seen>,
    faults: Faults,
}

impl There {
    async fn say(&mut self, frame: &Frame) {
        self.io.write_all(&bytes_of(frame)).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.input, FRAME_BYTES_MAX).unwrap() {
                return Some(frame);
            }
            if self.io.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn hear_until(&mut self, kind: Kind) -> Vec<(Kind, u64)> {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|(last, _)| *last != kind) {
            let frame = self.hear().await.unwrap();
            heard.push((frame.kind, frame.id));
        }
        heard
    }
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    [&frame.header()[..], &frame.body].concat()
}

fn asking(id: u64, kind: u32) -> Frame {
    Frame::bare(Kind::Request, id, u64::from(kind) << 32 | 10_000)
}

#[tokio::test(start_paused = true)]
async fn what_comes_right_behind_a_hello_is_heard_at_once() {
    let began = Instant::now();
    let (mut one, _closed) = End::new().drive(&[asking(9, ECHO), asking(10, ECHO)]);
    let mut heard = [one.there.hear().await.unwrap(), one.there.hear().await.unwrap()]
        .map(|frame| (frame.kind, frame.id, frame.extra));
    heard.sort_by_key(|(_, id, _)| *id);
    assert_eq!(heard, [(Kind::Response, 9, 200), (Kind::Response, 10, 200)]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// The one thread of this test does not come to the driver before it gives way.
#[tokio::test(start_paused = true)]
async fn what_is_said_on_an_idle_link_is_written_at_once() {
    let (mut one, _closed) = End::new().drive(&[]);
    assert!(one.link.send(1, "first".into()));
    assert!(one.there.hear().now_or_never().is_none(), "nobody drives it yet");
    yield_now().await;
    assert_eq!(one.there.hear().await.unwrap().id, 1);
    assert!(one.link.send(2, "second".into()));
    let heard = one.there.hear().now_or_never().expect("it is there");
    assert_eq!(heard.unwrap().id, 2);
    // What delays a link delays this too.
    let slow = Fault { latency: Duration::from_millis(300), ..Fault::default() };
    one.faults.set(PEER, Direction::Out, slow);
    let began = Instant::now();
    assert!(one.link.send(3, "late".into()));
    assert_eq!((one.there.hear().await.unwrap().id, began.elapsed().as_millis()), (3, 300));
}

#[tokio::test(start_paused = true)]
async fn a_long_call_beside_others_is_written_at_once() {
    let (mut one, _closed) = End::new().drive(&[]);
    yield_now().await;
    let [long, short]: [&[u8]; 2] = [&[7; 16 << 10], &[7; 16]];
    let ask = |body| Box::pin(one.link.call(request(ECHO, body)));
    let mut calls: Vec<_> = [short, short, long].map(ask).into();
    calls.iter_mut().for_each(|call| assert!(call.now_or_never().is_none()));
    // The second short one waits for the driver, and this one behind it.
    calls.push(ask(long));
    assert!(calls.last_mut().unwrap().now_or_never().is_none());
    let lengths = [16, 16, 16 << 10, 16 << 10];
    assert_eq!(one.there.hear().await.unwrap().body.len(), lengths[0]);
    assert!(one.there.hear().now_or_never().is_none());
    for length in &lengths[1..] {
        assert_eq!(one.there.hear().await.unwrap().body.len(), *length);
    }
    // Nothing waits any more.
    calls.push(ask(long));
    assert!(calls.last_mut().unwrap().now_or_never().is_none());
    let heard = one.there.hear().now_or_never().expect("it is there").unwrap();
    assert_eq!((heard.kind, heard.body.len()), (Kind::Request, long.len()));
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_does_not_take_comes_later_and_in_order() {
    let (mut one, _closed) = End::new().drive(&[]);
    yield_now().await;
    // More than the pipe holds.
    let bytes = Bytes::from(vec![7; 100 << 10]);
    (0..15).for_each(|group| assert!(one.link.send(group, bytes.clone())));
    for group in 0..15 {
        let frame = one.there.hear().await.unwrap();
        assert_eq!((frame.id, &frame.body), (group, &bytes));
    }
    assert!(one.link.send(15, "small".into()));
    assert_eq!(one.there.hear().await.unwrap().id, 15);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_answered_behind_what_was_queued() {
    let mut end = End::new();
    end.there.say(&Frame::bare(Kind::Goodbye, 0, 0)).await;
    assert!(end.link.send(4, "queued".into()));
    let (mut one, closed) = end.drive(&[]);
    let heard = one.there.hear_until(Kind::Goodbye).await;
    assert_eq!(heard, [(Kind::Message, 4), (Kind::Goodbye, 0)]);
    assert_eq!(closed.await, DownReason::Goodbye);
    assert!(!one.link.send(5, "too late".into()));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_retires_finishes_what_is_in_flight() {
    let (mut one, closed) = End::new().drive(&[asking(1, GATE)]);
    one.link.retire(DownReason::Replaced);
    assert_eq!(one.there.hear_until(Kind::Goodbye).await, [(Kind::Goodbye, 0)]);
    // The peer asks on until it has read that, and is answered.
    one.there.say(&asking(2, ECHO)).await;
    one.there.say(&Frame::bare(Kind::Goodbye, 0, 0)).await;
    assert_eq!(one.there.hear_until(Kind::Response).await, [(Kind::Response, 2)]);
    let refused = one.link.call(request(ECHO, b"")).await.unwrap_err();
    let reason = DownReason::Replaced;
    assert_eq!(refused, CallFailure::NotSent { node: PEER, reason: reason.clone() });
    one.handler.gate.send_replace(true);
    assert_eq!(one.there.hear_until(Kind::Response).await, [(Kind::Response, 1)]);
    assert_eq!(closed.await, reason);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_retires_does_not_wait_for_ever() {
    let began = Instant::now();
    let (mut one, closed) = End::new().drive(&[asking(1, HANG)]);
    one.link.retire(DownReason::Replaced);
    let peer = async {
        while let Some(frame) = one.there.hear().await {
            one.there.say(&Frame::bare(Kind::Pong, 0, frame.extra)).await;
        }
    };
    let (reason, ()) = tokio::join!(closed, peer);
    assert_eq!(reason, DownReason::Replaced);
    assert!(began.elapsed() >= RETIRE_MAX && began.elapsed() < 2 * RETIRE_MAX);
    assert_eq!(one.seen.recv().await, Some(Seen::Called(HANG)));
    assert_eq!(one.seen.recv().await, Some(Seen::Dropped));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_given_up() {
    let (mut one, closed) = End::new().drive(&[]);
    let began = Instant::now();
    let mut heard = String::new();
    while let Some(frame) = one.there.hear().await {
        heard += &format!("{} ms: {:?}\n", began.elapsed().as_millis(), frame.kind);
    }
    assert_eq!(closed.await, DownReason::Silent(800));
    expect![[r#"
        200 ms: Ping
        400 ms: Ping
        600 ms: Ping
    "#]]
    .assert_eq(&heard);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_only_answers_pings_is_alive() {
    let (mut one, closed) = End::new().drive(&[]);
    let began = Instant::now();
    let peer = async {
        while began.elapsed() < Duration::from_secs(60) {
            let frame = one.there.hear().await.unwrap();
            assert_eq!(frame.kind, Kind::Ping);
            one.there.say(&Frame::bare(Kind::Pong, 0, frame.extra)).await;
        }
    };
    tokio::select! {
        biased;
        reason = closed => panic!("given up: {reason}"),
        () = peer => {}
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_held_back_stay_in_order() {
    let end = End::new();
    let latency = Duration::from_millis(40);
    for direction in [Direction::In, Direction::Out] {
        end.faults.set(PEER, direction, Fault { latency, ..Fault::default() });
    }
    let (mut one, _closed) = end.drive(&[]);
    let began = Instant::now();
    let message = |group| Frame::new(Kind::Message, group, Bytes::new());
    assert!(one.link.send(1, "held".into()));
    one.there.say(&message(11)).await;
    // Until the link has taken both; no time passes.
    for _ in 0..20 {
        yield_now().await;
    }
    one.faults.heal();
    assert!(one.link.send(2, "not held".into()));
    one.there.say(&message(12)).await;
    let heard = [one.there.hear().await.unwrap().id, one.there.hear().await.unwrap().id];
    assert_eq!(heard, [1, 2]);
    assert_eq!(began.elapsed(), latency);
    for group in [11, 12] {
        let seen = Seen::Message(PEER, Class::Calls, group, Bytes::new());
        assert_eq!(one.seen.recv().await, Some(seen));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_not_written_say_so() {
    let end = End::new();
    let link = end.link.clone();
    let mut call = Box::pin(link.call(request(ECHO, b"")));
    assert!(futures_util::poll!(&mut call).is_pending());
    link.close(DownReason::Fault);
    let call_later = link.call(request(ECHO, b""));
    let mut call_later = Box::pin(call_later);
    assert!(futures_util::poll!(&mut call_later).is_pending());
    let (_one, closed) = end.drive(&[]);
    assert_eq!(closed.await, DownReason::Fault);
    // The first was taken from the queue before the link closed, the second never was.
    let (node, reason) = (PEER, DownReason::Fault);
    let maybe = CallFailure::MaybeStarted { node, reason: reason.clone() };
    assert_eq!(call.await.unwrap_err(), maybe);
    assert_eq!(call_later.await.unwrap_err(), CallFailure::NotSent { node, reason });
}
