//! What a call between nodes carries, over real links.

use super::*;
use crate::network::StreamHead;
use crate::pair::{Answers, THERE, pair};
use std::time::{Duration, Instant};

/// Answers with as many bytes as it is told.
struct Giver(usize);

impl Answers for Giver {
    fn call(&self, request: Request) -> BoxFuture<'static, Response> {
        read(&request.body).unwrap();
        let result = vec![7; self.0];
        Box::pin(async move { answer_with(result) })
    }

    fn on_stream(&self, _: StreamHead, _: Stream) {}
}

/// Bytes of the result, or why there is none and whether the call was begun.
async fn called(args: usize, result: usize) -> Result<usize, (String, Started)> {
    let [here, there] = pair().await;
    there.answers(Giver(result));
    let instance = InstanceKey {
        app: "shop".parse().unwrap(),
        coordinates: "t:shop:1.0.0".parse().unwrap(),
        ordinal: 0,
    };
    let endpoint = Endpoint { node: THERE, instance, revision: Revision(1) };
    let function = "t:shop/api@1.0.0#f".parse().unwrap();
    let origin = Arc::new(Origin::anonymous("r-1".parse().unwrap()));
    let deadline = (Instant::now() + Duration::from_secs(60)).into();
    let offer = Offer { args: vec![7; args], ctx: CallContext::edge(origin, deadline) };
    let answer = call(&here.network, &endpoint, &function, &offer).await;
    answer.map(|result| result.len()).map_err(|Attempt { error, started }| match error {
        CallError::Other(message) => (message, started),
        error => panic!("{error} may be repeated"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_fails_with_the_limit_and_is_not_repeated() {
    const MOST: usize = FRAME_BYTES_MAX;
    assert_eq!(called(MOST - 1_000, MOST).await, Ok(MOST));
    let limit = format!("a call to another node carries at most {MOST}");
    let (message, started) = called(MOST, 1).await.unwrap_err();
    assert!(message.starts_with("arguments of 16777") && message.ends_with(&limit), "{message}");
    assert_eq!(started, Started::No);
    let (message, started) = called(1, MOST + 1).await.unwrap_err();
    assert_eq!(message, format!("result of {} bytes: {limit}", MOST + 1));
    assert_eq!(started, Started::Perhaps);
}
