//! Components that break the canonical ABI, and wire bytes that are no values: errors, never
//! panics.

use super::*;
use aether_types::wit::ResultType;
use bytes::Bytes;

/// Exports `f: func() -> R`; `body` leaves the core result, `data` is at address 0.
fn returning(result: &str, body: &str, data: &str) -> String {
    format!(
        "(component
  (core module $m
    {memory}
    (data (i32.const 0) \"{data}\")
    (func (export \"f\") (result i32) {body}))
  (core instance $i (instantiate $m))
  (func $f (result {result})
    (canon lift (core func $i \"f\") (memory (core memory $i \"memory\")) (realloc (core func $i \"realloc\"))))
  (instance $api (export \"f\" (func $f)))
  (export \"{INTERFACE}\" (instance $api)))",
        memory = guest::MEMORY,
        INTERFACE = guest::INTERFACE,
    )
}

/// The error of a component's answer.
fn refused(engine: &Engine, ty: &Type, text: &str) -> String {
    let function = Function { params: Vec::new(), result: Some(ty.clone()), ..function(ty) };
    let component = compile(engine, text);
    block_on(async {
        let linker = Linker::new(engine);
        let (mut store, export) =
            instantiate(&linker, &component, guest::INTERFACE, &function, Concurrency::Off).await;
        match export.call(&mut store, Bytes::new()).await {
            Ok(wire) => format!("ok: {} bytes", wire.len()),
            Err(error) => error.root_cause().to_string(),
        }
    })
}

fn list(ty: Type) -> Type {
    Type::List(Box::new(ty))
}

const AT_0: &str = "i32.const 0";

/// Answers at address 0 made of `data` words, and what is said of each.
fn check_at_0(engine: &Engine, ty: &Type, text: &str, cases: &[(&str, &str)]) {
    for (data, expected) in cases {
        let found = refused(engine, ty, &returning(text, AT_0, data));
        assert_eq!(found, *expected, "{ty} {data}");
    }
}

/// Core results, and what is said of each.
fn check_result(engine: &Engine, ty: &Type, text: &str, cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        let found = refused(engine, ty, &returning(text, body, ""));
        assert_eq!(found, *expected, "{ty} {body}");
    }
}

#[test]
fn strings_of_hostile_components() {
    let engine = Engines::new().sync;
    check_result(
        &engine,
        &Type::String,
        "string",
        &[
            ("i32.const 2", "address 0x2 is not aligned to 4"),
            ("i32.const 0xfffffffc", "8 bytes at 0xfffffffc are not all in memory"),
            ("i32.const 65532", "8 bytes at 0xfffc are not all in memory"),
        ],
    );
    check_at_0(
        &engine,
        &Type::String,
        "string",
        &[
            (r"\ff\ff\ff\ff\01\00\00\00", "1 bytes at 0xffffffff are not all in memory"),
            (r"\10\00\00\00\ff\ff\ff\ff", "4294967295 bytes at 0x10 are not all in memory"),
            (r"\08\00\00\00\02\00\00\00\c3\28", "a string is not UTF-8"),
            (r"\00\00\01\00\00\00\00\00", "ok: 4 bytes"),
            (r"\01\00\01\00\00\00\00\00", "0 bytes at 0x10001 are not all in memory"),
        ],
    );
}

#[test]
fn lists_of_hostile_components() {
    let engine = Engines::new().sync;
    let misaligned = [(r"\02\00\00\00\01\00\00\00", "address 0x2 is not aligned to 4")];
    check_at_0(&engine, &list(Type::U32), "(list u32)", &misaligned);
    let endless = [(r"\00\00\00\00\ff\ff\ff\ff", "34359738360 bytes at 0x0 are not all in memory")];
    check_at_0(&engine, &list(Type::U64), "(list u64)", &endless);
    check_at_0(
        &engine,
        &list(Type::U8),
        "(list u8)",
        &[
            (r"\00\00\00\00\01\00\01\00", "65537 bytes at 0x0 are not all in memory"),
            (r"\00\00\00\00\00\00\01\00", "ok: 65540 bytes"),
        ],
    );
    let inner = [(
        r"\08\00\00\00\01\00\00\00\00\00\ff\ff\01\00\00\00",
        "1 bytes at 0xffff0000 are not all in memory",
    )];
    check_at_0(&engine, &list(Type::String), "(list string)", &inner);
}

#[test]
fn cases_and_characters_of_hostile_components() {
    let engine = Engines::new().sync;
    let chars = [
        ("i32.const 0xd800", "0xd800 is not a character"),
        ("i32.const 0x110000", "0x110000 is not a character"),
    ];
    check_result(&engine, &Type::Char, "char", &chars);
    let option = Type::Option(Box::new(Type::U8));
    check_at_0(&engine, &option, "(option u8)", &[(r"\02\00", "there is no case 2 of 2")]);
    let err = Some(Box::new(Type::Char));
    let result = Type::Result(ResultType { ok: None, err });
    let payload = [(r"\01\00\00\00\00\00\11\00", "0x110000 is not a character")];
    check_at_0(&engine, &result, "(result (error char))", &payload);
    let text = returning("$e", "i32.const 3", "").replacen(
        "(component",
        "(component (type $e-own (enum \"e0\" \"e1\" \"e2\")) (export $e \"e\" (type $e-own))",
        1,
    );
    let found = refused(&engine, &Type::Enum(arbitrary::names("e", 3)), &text);
    assert_eq!(found, "there is no case 3 of 3");
    // Odd, but the canonical ABI allows it.
    check_result(&engine, &Type::Bool, "bool", &[("i32.const 7", "ok: 1 bytes")]);
    check_result(&engine, &Type::U8, "u8", &[("i32.const -1", "ok: 1 bytes")]);
}

#[test]
fn few_bytes_cannot_stand_for_many() {
    let engine = Engines::new().sync;
    // 1,000 lists of 60,000 bytes each, all of them the same bytes.
    let same = |element: &str, count: u32| {
        let body = format!(
            "(local $i i32)
             (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 1000))
             (loop $l
               (i32.store offset=16 (i32.mul (local.get $i) (i32.const 8)) (i32.const 0))
               (i32.store offset=20 (i32.mul (local.get $i) (i32.const 8)) (i32.const {count}))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
             i32.const 0"
        );
        returning(&format!("(list (list {element}))"), &body, "")
    };
    let ty = list(list(Type::U8));
    assert_eq!(
        refused(&engine, &ty, &same("u8", 60_000)),
        "the value has more than 33554432 bytes"
    );
    let ty = list(list(Type::Bool));
    assert_eq!(
        refused(&engine, &ty, &same("bool", 60_000)),
        "the lists of the value have more than 4194304 elements"
    );
}

#[test]
fn flags_without_a_name_are_dropped() {
    let engine = Engines::new().sync;
    let ty = Type::Flags(arbitrary::names("b", 3));
    let text = returning("$b", "i32.const -1", "").replacen(
        "(component",
        "(component (type $b-own (flags \"b0\" \"b1\" \"b2\")) (export $b \"b\" (type $b-own))",
        1,
    );
    let function = Function { params: Vec::new(), result: Some(ty.clone()), ..function(&ty) };
    let component = compile(&engine, &text);
    let wire = block_on(async {
        let linker = Linker::new(&engine);
        let (mut store, export) =
            instantiate(&linker, &component, guest::INTERFACE, &function, Concurrency::Off).await;
        export.call(&mut store, Bytes::new()).await.unwrap()
    });
    assert_eq!(wire, &[0b111][..]);
}

/// What becomes of `wire` as the parameter of an echo.
fn sent(engine: &Engine, ty: &Type, text: &str, wire: &[u8]) -> String {
    let component = compile(engine, text);
    block_on(async {
        let linker = Linker::new(engine);
        let (mut store, export) =
            instantiate(&linker, &component, guest::INTERFACE, &function(ty), Concurrency::Off)
                .await;
        match export.call(&mut store, wire.to_vec().into()).await {
            Ok(answer) => format!("ok: {answer:?}"),
            Err(error) => error.root_cause().to_string(),
        }
    })
}

#[test]
fn wire_bytes_that_are_no_value() {
    let engine = Engines::new().sync;
    let option = Type::Option(Box::new(Type::U8));
    let variant = arbitrary::variant(vec![None, Some(Type::U8)]);
    let flags = Type::Flags(arbitrary::names("b", 3));
    let pairs = list(Type::Tuple(vec![Type::U64, Type::String]));
    let cases: &[(&Type, &[u8], &str)] = &[
        (&Type::U32, &[1, 2, 3], "the value ends too early"),
        (&Type::U32, &[1, 2, 3, 4, 5], "1 bytes after the end of the value"),
        (&Type::Bool, &[2], "2 is not a bool"),
        (&Type::Char, &[0, 0xd8, 0, 0], "0xd800 is not a character"),
        (&Type::String, &[2, 0, 0, 0, 0xc3, 0x28], "a string is not UTF-8"),
        (&Type::String, &[0xff, 0xff, 0xff, 0xff], "the value ends too early"),
        (&option, &[2, 0], "2 is not a bool"),
        (&variant, &[2, 0, 0, 0], "there is no case 2 of 2"),
        (&flags, &[0b1000], "flags are set that have no name"),
        (&pairs, &[0xff, 0xff, 0xff, 0xff, 0, 0], "the value ends too early"),
        (&pairs, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0], "the value ends too early"),
    ];
    for (ty, wire, expected) in cases {
        assert_eq!(sent(&engine, ty, &guest::echo(ty, "utf8"), wire), *expected, "{ty} {wire:?}");
    }
}

#[test]
fn allocators_that_lie() {
    let engine = Engines::new().sync;
    let allocating = |body: &str| {
        let start = guest::MEMORY.find("(local.set $at").unwrap();
        let honest = &guest::MEMORY[start..];
        let lying = format!("{body})");
        guest::echo(&Type::String, "utf8").replace(honest, &lying)
    };
    let mut wire = Vec::new();
    wire::put_str(&mut wire, "hello").unwrap();
    let cases = [
        ("i32.const 0xffffff00", "realloc return: beyond end of memory"),
        ("i32.const 65534", "realloc return: beyond end of memory"),
        ("unreachable", "wasm trap: wasm `unreachable` instruction executed"),
    ];
    for (body, expected) in cases {
        let found = sent(&engine, &Type::String, &allocating(body), &wire);
        assert_eq!(found, expected, "{body}");
    }
    let misaligned = guest::echo(&list(Type::U64), "utf8")
        .replace("(local.get $at))", "(i32.add (local.get $at) (i32.const 1)))");
    let found = sent(&engine, &list(Type::U64), &misaligned, &[1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(found, "realloc return: result not aligned");
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn arbitrary_wire_bytes_never_panic(
        (ty, bytes) in (arbitrary::types(), prop::collection::vec(any::<u8>(), 0..64))
    ) {
        let engine = Engines::new().sync;
        let component = compile(&engine, &guest::echo(&ty, "utf8"));
        block_on(async {
            let linker = Linker::new(&engine);
            for end in 0..bytes.len() {
                let (mut store, export) = instantiate(
                    &linker, &component, guest::INTERFACE, &function(&ty), Concurrency::Off,
                ).await;
                if let Ok(answer) = export.call(&mut store, bytes[..end].to_vec().into()).await {
                    assert_eq!(answer, &bytes[..end]);
                }
            }
        });
    }
}
