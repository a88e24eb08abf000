//! Infra slices as real guests see them. Knows the standards, nothing inside.

mod cache;
mod config;
mod http_client;
mod logging;

const BUCKETS: &str = r#"
[slices.grants]
cache = ["default", "small"]

[cache.default]
ttl = "1h"

[cache.small]
max-bytes = "64KiB"
eviction = "none"

[cache.secret]
"#;
