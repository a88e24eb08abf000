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

#[test]
fn what_was_measured_is_shown() {
    let server = Server::start();
    server.check(&["metrics"], expect![[r#"
        NODE              CPU        MACHINE  RESIDENT  COMMITTED           INSTANCES  RUNNING  QUEUED  DISK FREE
        a1b2c3d4e5f60718  0.50 of 2  75%      96 MiB    128 MiB of 1.0 GiB  12         1.5      0.0     20 GiB
        requests: 12.5/s, 0.2/s failed, p50 1024 µs, p99 20 ms
        exit 0
    "#]]);
    server.check(
        &["metrics", "--history", "5"],
        expect![[r#"
        AGO  REQUESTS/S  FAILED/S  P50      P99    CPU   NODES
        1s   12.5        0.2       -        -      0.50  1
        0ms  12.5        0.2       1024 µs  20 ms  0.50  1
        exit 0
    "#]],
    );
    server.check(&["metrics", "--calls"], expect![[r#"
        APP   SLICE                   FUNCTION                       REVISION  CALLS  FAILED  CALLS/S  P50      P90      P99    MAX
        shop  shop:place-order:1.2.0  shop:orders/place@1.0.0#place  7         1000   20      12.5     1024 µs  2048 µs  20 ms  20 ms
        exit 0
    "#]]);
    server.check(&["metrics", "--history", "121"], expect![[r#"
        2> error: failed to read the history of metrics: query: `minutes` is 121; it must be 1 to 120 [request-invalid]
        exit 2
    "#]]);
}

#[test]
fn what_was_slow_is_shown_and_said() {
    let server = Server::start();
    server.check(&["slow"], expect![[r#"
        2> slow is what takes longer than 99% of a function's calls, and 10ms
        TIME                      NODE              APP   CALLER   FUNCTION                                              TOOK     ENDING    REQUEST
        2023-11-14T22:13:20.000Z  a1b2c3d4e5f60718  shop  outside  shop:place-order:1.2.0 shop:orders/place@1.0.0#place  1234 ms  answered  r-1
        exit 0
    "#]]);
    server.check(
        &["slow", "--strategy", "fixed = \"100ms\""],
        expect![[r#"
        slow is what takes 100ms or longer
        exit 0
    "#]],
    );
    server.check(&["slow", "--strategy", "fixed = \"0ms\""], expect![[r#"
        2> error: invalid value 'fixed = "0ms"' for '--strategy <STRATEGY>': --strategy.fixed: a threshold is 1ms to 1d, not 0ms [request-invalid]
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]]);
    server.check(&["slow", "--strategy", "sometimes"], expect![[r#"
        2> error: invalid value 'sometimes' for '--strategy <STRATEGY>': --strategy:1:19: key with no value, expected `=` [toml-syntax]
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]]);
    server.check(&["slow"], expect![[r#"
        2> slow is what takes 100ms or longer
        TIME                      NODE              APP   CALLER   FUNCTION                                              TOOK     ENDING    REQUEST
        2023-11-14T22:13:20.000Z  a1b2c3d4e5f60718  shop  outside  shop:place-order:1.2.0 shop:orders/place@1.0.0#place  1234 ms  answered  r-1
        exit 0
    "#]]);
}
