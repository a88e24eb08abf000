//! The middle of three slices in a row. Its callee has no place for technical failure, so it fails
//! upward.

aether_slice::slice!(deps = ["../../wit/chain"]);

use aether_slice::context;
use exports::test::chain::middle::*;
use test::chain::bottom;

struct Chain;

impl Guest for Chain {
    fn descend() -> Vec<Hop> {
        let mut hops = bottom::descend();
        hops.push(hop());
        hops
    }

    fn fail() -> Result<(), Failure> {
        bottom::fail();
        Ok(())
    }

    fn hang() -> Result<(), Failure> {
        bottom::hang();
        Ok(())
    }

    fn stall(ms: u64, tag: u64) -> Result<u64, Failure> {
        Ok(bottom::stall(ms, tag))
    }

    fn stall_once(ms: u64, tag: u64) -> Result<u64, Failure> {
        Ok(bottom::stall_once(ms, tag))
    }
}

fn hop() -> Hop {
    Hop {
        slice: "test:chain-middle:1.0.0".to_owned(),
        request_id: context::request_id(),
        attempt: context::attempt(),
        remaining_ms: context::remaining().map(|left| left.as_millis() as u64),
        caller: context::caller().slice,
    }
}

export!(Chain);
