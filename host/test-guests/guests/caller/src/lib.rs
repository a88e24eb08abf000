//! Calls the slice that exports `test:types/all` once for each call of its own.

aether_slice::slice!(deps = ["../../wit/types"]);

use exports::test::types::forward::*;
use test::types::all;

struct Caller;

macro_rules! forward {
    ($($name:ident: $type:ty = |$value:ident| $argument:expr,)+) => {
        impl Guest for Caller {
            $(fn $name($value: $type) -> $type {
                all::$name($argument)
            })+

            fn nothing() {
                all::nothing();
            }

            fn give() -> String {
                all::give()
            }

            fn take(value: String) {
                all::take(&value);
            }

            fn join(left: String, right: String) -> String {
                all::join(&left, &right)
            }

            fn many(
                a: u8, b: i16, c: u32, d: i64, e: f32, f: f64, g: bool, h: char, i: String,
                j: Vec<u8>, k: Point, l: Option<u32>, m: Color, n: u64,
            ) -> String {
                all::many(a, b, c, d, e, f, g, h, &i, &j, k, l, m, n)
            }

            fn sum(
                p0: u64, p1: u64, p2: u64, p3: u64, p4: u64, p5: u64, p6: u64, p7: u64, p8: u64,
                p9: u64, p10: u64, p11: u64, p12: u64, p13: u64, p14: u64, p15: u64, p16: u64,
                p17: u64, p18: u64, p19: u64,
            ) -> u64 {
                all::sum(
                    p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17,
                    p18, p19,
                )
            }
        }
    };
}

forward! {
    echo_bool: bool = |value| value,
    echo_u8: u8 = |value| value,
    echo_s8: i8 = |value| value,
    echo_u16: u16 = |value| value,
    echo_s16: i16 = |value| value,
    echo_u32: u32 = |value| value,
    echo_s32: i32 = |value| value,
    echo_u64: u64 = |value| value,
    echo_s64: i64 = |value| value,
    echo_f32: f32 = |value| value,
    echo_f64: f64 = |value| value,
    echo_char: char = |value| value,
    echo_string: String = |value| &value,
    echo_bytes: Vec<u8> = |value| &value,
    echo_list_bool: Vec<bool> = |value| &value,
    echo_list_u16: Vec<u16> = |value| &value,
    echo_list_s32: Vec<i32> = |value| &value,
    echo_list_u64: Vec<u64> = |value| &value,
    echo_list_f64: Vec<f64> = |value| &value,
    echo_list_char: Vec<char> = |value| &value,
    echo_list_string: Vec<String> = |value| &value,
    echo_nested_strings: Vec<Vec<String>> = |value| &value,
    echo_nested_bytes: Vec<Vec<u8>> = |value| &value,
    echo_record_flat: Point = |value| value,
    echo_record_mixed: Mixed = |value| value,
    echo_record_deep: Order = |value| &value,
    echo_list_record: Vec<Point> = |value| &value,
    echo_list_record_deep: Vec<Order> = |value| &value,
    echo_tuple_two: (u8, u64) = |value| value,
    echo_tuple_mixed: (String, bool, Vec<u16>, Option<i8>) = |value| (&value.0, value.1, &value.2, value.3),
    echo_list_tuple: Vec<(String, u32)> = |value| &value,
    echo_variant: Shape = |value| &value,
    echo_variant_joined: Joined = |value| &value,
    echo_list_variant: Vec<Shape> = |value| &value,
    echo_enum: Color = |value| value,
    echo_enum_wide: Wide = |value| value,
    echo_list_enum: Vec<Color> = |value| &value,
    echo_flags_one: Flags1 = |value| value,
    echo_flags_eight: Flags8 = |value| value,
    echo_flags_sixteen: Flags16 = |value| value,
    echo_flags_thirty_two: Flags32 = |value| value,
    echo_list_flags: Vec<Flags16> = |value| &value,
    echo_option_u32: Option<u32> = |value| value,
    echo_option_string: Option<String> = |value| value.as_deref(),
    echo_option_option: Option<Option<String>> = |value| value.as_ref().map(Option::as_deref),
    echo_option_record: Option<Order> = |value| value.as_ref(),
    echo_list_option: Vec<Option<u64>> = |value| &value,
    echo_result_both: Result<u32, String> =
        |value| value.as_ref().map(|it| *it).map_err(String::as_str),
    echo_result_ok: Result<String, ()> = |value| value.as_deref().map_err(|&it| it),
    echo_result_err: Result<(), Shape> = |value| value.as_ref().map(|&it| it),
    echo_result_none: Result<(), ()> = |value| value,
    echo_result_deep: Result<Vec<Order>, Option<Shape>> =
        |value| value.as_deref().map_err(Option::as_ref),
    echo_list_result: Vec<Result<u8, String>> = |value| &value,
    echo_option_result: Option<Result<Option<f32>, Color>> = |value| value,
}

export!(Caller);
