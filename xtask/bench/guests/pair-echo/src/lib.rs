//! The callee: gives back what it got. Never does anything else.

aether_slice::slice!(path = "../../wit/pair", world = "callee");

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
