//! Calls, the log, and decisions explained.

use super::*;

#[test]
fn logs_and_decisions_are_shown() {
    let server = Server::start();
    server.check(
        &["logs"],
        expect![[r#"
            22:02:03.046  INFO shop:place-order:1.0.0 instance active ordinal=0
            22:02:03.047  WARN shop:place-order:1.0.0 stock is low ordinal=0 request-id=r-1
            exit 0
        "#]],
    );
    server.check(
        &["logs", "shop", "--level", "warn", "--request-id", "r-1"],
        expect![[r#"
            22:02:03.047  WARN shop:place-order:1.0.0 stock is low ordinal=0 request-id=r-1
            exit 0
        "#]],
    );
    server.check(
        &["explain", "GET", "/api/orders/7"],
        expect![[r#"
            GET /api/orders/7 matches no longer prefix
            one candidate

                SLICE                   INSTANCE  NODE      STATE   WHY
            ->  shop:place-order:1.0.0  0         a1b2c3d4  ACTIVE  the only active instance
            exit 0
        "#]],
    );
}

#[test]
fn functions_are_called_with_words_and_json() {
    let server = Server::start();
    let place = "shop:orders/place#place";
    server.check(
        &["call", "shop", place, "book", "2", "-3", "{\"gift\":true}", "\"7\""],
        expect![[r#"
            {
              "echo": [
                "book",
                2,
                -3,
                {
                  "gift": true
                },
                "7"
              ]
            }
            exit 0
        "#]],
    );
    server.check(
        &["call", "shop", place],
        expect![[r#"
        {
          "echo": []
        }
        exit 0
    "#]],
    );
    server.check(
        &["call", "shop", place, "--params", "{\"sku\":\"book\"}"],
        expect![[r#"
        {
          "echo": {
            "sku": "book"
          }
        }
        exit 0
    "#]],
    );
    server.check(
        &["call", "shop", place, "x", "--json"],
        expect![[r#"
            {
              "outcome": "ok",
              "value": {
                "echo": [
                  "x"
                ]
              },
              "request-id": "ID",
              "duration-us": 42
            }
            exit 0
        "#]],
    );
}

#[test]
fn calls_that_fail_say_how() {
    let server = Server::start();
    let place = "shop:orders/place#place";
    server.check(
        &["call", "shop", place, "{\"gift\":"],
        expect![[r#"
        2> error: argument "{\"gift\":" is no JSON: EOF while parsing a value at line 1 column 8
        exit 2
    "#]],
    );
    server.check(
        &["call", "shop", place, "--params", "[1]"],
        expect![[r#"
        2> error: --params is not an object
        2> help: write the parameters by their names: --params '{"sku": "book"}'
        exit 2
    "#]],
    );
    server.check(
        &["call", "shop", "shop:orders/place#refuse"],
        expect![[r#"
        2> error: shop:orders/place#refuse returned an error
        "sold-out"
        exit 1
    "#]],
    );
    server.check(&["call", "shop", "shop:orders/place#slow"], expect![[r#"
        2> error: failed to call shop:orders/place#slow of shop: the deadline passed [deadline-exceeded]
        2> help: raise its timeout, or retry
        exit 7
    "#]]);
    server.check(&["call", "shop", "shop:orders/place#nope"], expect![[r#"
        2> error: failed to call shop:orders/place#nope of shop: no slice of shop exports a function nope [unknown-function]
        exit 3
    "#]]);
    server.check(&["call", "shop", "place"], expect![[r#"
        2> error: failed to call place of shop: "place" is not a function name (interface#function, such as "shop:orders/place#place") [request-invalid]
        exit 2
    "#]]);
}
