//! Documents of small applications, part by part.

use super::*;
use aether_types::wit::Case;
use expect_test::{Expect, expect};

fn field(name: &str, ty: Type) -> Field {
    Field { name: name.to_owned(), ty }
}

fn route(pattern: &str, params: Vec<Field>, result: Option<Type>) -> ApplicationRoute {
    let function = Function { name: "place".to_owned(), params, result, is_async: false };
    let settings = SliceToml::parse("slice.toml", "[errors]\n\"unknown-*\" = 404").unwrap();
    ApplicationRoute {
        pattern: pattern.parse().unwrap(),
        slice: "shop:place-order:1.0.0".parse().unwrap(),
        description: String::new(),
        target: RouteTarget::Function {
            name: "shop:orders/place@1.0.0#place".parse().unwrap(),
            function,
            status: None,
            settings: Box::new(settings),
        },
    }
}

/// One part of the document of these routes.
fn check(routes: &[ApplicationRoute], pointer: &str, expect: Expect) {
    let document = application_document(&"shop".parse().unwrap(), "1.2.0", routes);
    let part = document.pointer(pointer).unwrap_or(&Value::Null);
    expect.assert_eq(&crate::document::sorted(part).to_string());
}

#[test]
fn parameters_come_from_the_path_and_the_query() {
    let params = vec![
        field("id", Type::U32),
        field("expand", Type::Option(Box::new(Type::Enum(vec!["lines".into()])))),
        field("tag", Type::List(Box::new(Type::String))),
    ];
    let routes = [route("GET /orders/{id}", params, Some(Type::Bool))];
    check(
        &routes,
        "/paths/~1orders~1{id}/get/parameters",
        expect![[
            r#"[{"in":"path","name":"id","required":true,"schema":{"maximum":4294967295,"minimum":0,"type":"integer"}},{"in":"query","name":"expand","required":false,"schema":{"enum":["lines"],"type":"string"}},{"in":"query","name":"tag","required":false,"schema":{"items":{"type":"string"},"type":"array"}}]"#
        ]],
    );
    check(&routes, "/paths/~1orders~1{id}/get/operationId", expect![[r#""get-orders-id""#]]);
}

#[test]
fn a_body_is_a_record_or_an_object_of_parameters() {
    let order = Type::Record(vec![
        field("sku", Type::String),
        field("note", Type::Option(Box::new(Type::String))),
    ]);
    let whole = [route("POST /orders", vec![field("order", order)], None)];
    let schema = "/paths/~1orders/post/requestBody/content/application~1json/schema";
    check(
        &whole,
        schema,
        expect![[
            r#"{"additionalProperties":false,"properties":{"note":{"anyOf":[{"type":"string"},{"type":"null"}]},"sku":{"type":"string"}},"required":["sku"],"type":"object"}"#
        ]],
    );
    check(
        &whole,
        "/paths/~1orders/post/responses/204/description",
        expect![[r#""The function's result.""#]],
    );
    let keys = vec![field("sku", Type::String), field("data", Type::List(Box::new(Type::U8)))];
    check(
        &[route("POST /orders", keys, None)],
        schema,
        expect![[
            r#"{"additionalProperties":false,"properties":{"data":{"contentEncoding":"base64","type":"string"},"sku":{"type":"string"}},"required":["sku","data"],"type":"object"}"#
        ]],
    );
}

#[test]
fn error_cases_stand_under_their_status() {
    let case = |name: &str, ty| Case { name: name.to_owned(), ty };
    let err = Type::Variant(vec![
        case("unknown-sku", Some(Type::String)),
        case("sold-out", None),
        case("call-failed", Some(Type::String)),
    ]);
    let result = ResultType { ok: Some(Box::new(Type::U64)), err: Some(Box::new(err)) };
    let routes = [route("POST /orders", vec![], Some(Type::Result(result)))];
    check(
        &routes,
        "/paths/~1orders/post/responses",
        expect![[
            r##"{"200":{"content":{"application/json":{"schema":{"maximum":18446744073709551615,"minimum":0,"type":"integer"}}},"description":"The function's result."},"404":{"content":{"application/problem+json":{"schema":{"allOf":[{"$ref":"#/components/schemas/problem"},{"properties":{"case":{"const":"unknown-sku"},"value":{"type":"string"}},"required":["case","value"],"type":"object"}]}}},"description":"The function refused: unknown-sku."},"422":{"content":{"application/problem+json":{"schema":{"allOf":[{"$ref":"#/components/schemas/problem"},{"properties":{"case":{"const":"sold-out"}},"required":["case"],"type":"object"}]}}},"description":"The function refused: sold-out."},"default":{"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/problem"}}},"description":"Everything else."}}"##
        ]],
    );
}

#[test]
fn every_type_has_a_schema() {
    let option = |ty| Type::Option(Box::new(ty));
    let all = Type::Tuple(vec![
        option(option(Type::S8)),
        Type::F64,
        Type::Char,
        Type::Flags(vec!["read".to_owned()]),
        Type::Result(ResultType { ok: None, err: Some(Box::new(Type::String)) }),
    ]);
    let routes = [route("GET /x", vec![], Some(Type::List(Box::new(all))))];
    check(
        &routes,
        "/paths/~1x/get/responses/200/content/application~1json/schema",
        expect![[
            r#"{"items":{"maxItems":5,"minItems":5,"prefixItems":[{"anyOf":[{"additionalProperties":false,"properties":{"some":{"anyOf":[{"maximum":127,"minimum":-128,"type":"integer"},{"type":"null"}]}},"required":["some"],"type":"object"},{"type":"null"}]},{"anyOf":[{"format":"double","type":"number"},{"enum":["NaN","Infinity","-Infinity"]}]},{"maxLength":1,"minLength":1,"type":"string"},{"items":{"enum":["read"],"type":"string"},"type":"array","uniqueItems":true},{"oneOf":[{"additionalProperties":false,"properties":{"ok":{"type":"null"}},"required":["ok"],"type":"object"},{"additionalProperties":false,"properties":{"err":{"type":"string"}},"required":["err"],"type":"object"}]}],"type":"array"},"type":"array"}"#
        ]],
    );
}

#[test]
fn a_handler_is_opaque() {
    let mut opaque = route("* /ui/{page}", vec![], None);
    opaque.target = RouteTarget::Handler;
    check(
        &[opaque],
        "/paths/~1ui~1{page}/delete",
        expect![[
            r#"{"parameters":[{"in":"path","name":"page","required":true,"schema":{"type":"string"}}],"responses":{"default":{"description":"The component's own handler; its answers are its own affair."}},"tags":["shop:place-order"]}"#
        ]],
    );
}
