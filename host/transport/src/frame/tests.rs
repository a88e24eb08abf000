//! The frame codec: round trips, and bytes of enemies.

use bytes::{Bytes, BytesMut};
use expect_test::{Expect, expect};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{Frame, FrameError, HEADER_BYTES, Kind};

const LIMIT: usize = 1 << 16;

fn frame() -> impl Strategy<Value = Frame> {
    let lengths = prop_oneof![0..64usize, 1000..1100usize, 0..LIMIT];
    (select(&Kind::ALL), any::<u16>(), any::<u64>(), any::<u64>(), lengths).prop_map(
        |(kind, flags, id, extra, length)| {
            let body = Bytes::from(vec![id as u8; length]);
            Frame { kind, flags, id, extra, body }
        },
    )
}

fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| [&frame.header()[..], &frame.body].concat()).collect()
}

#[test]
fn the_layout_is_fixed() {
    let frame = Frame {
        flags: 0x0201,
        extra: 0x1817_1615_1413_1211,
        ..Frame::new(Kind::Request, 0x0807_0605_0403_0201, "abc".into())
    };
    expect!["03000000 01 11 0102 0102030405060708 1112131415161718 616263"].assert_eq(&{
        let hex: String = bytes_of(&[frame]).iter().map(|byte| format!("{byte:02x}")).collect();
        [0..8, 8..10, 10..12, 12..16, 16..32, 32..48, 48..54].map(|part| &hex[part]).join(" ")
    });
}

#[test]
fn what_is_no_frame_is_refused() {
    let check = |change: fn(&mut Vec<u8>), expected: Expect| {
        let mut bytes = bytes_of(&[Frame::bare(Kind::Ping, 0, 0)]);
        change(&mut bytes);
        let error = Frame::take(&mut BytesMut::from(&bytes[..]), LIMIT).unwrap_err();
        assert_eq!(Frame::missing(&bytes, LIMIT).unwrap_err(), error);
        expected.assert_eq(&error.to_string());
    };
    check(|bytes| bytes[4] = 2, expect!["frame format 2 is unknown"]);
    check(|bytes| bytes[5] = 7, expect!["frame kind 7 is unknown"]);
    check(|bytes| bytes[2] = 2, expect!["a frame of 131072 bytes is longer than 65536"]);
    check(
        |bytes| bytes[..4].fill(0xff),
        expect!["a frame of 4294967295 bytes is longer than 65536"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_survive_any_cut(frames in vec(frame(), 0..6), cuts in vec(1..5000usize, 1..20)) {
        let bytes = bytes_of(&frames);
        let mut input = BytesMut::new();
        let mut found = Vec::new();
        let (mut at, mut cuts) = (0, cuts.iter().cycle());
        while at < bytes.len() {
            let end = (at + cuts.next().unwrap()).min(bytes.len());
            input.extend_from_slice(&bytes[at..end]);
            at = end;
            while let Some(frame) = Frame::take(&mut input, LIMIT).unwrap() {
                found.push(frame);
            }
            let missing = Frame::missing(&input, LIMIT).unwrap();
            prop_assert!(missing > 0 && missing <= HEADER_BYTES + LIMIT);
        }
        prop_assert!(found == frames);
        prop_assert!(input.is_empty());
    }

    #[test]
    fn hostile_bytes_never_panic_and_claim_at_most_the_limit(
        hostile in vec(any::<u8>(), 0..200),
        (format, kind) in (0..3u8, any::<u8>()),
    ) {
        let mut input = BytesMut::from(&hostile[..]);
        if input.len() > 5 {
            (input[4], input[5]) = (format, kind);
        }
        let before = input.len();
        match Frame::missing(&input, LIMIT) {
            Ok(missing) => prop_assert!(missing <= HEADER_BYTES + LIMIT),
            Err(error) => prop_assert_eq!(Frame::take(&mut input, LIMIT), Err(error)),
        }
        while let Ok(Some(frame)) = Frame::take(&mut input, LIMIT) {
            prop_assert!(frame.body.len() <= before);
        }
        prop_assert!(input.len() <= before);
    }
}

#[test]
fn errors_are_small_enough_to_return() {
    assert!(size_of::<FrameError>() <= 24);
}
