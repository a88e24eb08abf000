//! Takes calls that can only end together, and calls that end badly beside them.

aether_slice::slice!(deps = ["../../wit/chain"]);

use aether_slice::context::{remaining, request_id};
use exports::test::meeting::room::*;
use std::cell::Cell;
use std::time::Duration;
use wit_bindgen::yield_async;

struct Room;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// Calls that have come to a meeting, over all meetings.
    static CAME: Cell<u32> = const { Cell::new(0) };
}

impl Guest for Room {
    async fn meet(guests: u32) -> Seen {
        let before = enter();
        meet(guests).await;
        let told = test::chain::bottom::descend();
        Seen { before, after: request_id(), told }
    }

    #[expect(clippy::print_stderr, reason = "this is what it is for")]
    async fn say(guests: u32, text: String) {
        let id = enter();
        eprint!("{text} from {id}");
        meet(guests).await;
        eprintln!(", all of it");
    }

    async fn wait() {
        enter();
        loop {
            yield_async().await;
        }
    }

    async fn linger(left_ms: u64) -> String {
        enter();
        while remaining().is_some_and(|left| left > Duration::from_millis(left_ms)) {
            yield_async().await;
        }
        request_id()
    }

    async fn spin() {
        enter();
        loop {
            std::hint::spin_loop();
        }
    }

    async fn trap() {
        enter();
        panic!("trapping as asked");
    }

    async fn grow(bytes: u64) {
        enter();
        std::hint::black_box(vec![1_u8; bytes as usize]);
    }

    async fn count() -> u32 {
        enter();
        CALLS.get()
    }

    async fn pair(guests: u32) -> (u32, String) {
        let id = enter();
        meet(guests).await;
        (guests, id)
    }

    fn plain() -> u32 {
        enter();
        CALLS.get()
    }
}

fn enter() -> String {
    CALLS.set(CALLS.get() + 1);
    request_id()
}

async fn meet(guests: u32) {
    let came = CAME.get();
    CAME.set(came + 1);
    // Meetings of different sizes are not held at the same time.
    let wanted = came / guests * guests + guests;
    while CAME.get() < wanted {
        yield_async().await;
    }
}

export!(Room);
