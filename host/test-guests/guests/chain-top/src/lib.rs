//! The first of three slices in a row. Its callee has a place for technical failure.

aether_slice::slice!(deps = ["../../wit/chain"]);

use aether_slice::context;
use exports::test::chain::top::*;
use test::chain::middle;

struct Chain;

impl Guest for Chain {
    fn descend() -> Vec<Hop> {
        let mut hops = middle::descend();
        hops.push(hop());
        hops
    }

    fn fail() -> Result<(), Failure> {
        middle::fail()
    }

    fn hang() -> Result<(), Failure> {
        middle::hang()
    }

    fn stall(ms: u64, tag: u64) -> Result<u64, Failure> {
        middle::stall(ms, tag)
    }

    fn stall_once(ms: u64, tag: u64) -> Result<u64, Failure> {
        middle::stall_once(ms, tag)
    }
}

fn hop() -> Hop {
    Hop {
        slice: "test:chain-top:1.0.0".to_owned(),
        request_id: context::request_id(),
        attempt: context::attempt(),
        remaining_ms: context::remaining().map(|left| left.as_millis() as u64),
        caller: context::caller().slice,
    }
}

export!(Chain);
