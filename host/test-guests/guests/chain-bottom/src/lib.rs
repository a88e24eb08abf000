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

    #[expect(clippy::disallowed_methods, reason = "waiting in the host is what this is for")]
    fn stall(ms: u64, tag: u64) -> u64 {
        std::thread::sleep(std::time::Duration::from_millis(ms));
        tag
    }

    fn stall_once(ms: u64, tag: u64) -> u64 {
        Self::stall(ms, tag)
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
