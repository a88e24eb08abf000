//! `wasi:config`, both names; the guest checks that they agree.

use aether_infra_conformance::{Host, call};
use expect_test::expect;

const VALUES: &str = r#"
[slices.grants]
cache = ["default"]

[slices.config]
color = "green"
size = "large"

[config]
color = "red"
shape = "round"

[cache.default]
"#;

#[tokio::test]
async fn values_of_the_slice_win_over_those_of_the_application() {
    let kv = Host::new().load("kv", VALUES).unwrap_or_else(|reason| panic!("{reason}"));
    let all = call(&kv, "test:probe/standards#config-all", "{}").await;
    expect![[r#"[["color","green"],["shape","round"],["size","large"]]"#]].assert_eq(&all);
    let get = |key: &str| format!(r#"{{"key":"{key}"}}"#);
    let get = async |key: &str| call(&kv, "test:probe/standards#config-get", &get(key)).await;
    assert_eq!(get("color").await, "\"green\"");
    assert_eq!(get("missing").await, "null");
}
