//! `wasi:keyvalue`, both drafts, over one back end.

use crate::BUCKETS;
use aether_engine::Slice;
use aether_infra_conformance::{Host, call};
use expect_test::{Expect, expect};
use std::sync::Arc;

async fn check(slice: &Slice, function: &str, params: &str, expect: Expect) {
    let name = format!("test:probe/standards#{function}");
    let answer = call(slice, &name, params).await;
    // The guest shows errors as `Debug` does, and JSON quotes that once more.
    let error = answer.strip_prefix("error: \"Error::").and_then(|e| e.strip_suffix('"'));
    expect.assert_eq(&error.map_or(answer.clone(), |e| e.replace("\\\"", "'")));
}

fn kv(host: &Host) -> Arc<Slice> {
    host.load("kv", BUCKETS).unwrap_or_else(|reason| panic!("{reason}"))
}

#[tokio::test]
async fn values_are_shared_by_both_drafts() {
    let kv = kv(&Host::new());
    let set = r#"{"bucket":"default","key":"a","value":[1,2,255]}"#;
    check(&kv, "draft-set", set, expect![[r#""#]]).await;
    let a = r#"{"bucket":"default","key":"a"}"#;
    check(&kv, "draft-get", a, expect![[r#""AQL/""#]]).await;
    check(&kv, "draft-exists", a, expect!["true"]).await;
    check(&kv, "draft2-keys", r#"{"bucket":"default"}"#, expect![[r#"["a"]"#]]).await;
    // The empty name means the same bucket.
    check(&kv, "draft-keys", r#"{"bucket":""}"#, expect![[r#"["a"]"#]]).await;
    check(&kv, "draft-delete", a, expect![""]).await;
    check(&kv, "draft-get", a, expect!["null"]).await;
    check(&kv, "draft-exists", a, expect!["false"]).await;
}

#[tokio::test]
async fn counters_count_and_refuse_what_they_cannot_hold() {
    let kv = kv(&Host::new());
    let by = |delta: &str| format!(r#"{{"bucket":"default","key":"n","delta":{delta}}}"#);
    check(&kv, "draft-increment", &by("5"), expect!["5"]).await;
    check(&kv, "draft2-increment", &by("-7"), expect!["-2"]).await;
    check(
        &kv,
        "draft-increment",
        &by("1"),
        expect!["Other('the number is -1, which is negative')"],
    )
    .await;
    check(
        &kv,
        "draft-increment",
        &by("\"18446744073709551615\""),
        expect!["Other('18446744073709551615 is more than an s64 holds')"],
    )
    .await;
    let n = r#"{"bucket":"default","key":"n"}"#;
    check(&kv, "draft-get", n, expect![[r#""LTE=""#]]).await;
}

#[tokio::test]
async fn a_swap_happens_only_where_nothing_happened_before() {
    let kv = kv(&Host::new());
    let key = r#"{"bucket":"default","key":"s"}"#;
    check(&kv, "draft2-swap", key, expect![[r#"["-","first","between","second"]"#]]).await;
}

#[tokio::test]
async fn batches_keep_their_order() {
    let kv = kv(&Host::new());
    let batch = r#"{"bucket":"default","pairs":[["a","1"],["b","2"]],"keys":["b","x","a","b"]}"#;
    for draft in ["draft-batch", "draft2-batch"] {
        check(&kv, draft, batch, expect![[r#"["2",null,"1","2"]"#]]).await;
        check(&kv, "draft-keys", r#"{"bucket":"default"}"#, expect!["[]"]).await;
    }
}

#[tokio::test]
async fn long_listings_come_page_by_page() {
    let kv = kv(&Host::new());
    for part in 0..3 {
        let pairs: Vec<String> =
            (0..900).map(|i| format!(r#"["k{:04}","v"]"#, part * 900 + i)).collect();
        let batch = format!(r#"{{"bucket":"default","pairs":[{}],"keys":[]}}"#, pairs.join(","));
        check(&kv, "draft-batch", &batch, expect!["[]"]).await;
    }
    for draft in ["draft-keys", "draft2-keys"] {
        let name = format!("test:probe/standards#{draft}");
        let keys = call(&kv, &name, r#"{"bucket":"default"}"#).await;
        assert_eq!(keys.matches("\"k").count(), 2_700, "{draft}");
        assert!(keys.starts_with(r#"["k0000","k0001""#) && keys.ends_with(r#""k2699"]"#));
    }
}

#[tokio::test]
async fn only_granted_buckets_open() {
    let kv = kv(&Host::new());
    let key = |bucket: &str| format!(r#"{{"bucket":"{bucket}","key":"k"}}"#);
    check(&kv, "draft-get", &key("secret"), expect!["AccessDenied"]).await;
    check(&kv, "draft2-swap", &key("secret"), expect!["AccessDenied"]).await;
    check(&kv, "draft-get", &key("nowhere"), expect!["NoSuchStore"]).await;
}

#[tokio::test]
async fn a_slice_without_a_grant_opens_nothing() {
    let buckets = BUCKETS.split_once("[cache.").expect("tables of buckets").1;
    let kv = Host::new().load("kv", &format!("[cache.{buckets}"));
    let kv = kv.unwrap_or_else(|reason| panic!("{reason}"));
    check(&kv, "draft-get", r#"{"bucket":"default","key":"k"}"#, expect!["AccessDenied"]).await;
}

#[tokio::test]
async fn limits_are_named() {
    let kv = kv(&Host::new());
    let get = |key: &str| format!(r#"{{"bucket":"default","key":"{key}"}}"#);
    check(
        &kv,
        "draft-get",
        &get(""),
        expect!["Other('a key has 1 to 1024 bytes; this one has 0')"],
    )
    .await;
    check(
        &kv,
        "draft-get",
        &get(&"k".repeat(1_025)),
        expect!["Other('a key has 1 to 1024 bytes; this one has 1025')"],
    )
    .await;
    let zeros = "AAAA".repeat(30_000);
    let set = format!(r#"{{"bucket":"small","key":"k","value":"{zeros}"}}"#);
    check(&kv, "draft-set", &set, expect!["Other('the bucket holds at most 65536 bytes')"]).await;
    let zeros = "AAAA".repeat(400_000);
    let set = format!(r#"{{"bucket":"default","key":"k","value":"{zeros}"}}"#);
    check(
        &kv,
        "draft-set",
        &set,
        expect!["Other('a value has at most 1048576 bytes; this one has 1200000')"],
    )
    .await;
}

#[tokio::test]
async fn values_survive_the_slices_that_wrote_them() {
    let host = Host::new();
    let first = kv(&host);
    let set = r#"{"bucket":"default","key":"a","value":[1]}"#;
    check(&first, "draft-set", set, expect![""]).await;
    drop(first);
    let a = r#"{"bucket":"default","key":"a"}"#;
    check(&kv(&host), "draft-get", a, expect![[r#""AQ==""#]]).await;
    host.cache.forget(&"shop".parse().unwrap());
    check(&kv(&host), "draft-get", a, expect!["null"]).await;
}
