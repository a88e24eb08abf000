//! What is counted of calls, with their ends and times.

use super::*;

fn tally() -> Arc<Tally> {
    let functions = ["t:a/b#f", "t:a/b#g"].map(|name| name.parse().unwrap());
    Tally::new("shop".parse().unwrap(), slice("a"), functions)
}

fn slice(name: &str) -> Arc<Coordinates> {
    Arc::new(format!("t:{name}:1.0.0").parse().unwrap())
}

/// A call from outside.
fn outside() -> CallContext {
    let origin = Origin::anonymous("r-1".parse().unwrap());
    CallContext::edge(Arc::new(origin), Instant::now())
}

fn of(caller: &Arc<Coordinates>) -> CallContext {
    outside().nested(Arc::clone(caller))
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_function_and_caller_with_their_ends() {
    let tally = tally();
    let now = Instant::now();
    tokio::time::advance(Duration::from_millis(3)).await;
    tally.begin(0, &outside(), now).end(Ending::Answered);
    drop(tally.begin(0, &outside(), now));
    let refused = CallError::Unavailable(String::new());
    tally.begin(0, &of(&slice("x")), now).fail(&refused, false);
    // A caller of another node comes with coordinates of its own each time.
    tally.begin(0, &of(&slice("x")), now).fail(&refused, true);
    tally.begin(1, &of(&slice("x")), now).end(Ending::Erred);
    let show = |(name, caller, counts): (&FunctionName, Caller, Counts)| {
        let endings = Ending::ALL.map(|e| (e.word(), counts.of(e)));
        let endings = endings.into_iter().filter(|(_, n)| *n > 0).collect::<Vec<_>>();
        let timed = (counts.latencies.count(), counts.nanos / 1_000_000);
        format!("{name} {caller:?} {endings:?} {timed:?}")
    };
    expect_test::expect![[r#"
        t:a/b#f Outside [("answered", 1), ("abandoned", 1)] (2, 6)
        t:a/b#f Slice(t:x:1.0.0) [("turned-away", 1), ("unavailable", 1)] (0, 0)
        t:a/b#g Slice(t:x:1.0.0) [("erred", 1)] (1, 3)"#]]
    .assert_eq(&tally.counts().map(show).collect::<Vec<_>>().join("\n"));
}

/// 20 ms of work with 30 ms of way in them, which the call makes or one that it makes here.
#[tokio::test(start_paused = true)]
async fn work_for_the_outside_is_counted_without_the_way_to_other_nodes() {
    let (tally, ms) = (tally(), Duration::from_millis);
    let (ctx, caller) = (outside(), slice("x"));
    for below in [ctx.clone(), ctx.nested(slice("a")), ctx.nested(slice("a")).nested(slice("b"))] {
        let of_slice = tally.begin(1, &of(&caller), Instant::now());
        let of_door = tally.begin(0, &ctx, Instant::now());
        tokio::time::advance(ms(10)).await;
        let trip = below.origin.way.begin();
        tokio::time::advance(ms(35)).await;
        trip.end(ms(5));
        tokio::time::advance(ms(5)).await;
        of_door.end(Ending::Answered);
        of_slice.end(Ending::Answered);
    }
    // One that is still away when the caller gives up.
    let (given_up, _trip) = (tally.begin(0, &ctx, Instant::now()), ctx.origin.way.begin());
    tokio::time::advance(ms(60)).await;
    drop(given_up);
    let show = |(_, caller, counts): (&FunctionName, Caller, Counts)| {
        let ms = |times: &Latencies| -> Vec<_> {
            times.buckets().map(|(micros, count)| (micros / 1_000, count)).collect()
        };
        format!("{caller:?}: took {:?}, worked {:?}", ms(&counts.latencies), ms(&counts.worked))
    };
    expect_test::expect![[r#"
        Outside: took [(53, 3), (61, 1)], worked [(0, 1), (20, 3)]
        Slice(t:x:1.0.0): took [(53, 1)], worked []"#]]
    .assert_eq(&tally.counts().map(show).collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_call_from_outside_is_timed_and_a_part_of_those_between_slices() {
    let (tally, caller) = (tally(), slice("x"));
    for _ in 0..160 {
        tally.begin(0, &outside(), Instant::now()).end(Ending::Answered);
        tally.begin(0, &of(&caller), Instant::now()).end(Ending::Answered);
    }
    let timed: Vec<_> = tally.counts().map(|(_, _, c)| (c.calls(), c.latencies.count())).collect();
    assert_eq!(timed, [(160, 160), (160, 10)]);
}

#[test]
fn with_an_aspect_all_calls_between_slices_are_timed() {
    let (tally, caller) = (tally(), slice("x"));
    for (aspect, timed) in [
        (Aspect::Metrics, [160, 10]),
        (Aspect::Log, [170, 20]),
        (Aspect::LogMetrics, [330, 30]),
        (Aspect::None, [340, 40]),
    ] {
        tally.switch(|name| if name.function == "f" { aspect } else { Aspect::None });
        for place in [0, 1].repeat(160) {
            tally.begin(place, &of(&caller), Instant::now()).end(Ending::Answered);
        }
        let counted: Vec<_> = tally.counts().map(|(_, _, c)| c.latencies.count()).collect();
        assert_eq!(counted, timed, "{aspect}");
    }
}

#[test]
fn there_is_an_end_to_callers() {
    let tally = tally();
    for i in 0..2 * CALLERS_MAX {
        tally.begin(0, &of(&slice(&format!("x{i}"))), Instant::now()).end(Ending::Answered);
    }
    let others = tally.counts().filter(|(_, caller, _)| *caller == Caller::Others);
    assert_eq!(others.map(|(_, _, counts)| counts.calls()).sum::<u64>(), CALLERS_MAX as u64);
    assert_eq!(tally.counts().count(), CALLERS_MAX + 1);
    assert_eq!(tally.sum().calls(), 2 * CALLERS_MAX as u64);
}
#[tokio::test(start_paused = true)]
async fn slow_calls_are_noted_with_their_request() {
    let tally = tally();
    let call = |place, took: u64| {
        let started = Instant::now();
        let tally = &tally;
        async move {
            tokio::time::advance(Duration::from_millis(took)).await;
            tally.begin(place, &outside(), started).end(Ending::Declined);
        }
    };
    call(0, 5_000).await;
    assert_eq!(tally.take_slow(), [], "nobody has said what is slow");
    tally.watch(|name| Duration::from_millis(if name.function == "f" { 20 } else { 50 }));
    for (place, took) in [(0, 19), (0, 20), (1, 49), (1, 51)] {
        call(place, took).await;
    }
    // Not begun, however long it has waited.
    let started = Instant::now();
    tokio::time::advance(Duration::from_secs(1)).await;
    tally.begin(0, &outside(), started).end(Ending::Overloaded);
    let slow = tally.take_slow();
    let shown: Vec<_> = slow
        .iter()
        .map(|call| (call.function.function.as_str(), call.took.as_millis(), call.ending))
        .collect();
    assert_eq!(shown, [("f", 20, Ending::Declined), ("g", 51, Ending::Declined)]);
    assert_eq!((slow[0].request_id.as_str(), &slow[0].caller), ("r-1", &Caller::Outside));
    assert_eq!(tally.take_slow(), []);
    for _ in 0..2 * SLOW_MAX {
        call(0, 20).await;
    }
    assert_eq!(tally.take_slow().len(), SLOW_MAX);
}
