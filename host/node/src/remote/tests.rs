//! What a call between nodes carries, over real links.

use super::*;
use crate::network::StreamHead;
use crate::pair::{Answers, THERE, pair};
use std::time::{Duration, Instant};

/// Answers with as many bytes as it is told, and says how long it worked for them.
struct Giver(usize, Duration);

impl Answers for Giver {
    fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        read(&request.body).unwrap();
        let (result, worked) = (vec![7; self.0], self.1);
        Box::pin(async move { answer_with(result.into(), worked) })
    }

    fn on_stream(&self, _: StreamHead, _: Stream) {}
}

/// Bytes of the result, or why there is none and whether the call was begun.
async fn called(args: usize, result: usize) -> Result<usize, (String, Started)> {
    called_for(args, Giver(result, Duration::ZERO)).await.0
}

/// The same, and how long the call was on its way.
async fn called_for(args: usize, giver: Giver) -> (Result<usize, (String, Started)>, Duration) {
    let [here, there] = pair().await;
    there.answers(giver);
    let instance = InstanceKey {
        app: "shop".parse().unwrap(),
        coordinates: "t:shop:1.0.0".parse().unwrap(),
        ordinal: 0,
    };
    let endpoint = Endpoint { node: THERE, instance, revision: Revision(1) };
    let function = "t:shop/api@1.0.0#f".parse().unwrap();
    let origin = Arc::new(Origin::anonymous("r-1".parse().unwrap()));
    let deadline = (Instant::now() + Duration::from_secs(60)).into();
    let offer = Offer { args: vec![7; args].into(), ctx: CallContext::edge(origin, deadline) };
    let answer = call(&here.network, &endpoint, &function, &offer).await;
    let answer = answer.map(|result| result.len());
    let answer = answer.map_err(|Attempt { error, started }| match error {
        CallError::Other(message) => (message, started),
        error => panic!("{error} may be repeated"),
    });
    (answer, offer.ctx.origin.way.until(tokio::time::Instant::now()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_node_worked_is_no_part_of_the_way() {
    let (answer, way) = called_for(1, Giver(3, Duration::ZERO)).await;
    assert!(answer == Ok(3) && way > Duration::ZERO, "{answer:?} {way:?}");
    // An answer, and a failure of who worked as long.
    for bytes in [FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1] {
        let (answer, way) = called_for(1, Giver(bytes, Duration::from_secs(3_600))).await;
        assert_eq!((answer.is_ok(), way), (bytes == FRAME_BYTES_MAX, Duration::ZERO));
    }
}

#[test]
fn silence_is_work_and_what_makes_no_sense_is_refused() {
    let worked = |failure| failed(&failure).1;
    assert_eq!(worked(CallFailure::Deadline { node: THERE }), Duration::MAX);
    assert_eq!(worked(CallFailure::TooLong { bytes: 2, most: 1 }), Duration::ZERO);
    let answer = |status, body: &'static [u8]| {
        let (outcome, worked) = answered(Response { status, body: Bytes::from_static(body) });
        let Attempt { error, started } = outcome.unwrap_err();
        (error.to_string(), started, worked.as_nanos())
    };
    let garbage = |worked| (GARBAGE.to_owned(), Started::Perhaps, worked);
    assert_eq!(answer(5 << STATUS_BITS | FAILED, &[9]), garbage(5));
    let unknown = "a node of another version does not know calls".to_owned();
    assert_eq!(answer(UNKNOWN, b"requests of kind 1"), (unknown, Started::No, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_fails_with_the_limit_and_is_not_repeated() {
    const MOST: usize = FRAME_BYTES_MAX;
    assert_eq!(called(MOST - 1_000, MOST).await, Ok(MOST));
    let limit = |most| format!("a call to another node carries at most {most}");
    let (message, started) = called(MOST, 1).await.unwrap_err();
    let is_whole = message.starts_with("arguments of 16777") && message.ends_with(&limit(MOST));
    assert!(is_whole, "{message}");
    assert_eq!(started, Started::No);
    let (message, started) = called(1, MOST + 1).await.unwrap_err();
    assert_eq!(message, format!("result of {} bytes: {}", MOST + 1, limit(MOST)));
    assert_eq!(started, Started::Perhaps);
}

#[test]
fn what_travels_is_the_same_at_the_other_end() {
    let slice = |name: &str| Arc::new(format!("t:{name}:1.0.0").parse().unwrap());
    let (here, there, third) = (NodeId(1), NodeId(2), NodeId(3));
    let origin = Origin {
        principal: Some("admin".to_owned()),
        roles: vec!["admin".to_owned()],
        trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        variant: Some(Revision(7)),
        urgency: Urgency::Operator,
        ..Origin::anonymous("r-1".parse().unwrap())
    };
    let deadline = Instant::now();
    let edge = CallContext::edge(Arc::new(origin), deadline.into());
    // Each slice is on the node that makes the call, as both ends see it.
    let sent = edge.nested(slice("a"));
    let arrived = Context::of(&sent).until(deadline, here, there);
    let chain = |ctx: &CallContext| -> Vec<(String, Option<u64>)> {
        ctx.waiting().map(|waits| (waits.slice.to_string(), waits.node)).collect()
    };
    let shown = |ctx: &CallContext| format!("{:?}, {} deep", ctx.origin, ctx.depth());
    assert_eq!(shown(&arrived), shown(&sent));
    assert_eq!(arrived.depth(), 1);
    assert_eq!(chain(&arrived), [("t:a:1.0.0".to_owned(), Some(1))]);
    let sent = arrived.nested(slice("b"));
    let b = ("t:b:1.0.0".to_owned(), Some(2));
    let at_third = Context::of(&sent).until(deadline, there, third);
    assert_eq!(chain(&at_third), [b.clone(), ("t:a:1.0.0".to_owned(), Some(1))]);
    let back = Context::of(&sent).until(deadline, there, here);
    assert_eq!(chain(&back), [b, ("t:a:1.0.0".to_owned(), None)]);
    assert_eq!(back.caller(), Some(&slice("b")));
}
