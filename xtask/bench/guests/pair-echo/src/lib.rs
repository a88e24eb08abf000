//! The callee: gives back what it got. Never does anything else.
#![expect(unsafe_code, reason = "generated bindings")]

// Made without the SDK: two components that carry a `slice.toml` each cannot be composed into one
// slice.
wit_bindgen::generate!({ path: "../../wit/pair", world: "callee" });

use exports::bench::pair::echo::{Guest, Line};

struct Echo;

impl Guest for Echo {
    fn record_of(value: Line) -> Line {
        value
    }

    fn bytes_of(value: Vec<u8>) -> Vec<u8> {
        value
    }
}

export!(Echo);
