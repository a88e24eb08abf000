//! What is written is what was pushed, however the socket takes it.

use std::io::IoSlice;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::WriteBuffer;
use crate::frame::{Frame, Kind};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_come_out_in_order(
        steps in vec((0..3usize, 0..10_000usize, 1..9000usize), 1..40),
    ) {
        let (mut buffer, mut expected, mut written) = (WriteBuffer::default(), vec![], vec![]);
        let write = |buffer: &mut WriteBuffer, written: &mut Vec<u8>, most: usize| {
            let mut slices = [IoSlice::new(&[]); 3];
            let used = buffer.slices(&mut slices);
            let bytes: Vec<u8> = slices[..used].iter().flat_map(|it| it.to_vec()).collect();
            let taken = bytes.len().min(most);
            written.extend_from_slice(&bytes[..taken]);
            buffer.advance(taken);
        };
        for (number, (pushes, length, most)) in steps.into_iter().enumerate() {
            for _ in 0..pushes {
                let body = Bytes::from(vec![number as u8; length]);
                let frame = Frame::new(Kind::Message, number as u64, body);
                expected.extend_from_slice(&frame.header());
                expected.extend_from_slice(&frame.body);
                buffer.push(frame);
            }
            write(&mut buffer, &mut written, most);
            prop_assert_eq!(buffer.bytes(), expected.len() - written.len());
        }
        while buffer.bytes() > 0 {
            write(&mut buffer, &mut written, usize::MAX);
        }
        prop_assert!(written == expected);
    }
}

#[test]
fn long_bodies_are_not_copied() {
    let mut buffer = WriteBuffer::default();
    let body = Bytes::from(vec![1; 64 << 10]);
    buffer.push(Frame::new(Kind::Request, 1, body.clone()));
    buffer.push(Frame::new(Kind::Request, 2, "short".into()));
    let mut slices = [IoSlice::new(&[]); 8];
    let used = buffer.slices(&mut slices);
    assert_eq!(slices[..used].iter().map(|it| it.len()).collect::<Vec<_>>(), [24, 64 << 10, 29]);
    assert_eq!(slices[1].as_ptr(), body.as_ptr());
}
