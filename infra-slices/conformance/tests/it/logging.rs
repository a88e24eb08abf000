//! `wasi:logging` into the kept log.

use crate::BUCKETS;
use aether_infra_conformance::{Host, call};
use aether_telemetry::{Capture, Logs, Query};
use aether_types::ByteSize;
use expect_test::expect;
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;

#[tokio::test]
async fn every_level_arrives_with_slice_and_request() {
    let logs = Logs::new(ByteSize::mib(1));
    let subscriber = tracing_subscriber::registry().with(Capture(logs.clone()));
    let _here = tracing::subscriber::set_default(subscriber);
    let kv = Host::new().load("kv", BUCKETS).unwrap_or_else(|reason| panic!("{reason}"));
    call(&kv, "test:probe/standards#log-all", r#"{"message":"two\nlines"}"#).await;
    let query = Query {
        slice: Some("test:kv".to_owned()),
        request_id: Some("req-1".parse().unwrap()),
        level: Level::TRACE,
        ..Query::all()
    };
    let lines: Vec<String> = logs
        .query(&query)
        .lines
        .iter()
        .filter(|l| l.message.contains("two"))
        .map(|l| format!("{} {:?} {:?} {:?}", l.level, l.app, l.message, l.fields))
        .collect();
    expect![[r#"
        TRACE Some("shop") "two\nlines" [("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("context", "probe")]
        DEBUG Some("shop") "two\nlines" [("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("context", "probe")]
        INFO Some("shop") "two\nlines" [("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("context", "probe")]
        WARN Some("shop") "two\nlines" [("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("context", "probe")]
        ERROR Some("shop") "two\nlines" [("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("context", "probe")]
        ERROR Some("shop") "two\nlines" [("trace_id", "0af7651916cd43dd8448eb211c80319c"), ("context", "probe")]"#]]
    .assert_eq(&lines.join("\n"));
}
