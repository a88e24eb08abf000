//! The last of three slices in a row: it answers, traps or loops.

aether_slice::slice!(deps = ["../../wit/chain"]);

use aether_slice::context;
use exports::test::chain::bottom::*;

struct Chain;

impl Guest for Chain {
    fn descend() -> Vec<Hop> {
        vec![hop()]
    }

    fn fail() {
        panic!("failing as asked");
    }

    fn hang() {
        loop {
            std::hint::spin_loop();
        }
    }
}

fn hop() -> Hop {
    Hop {
        slice: "test:chain-bottom:1.0.0".to_owned(),
        request_id: context::request_id(),
        attempt: context::attempt(),
        remaining_ms: context::remaining().map(|left| left.as_millis() as u64),
        caller: context::caller().slice,
    }
}

export!(Chain);
