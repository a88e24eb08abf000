//! Windows: what may be sent, what must be given back, what no correct peer does.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{Receiving, Sending, Window};
use crate::{
    Violation,
    limits::{CHUNK_BYTES_MAX, CHUNK_OVERHEAD, STREAM_WINDOW},
};

fn bytes(length: usize) -> Bytes {
    Bytes::from(vec![0; length])
}

#[test]
fn a_window_is_full_and_opens_with_credit() {
    let mut window = Window::default();
    let mut sent = 0;
    loop {
        match window.take_credit(usize::MAX) {
            0 => break,
            count => sent += count,
        }
    }
    let chunks = STREAM_WINDOW as usize / (CHUNK_BYTES_MAX + CHUNK_OVERHEAD as usize);
    assert_eq!(sent, chunks * CHUNK_BYTES_MAX);
    window.on_credit(100 + u64::from(CHUNK_OVERHEAD)).unwrap();
    assert_eq!(window.take_credit(500), 100);
    assert_eq!(window.take_credit(500), 0);
}

#[test]
fn what_no_correct_peer_does_is_a_violation() {
    let mut window = Window::default();
    assert_eq!(window.on_credit(1), Err(Violation::Credit));
    assert_eq!(window.on_credit(u64::MAX), Err(Violation::Credit));
    let too_much = bytes(STREAM_WINDOW as usize - CHUNK_OVERHEAD as usize + 1);
    assert_eq!(window.on_data(too_much, false), Err(Violation::Window));
    window.on_data(bytes(1), true).unwrap();
    assert_eq!(window.on_data(bytes(1), false), Err(Violation::Order));
}

#[test]
fn chunks_of_one_byte_fill_a_window_too() {
    let mut window = Window::default();
    let taken = (0..).take_while(|_| window.on_data(bytes(1), false).is_ok()).count();
    assert_eq!(taken, (STREAM_WINDOW / (1 + CHUNK_OVERHEAD)) as usize);
}

#[test]
fn a_stream_ends_when_both_directions_have() {
    let mut window = Window::default();
    window.on_data(bytes(3), true).unwrap();
    window.sending = Sending::Done;
    assert!(!window.finished(), "there is something to read");
    assert_eq!(window.read().unwrap().0.len(), 3);
    window.stop();
    assert!(window.finished());

    let mut window = Window::default();
    window.on_data(bytes(3), false).unwrap();
    window.on_reset(4);
    assert!(window.read().is_none(), "what came before a reset does not count");
    assert_eq!(window.receiving, Receiving::Reset(4));
    window.on_stop(5);
    window.on_stop(6);
    assert_eq!(window.sending, Sending::Stopped(5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is read when: a correct sender never violates, and never waits for ever.
    #[test]
    fn sender_and_reader_agree(steps in vec((1..100_000usize, 0..6usize), 1..60)) {
        let (mut sender, mut reader) = (Window::default(), Window::default());
        let (mut sent, mut read) = (0, 0);
        for (wanted, reads) in steps {
            let count = sender.take_credit(wanted);
            if count > 0 {
                reader.on_data(bytes(count), false).unwrap();
                sent += count;
            }
            for _ in 0..reads {
                let Some((chunk, credit)) = reader.read() else { break };
                read += chunk.len();
                sender.on_credit(credit.unwrap_or(0).into()).unwrap();
            }
        }
        while let Some((chunk, credit)) = reader.read() {
            read += chunk.len();
            sender.on_credit(credit.unwrap_or(0).into()).unwrap();
        }
        prop_assert_eq!(sent, read);
        prop_assert!(sender.take_credit(1) == 1, "an empty stream lets its sender go on");
    }
}
