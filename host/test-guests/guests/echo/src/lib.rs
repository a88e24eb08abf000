//! Returns what it gets, for every kind of value that may cross from slice to slice.

aether_slice::slice!(deps = ["../../wit/types"]);

use exports::test::types::all::*;

struct Echo;

macro_rules! echo {
    ($($name:ident: $type:ty,)+) => {
        impl Guest for Echo {
            $(fn $name(value: $type) -> $type {
                value
            })+

            fn nothing() {}

            fn give() -> String {
                "given".to_owned()
            }

            fn take(_value: String) {}

            fn join(left: String, right: String) -> String {
                format!("{left}|{right}")
            }

            fn many(
                a: u8, b: i16, c: u32, d: i64, e: f32, f: f64, g: bool, h: char, i: String,
                j: Vec<u8>, k: Point, l: Option<u32>, m: Color, n: u64,
            ) -> String {
                let Point { x, y } = k;
                format!("{a} {b} {c} {d} {e} {f} {g} {h} {i} {j:?} {x},{y} {l:?} {m:?} {n}")
            }

            fn sum(
                p0: u64, p1: u64, p2: u64, p3: u64, p4: u64, p5: u64, p6: u64, p7: u64, p8: u64,
                p9: u64, p10: u64, p11: u64, p12: u64, p13: u64, p14: u64, p15: u64, p16: u64,
                p17: u64, p18: u64, p19: u64,
            ) -> u64 {
                [
                    p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17,
                    p18, p19,
                ]
                .into_iter()
                .fold(0, u64::wrapping_add)
            }
        }
    };
}

echo! {
    echo_bool: bool,
    echo_u8: u8,
    echo_s8: i8,
    echo_u16: u16,
    echo_s16: i16,
    echo_u32: u32,
    echo_s32: i32,
    echo_u64: u64,
    echo_s64: i64,
    echo_f32: f32,
    echo_f64: f64,
    echo_char: char,
    echo_string: String,
    echo_bytes: Vec<u8>,
    echo_list_bool: Vec<bool>,
    echo_list_u16: Vec<u16>,
    echo_list_s32: Vec<i32>,
    echo_list_u64: Vec<u64>,
    echo_list_f64: Vec<f64>,
    echo_list_char: Vec<char>,
    echo_list_string: Vec<String>,
    echo_nested_strings: Vec<Vec<String>>,
    echo_nested_bytes: Vec<Vec<u8>>,
    echo_record_flat: Point,
    echo_record_mixed: Mixed,
    echo_record_deep: Order,
    echo_list_record: Vec<Point>,
    echo_list_record_deep: Vec<Order>,
    echo_tuple_two: (u8, u64),
    echo_tuple_mixed: (String, bool, Vec<u16>, Option<i8>),
    echo_list_tuple: Vec<(String, u32)>,
    echo_variant: Shape,
    echo_variant_joined: Joined,
    echo_list_variant: Vec<Shape>,
    echo_enum: Color,
    echo_enum_wide: Wide,
    echo_list_enum: Vec<Color>,
    echo_flags_one: Flags1,
    echo_flags_eight: Flags8,
    echo_flags_sixteen: Flags16,
    echo_flags_thirty_two: Flags32,
    echo_list_flags: Vec<Flags16>,
    echo_option_u32: Option<u32>,
    echo_option_string: Option<String>,
    echo_option_option: Option<Option<String>>,
    echo_option_record: Option<Order>,
    echo_list_option: Vec<Option<u64>>,
    echo_result_both: Result<u32, String>,
    echo_result_ok: Result<String, ()>,
    echo_result_err: Result<(), Shape>,
    echo_result_none: Result<(), ()>,
    echo_result_deep: Result<Vec<Order>, Option<Shape>>,
    echo_list_result: Vec<Result<u8, String>>,
    echo_option_result: Option<Result<Option<f32>, Color>>,
}

export!(Echo);
