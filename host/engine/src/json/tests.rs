//! JSON and wire bytes: there and back for every type, and errors that say where and what.

use super::*;
use crate::arbitrary;
use aether_types::binding::{Binding, Source};
use aether_types::wit::{Case, Field, ResultType};
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn field(name: &str, ty: Type) -> Field {
    Field { name: name.to_owned(), ty }
}

fn list(ty: Type) -> Type {
    Type::List(Box::new(ty))
}

fn option(ty: Type) -> Type {
    Type::Option(Box::new(ty))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `record order { id: u64, note: option<string>, items: list<record line { sku: string, quantity:
/// u32 }> }`
fn order() -> Type {
    let line = Type::Record(vec![field("sku", Type::String), field("quantity", Type::U32)]);
    Type::Record(vec![
        field("id", Type::U64),
        field("note", option(Type::String)),
        field("items", list(line)),
    ])
}

#[test]
fn the_text_of_a_scalar_parameter_is_that_of_a_path() {
    let colors = Type::Enum(names(&["red", "green"]));
    let params = vec![
        field("order", order()),
        field("id", Type::U64),
        field("name", Type::String),
        field("letter", Type::Char),
        field("color", colors),
    ];
    let function = Function { name: "f".to_owned(), params, result: None, is_async: false };
    let binding = Binding { params: vec![Source::BodyKey; 5] };
    let body = r#"{"order":{"id":1,"items":[]},"id":"18446744073709551615","name":"a \"b\"",
        "letter":"\u00e9","color":"green"}"#;
    let request = Request { path: &[], query: &[], body: body.as_bytes() };
    let args = decode_params(&function, &binding, request).unwrap();
    let text = |index| String::from_utf8(scalar_param(&function, index, &args).unwrap()).unwrap();
    assert_eq!([1, 2, 3, 4].map(text), ["18446744073709551615", "a \"b\"", "é", "green"]);
    assert!(scalar_param(&function, 2, &args[..3]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_value_comes_back_as_it_went(
        (ty, choices) in (arbitrary::types(), arbitrary::choices())
    ) {
        let wire = arbitrary::value(&ty, &choices);
        let json = encode(&ty, &wire).unwrap();
        let text = String::from_utf8(json.clone()).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON");
        prop_assert_eq!(decode(&ty, &json).map_err(|e| format!("{e} in {text}")).unwrap(), wire);
    }

    #[test]
    fn arbitrary_texts_and_bytes_never_panic(
        ty in arbitrary::types(),
        text in "[\\[\\]{}\",:a-f0-9 .e-]{0,30}",
        bytes in arbitrary::choices(),
    ) {
        let _ = decode(&ty, text.as_bytes());
        let _ = decode(&ty, &bytes);
        let _ = encode(&ty, &bytes);
    }
}

/// Decodes; shows the value as JSON again, or the error.
fn check(ty: &Type, json: &str, expect: Expect) {
    expect.assert_eq(&match decode(ty, json.as_bytes()) {
        Ok(wire) => String::from_utf8(encode(ty, &wire).unwrap()).unwrap(),
        Err(error) => error.to_string(),
    });
}

#[test]
fn keys_stand_in_any_order() {
    let wire = decode(&order(), br#"{"id":1,"note":null,"items":[{"sku":"a","quantity":2}]}"#);
    for json in [
        r#"{"items":[{"quantity":2,"sku":"a"}],"note":null,"id":1}"#,
        r#"{"id":1,"items":[{"sku":"a","quantity":2}]}"#,
        r#"{"items":[{"sku":"a","quantity":2}],"id":"1"}"#,
    ] {
        assert_eq!(decode(&order(), json.as_bytes()), wire, "{json}");
    }
    assert!(wire.is_ok());
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let ty = order();
    check(
        &ty,
        r#"{"id":1,"items":[{"sku":"a","quantity":2},{"sku":"b","quantity":"2"}]}"#,
        expect![[r#"$.items[1].quantity: wanted u32, found "2""#]],
    );
    check(
        &ty,
        r#"{"id":1,"items":[{"sku":"a","quantitty":2}]}"#,
        expect![[r#"$.items[0]: wanted one of "sku", "quantity", found "quantitty""#]],
    );
    check(
        &ty,
        r#"{"id":1,"items":[{"sku":"a"}]}"#,
        expect![[r#"$.items[0]: wanted the key "quantity" (u32), found no such key"#]],
    );
    check(&ty, r#"{"id":1,"id":2,"items":[]}"#, expect!["$.id: wanted a key once, found it again"]);
    check(&ty, r#"{"id":-1,"items":[]}"#, expect!["$.id: wanted u64, found -1"]);
    check(&ty, r#"{"id":1.5,"items":[]}"#, expect!["$.id: wanted u64, found 1.5"]);
    check(
        &ty,
        r#"{"id":99999999999999999999,"items":[]}"#,
        expect!["$.id: wanted u64, found 1e20"],
    );
    check(&ty, r#"{"id":1,"note":5,"items":[]}"#, expect!["$.note: wanted string, found 5"]);
    check(&ty, r#"{"id":1,"items":{}}"#, expect!["$.items: wanted an array, found an object"]);
    check(&ty, r#"[]"#, expect!["$: wanted an object, found an array"]);
    check(
        &ty,
        r#"{"id":1,"items":[],}"#,
        expect!["$: wanted JSON, found trailing comma at line 1 column 20"],
    );
    check(
        &ty,
        r#"{"id":1,"items":["#,
        expect!["$.items[0]: wanted JSON, found EOF while parsing a list at line 1 column 17"],
    );
    check(&ty, "", expect!["$: wanted JSON, found EOF while parsing a value at line 1 column 0"]);
    check(
        &Type::U8,
        "1 2",
        expect!["$: wanted JSON, found trailing characters at line 1 column 3"],
    );
    check(&Type::U8, "256", expect!["$: wanted u8, found 256"]);
    check(&Type::S8, "-129", expect!["$: wanted s8, found -129"]);
}

#[test]
fn forms_of_every_type() {
    check(&list(Type::U8), r#""aGVsbG8=""#, expect![[r#""aGVsbG8=""#]]);
    check(&list(Type::U8), "[104,101]", expect![[r#""aGU=""#]]);
    check(&list(Type::U8), r#""aGU""#, expect![[r#"$: wanted a base64 string, found "aGU""#]]);
    check(&list(Type::U8), "[256]", expect!["$[0]: wanted u8, found 256"]);
    check(&Type::Char, r#""é""#, expect![[r#""é""#]]);
    check(&Type::Char, r#""ab""#, expect![[r#"$: wanted a string of one character, found "ab""#]]);
    check(&Type::F64, "1", expect!["1.0"]);
    check(&Type::F64, r#""NaN""#, expect![[r#""NaN""#]]);
    check(&Type::F32, "0.1", expect!["0.1"]);
    check(&Type::F32, "1e300", expect!["$: wanted f32, found 1e300"]);
    check(&Type::F32, r#""-Infinity""#, expect![[r#""-Infinity""#]]);
    check(&Type::U64, "18446744073709551615", expect!["18446744073709551615"]);
    check(&Type::S64, r#""-9223372036854775808""#, expect!["-9223372036854775808"]);
    check(
        &Type::U64,
        r#""18446744073709551616""#,
        expect!["$: wanted u64, found 18446744073709551616"],
    );
    let color = Type::Enum(names(&["red", "green"]));
    check(&color, r#""green""#, expect![[r#""green""#]]);
    check(&color, r#""blue""#, expect![[r#"$: wanted one of "red", "green", found "blue""#]]);
    let rights = Type::Flags(names(&["read", "write"]));
    check(&rights, r#"["write","read"]"#, expect![[r#"["read","write"]"#]]);
    check(&rights, "[]", expect!["[]"]);
    check(
        &rights,
        r#"["read","own"]"#,
        expect![[r#"$[1]: wanted one of "read", "write", found "own""#]],
    );
    let pair = Type::Tuple(vec![Type::Bool, Type::String]);
    check(&pair, r#"[true,"x"]"#, expect![[r#"[true,"x"]"#]]);
    check(&pair, "[true]", expect!["$[1]: wanted string, found the end of the array"]);
    check(
        &pair,
        r#"[true,"x",1]"#,
        expect!["$: wanted an array of 2 elements, found more elements"],
    );
    let nested = option(option(Type::U8));
    check(&nested, "null", expect!["null"]);
    check(&nested, r#"{"some":null}"#, expect![[r#"{"some":null}"#]]);
    check(&nested, r#"{"some":7}"#, expect![[r#"{"some":7}"#]]);
    check(
        &nested,
        "7",
        expect![[
            r#"$: wanted JSON, found invalid type: integer `7`, expected {"some": …} at line 1 column 1"#
        ]],
    );
}

#[test]
fn forms_of_cases() {
    let case = |name: &str, ty: Option<Type>| Case { name: name.to_owned(), ty };
    let shape = Type::Variant(vec![case("point", None), case("circle", Some(Type::F64))]);
    check(&shape, r#""point""#, expect![[r#""point""#]]);
    check(&shape, r#"{"circle":2.5}"#, expect![[r#"{"circle":2.5}"#]]);
    check(
        &shape,
        r#""circle""#,
        expect![[r#"$: wanted {"circle": …}, found "circle" without a payload"#]],
    );
    check(
        &shape,
        r#""square""#,
        expect![[r#"$: wanted one of "point", {"circle": …}, found "square""#]],
    );
    check(&shape, r#"{"circle":true}"#, expect!["$.circle: wanted f64, found true"]);
    check(
        &shape,
        r#"{"circle":1,"point":null}"#,
        expect!["$: wanted an object with one key, found more keys"],
    );
    check(&shape, "{}", expect![[r#"$: wanted one of "point", "circle", found an empty object"#]]);
    let result = Type::Result(ResultType { ok: None, err: Some(Box::new(Type::String)) });
    check(&result, r#"{"ok":null}"#, expect![[r#"{"ok":null}"#]]);
    check(&result, r#"{"err":"no"}"#, expect![[r#"{"err":"no"}"#]]);
    check(&result, r#"{"ok":1}"#, expect!["$.ok: wanted null, found a value"]);
    check(&result, "1", expect![[r#"$: wanted {"ok": …} or {"err": …}, found 1"#]]);
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = (0..100).fold(Type::U8, |ty, _| list(ty));
    let text = "[".repeat(200);
    let error = decode(&deep, text.as_bytes()).unwrap_err();
    assert!(error.found.starts_with("recursion limit exceeded") || error.found == "an array");
    let many = format!("[{}0]", "0,".repeat(crate::codec::ELEMENTS_MAX));
    let error = decode(&list(Type::U16), many.as_bytes()).unwrap_err();
    assert_eq!(error.wanted, "a smaller value");
}

fn function(params: Vec<Field>, result: Option<Type>) -> Function {
    Function { name: "f".to_owned(), params, result, is_async: false }
}

/// `path` and `query` as `name=text` words; the parameters come back as one JSON array.
fn check_params(function: &Function, sources: &[Source], request: [&str; 3], expect: Expect) {
    let pairs = |text: &str| -> Vec<(String, String)> {
        let words = text.split_whitespace().map(|word| word.split_once('=').unwrap());
        words.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    let (path, query) = (pairs(request[0]), pairs(request[1]));
    let request = Request { path: &path, query: &query, body: request[2].as_bytes() };
    let binding = Binding { params: sources.to_vec() };
    let types = Type::Tuple(function.params.iter().map(|p| p.ty.clone()).collect());
    expect.assert_eq(&match decode_params(function, &binding, request) {
        Ok(wire) => String::from_utf8(encode(&types, &wire).unwrap()).unwrap(),
        Err(error) => error.to_string(),
    });
}

#[test]
fn parameters_come_from_path_and_query() {
    use Source::{Path, Query};
    let search = function(
        vec![
            field("shop", Type::U32),
            field("sort", Type::Enum(names(&["asc", "desc"]))),
            field("limit", option(Type::U8)),
            field("tag", list(Type::String)),
        ],
        None,
    );
    let sources = [Path, Query, Query, Query];
    check_params(
        &search,
        &sources,
        ["shop=7", "sort=desc limit=5 tag=a tag=b utm=x", ""],
        expect![[r#"[7,"desc",5,["a","b"]]"#]],
    );
    check_params(&search, &sources, ["shop=7", "sort=asc", ""], expect![[r#"[7,"asc",null,[]]"#]]);
    check_params(
        &search,
        &sources,
        ["shop=x", "sort=asc", ""],
        expect![[r#"{shop}: wanted u32, found "x""#]],
    );
    check_params(
        &search,
        &sources,
        ["shop=7", "", ""],
        expect![[r#"?sort: wanted one of "asc", "desc", found nothing"#]],
    );
    check_params(
        &search,
        &sources,
        ["shop=7", "sort=up", ""],
        expect![[r#"?sort: wanted one of "asc", "desc", found "up""#]],
    );
    check_params(
        &search,
        &sources,
        ["shop=7", "sort=asc limit=256", ""],
        expect![[r#"?limit: wanted u8 or null, found "256""#]],
    );
    check_params(
        &search,
        &sources,
        ["shop=7", "sort=asc sort=asc", ""],
        expect![[r#"?sort: wanted one of "asc", "desc", found it more than once"#]],
    );
}

#[test]
fn parameters_come_from_the_body() {
    use Source::{Body, BodyKey, Path};
    let place = function(vec![field("shop", Type::String), field("order", order())], None);
    check_params(
        &place,
        &[Path, Body],
        ["shop=a", "", r#"{"id":1,"items":[]}"#],
        expect![[r#"["a",{"id":1,"note":null,"items":[]}]"#]],
    );
    check_params(
        &place,
        &[Path, Body],
        ["shop=a", "", ""],
        expect!["$: wanted JSON, found EOF while parsing a value at line 1 column 0"],
    );

    let update = function(
        vec![field("id", Type::U8), field("name", Type::String), field("price", option(Type::F64))],
        None,
    );
    let sources = [Path, BodyKey, BodyKey];
    check_params(
        &update,
        &sources,
        ["id=1", "", r#"{"price":2,"name":"x"}"#],
        expect![[r#"[1,"x",2.0]"#]],
    );
    check_params(&update, &sources, ["id=1", "", r#"{"name":"x"}"#], expect![[r#"[1,"x",null]"#]]);
    check_params(
        &update,
        &sources,
        ["id=1", "", ""],
        expect![[r#"$: wanted the key "name" (string), found no such key"#]],
    );
    check_params(
        &update,
        &sources,
        ["id=1", "", r#"{"name":"x","id":1}"#],
        expect![[r#"$: wanted one of "name", "price", found "id""#]],
    );
}

#[test]
fn answers_are_split_into_value_error_and_failure() {
    let case = |name: &str, ty: Option<Type>| Case { name: name.to_owned(), ty };
    let error = Type::Variant(vec![
        case("sold-out", None),
        case("too-many", Some(Type::U32)),
        case("call-failed", Some(failure::call_error())),
    ]);
    let result = |ok: Option<Type>, err: Option<Type>| {
        let ty = ResultType { ok: ok.map(Box::new), err: err.map(Box::new) };
        function(Vec::new(), Some(Type::Result(ty)))
    };
    let place = result(Some(Type::U8), Some(error));
    let json = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(answer(&place, &[0, 7]), Ok(Answer::Value(json("7"))));
    let refused = |case: &str, payload| Answer::Error { case: case.to_owned(), payload };
    assert_eq!(answer(&place, &[1, 0, 0, 0, 0]), Ok(refused("sold-out", None)));
    assert_eq!(answer(&place, &[1, 1, 0, 0, 0, 9, 0, 0, 0]), Ok(refused("too-many", json("9"))));
    let failed = failure::answer(&place, &CallError::Overloaded(Some(5))).unwrap();
    assert_eq!(answer(&place, &failed), Ok(Answer::Failed(CallError::Overloaded(Some(5)))));
    assert_eq!(answer(&place, &[1, 3, 0, 0, 0]), Err(WireError::Case { found: 3, cases: 3 }));
    assert_eq!(answer(&place, &[]), Err(WireError::Short));

    let text = result(None, Some(Type::String));
    assert_eq!(answer(&text, &[0]), Ok(Answer::Value(None)));
    assert_eq!(answer(&text, &[1, 1, 0, 0, 0, b'x']), Ok(refused("error", json("\"x\""))));
    assert_eq!(answer(&text, &[0, 0]), Err(WireError::Trailing(1)));
    let bare = result(None, None);
    assert_eq!(answer(&bare, &[1]), Ok(refused("error", None)));
    assert_eq!(answer(&function(Vec::new(), None), &[]), Ok(Answer::Value(None)));
    assert_eq!(
        answer(&function(Vec::new(), Some(Type::Bool)), &[1]),
        Ok(Answer::Value(json("true")))
    );
}

#[test]
fn an_error_counts_as_the_status_that_it_becomes() {
    let case = |name: &str, ty: Option<Type>| Case { name: name.to_owned(), ty };
    let error = Type::Variant(vec![
        case("sold-out", None),
        case("broken", Some(Type::U32)),
        case("call-failed", Some(failure::call_error())),
    ]);
    let err = Some(Box::new(error));
    let place = function(Vec::new(), Some(Type::Result(ResultType { ok: None, err })));
    let settings = "[slice]\nartifact = \"t:a:1.0.0\"\n[errors]\nbroken = 500\n";
    let settings = SliceToml::parse("slice.toml", settings).unwrap();
    let word = |function, wire: &[u8]| ending(function, &settings, wire).word();
    assert_eq!(word(&place, &[1, 0, 0, 0, 0]), "declined");
    assert_eq!(word(&place, &[1, 1, 0, 0, 0, 9, 0, 0, 0]), "erred");
    assert_eq!(word(&place, &[1, 7, 0, 0, 0]), "callee-failed");
    let failed = failure::answer(&place, &CallError::Overloaded(None)).unwrap();
    assert_eq!(word(&place, &failed), "overloaded");
    // A value that happens to begin with the same byte.
    let number = function(Vec::new(), Some(Type::U8));
    assert_eq!(word(&number, &[1]), "answered");
}
