//! The caller: measures calls to the callee from inside. Never knows whether the callee is a slice
//! of its own or a part of the same component.
#![expect(unsafe_code, reason = "generated bindings")]

// Made without the SDK: two components that carry a `slice.toml` each cannot be composed into one
// slice.
wit_bindgen::generate!({ path: "../../wit/pair", world: "caller" });

use std::hint::black_box;
use std::time::Instant;

use bench::pair::echo::{self, Line};
use exports::bench::pair::run::{Guest, Times};

/// Calls between two looks at the clock: a look costs about as much as a call.
const BATCH: u32 = 50;

struct Caller;

impl Guest for Caller {
    fn record_ns(calls: u32) -> u64 {
        median_ns(calls, record_call())
    }

    fn bytes_ns(calls: u32, bytes: u32) -> u64 {
        median_ns(calls, bytes_call(bytes))
    }

    fn record_times(calls: u32) -> Times {
        times(calls, record_call())
    }

    fn bytes_times(calls: u32, bytes: u32) -> Times {
        times(calls, bytes_call(bytes))
    }
}

fn record_call() -> impl FnMut() {
    let value = Line { sku: "sku-4711".into(), quantity: 3, cents: 1_995 };
    move || {
        let got = echo::record_of(black_box(&value));
        assert!(got.quantity == value.quantity, "the callee gives back what it got");
    }
}

fn bytes_call(bytes: u32) -> impl FnMut() {
    let value = vec![7; bytes as usize];
    move || {
        let got = echo::bytes_of(black_box(&value));
        assert!(got.len() == value.len(), "the callee gives back what it got");
    }
}

/// Each call for itself.
fn times(calls: u32, mut call: impl FnMut()) -> Times {
    let mut times: Vec<u64> = (0..calls.max(1))
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_nanos() as u64
        })
        .collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    Times { p50: at(50), p99: at(99) }
}

/// The median over batches of the mean within a batch.
fn median_ns(calls: u32, mut call: impl FnMut()) -> u64 {
    let mut batches: Vec<u64> = (0..(calls / BATCH).max(1))
        .map(|_| {
            let start = Instant::now();
            (0..BATCH).for_each(|_| call());
            start.elapsed().as_nanos() as u64 / u64::from(BATCH)
        })
        .collect();
    batches.sort_unstable();
    batches[batches.len() / 2]
}

export!(Caller);
