//! The client before a server that is real and a node that is a fake.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aether_api::fake::serve_fake;
use aether_api::{
    ApplyRequest, CallRequest, EntryQuery, Expected, FileArtifact, KeyRequest, LogLevel, Outcome,
    Phase, Role, StoreKey,
};
use aether_client::{Client, Error, Failure, LogFilter};
use aether_types::{AppName, Digest, ErrorKind, Revision};
use expect_test::{Expect, expect};
use serde_json::json;

const BLUEPRINT: &str =
    "[application]\nname = \"shop\"\nversion = \"1.2.0\"\n[[slices]]\nfile = \"a.wasm\"\n";
/// SHA-256 of `x`.
const DIGEST: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

async fn client(key: &str) -> Client {
    let address = serve_fake().await.unwrap();
    Client::new(format!("http://{address}").parse().unwrap(), Some(key.to_owned()))
}

fn shop() -> AppName {
    "shop".parse().unwrap()
}

fn request(blueprint: &str) -> ApplyRequest {
    let digest: Digest = DIGEST.parse().unwrap();
    ApplyRequest {
        blueprint: blueprint.to_owned(),
        file: "blueprint.toml".to_owned(),
        artifacts: vec![FileArtifact { entry: 0, digest }],
        if_revision: None,
        strategy: None,
    }
}

#[tokio::test]
async fn an_application_from_upload_to_removal() {
    let client = client("operator").await;
    let digest: Digest = DIGEST.parse().unwrap();
    client.put_artifact(digest, "x".into()).await.unwrap();
    assert_eq!(client.artifacts().await.unwrap().artifacts[0].digest, digest);
    let applied = client.apply(&shop(), &request(BLUEPRINT)).await.unwrap();
    assert_eq!((applied.revision, applied.application.phase), (1, Phase::Deploying));
    client.application(&shop()).await.unwrap();
    assert_eq!(client.application(&shop()).await.unwrap().phase, Phase::Active);
    assert_eq!(client.routes().await.unwrap().routes[0].route.to_string(), "POST /api/orders");
    let call = |function: &str| CallRequest { function: function.to_owned(), params: json!(["a"]) };
    let answer = client.call(&shop(), &call("shop:orders/place#place")).await.unwrap();
    assert_eq!((answer.outcome, answer.value), (Outcome::Ok, json!({ "echo": ["a"] })));
    let answer = client.call(&shop(), &call("shop:orders/place#refuse")).await.unwrap();
    assert_eq!((answer.outcome, answer.value), (Outcome::Err, json!("sold-out")));
    client.remove(&shop()).await.unwrap();
    assert_eq!(client.remove(&shop()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn logs_are_filtered_and_targets_escaped() {
    let client = client("viewer").await;
    let filter = LogFilter { level: Some(LogLevel::Warn), ..LogFilter::default() };
    let page = client.logs(&filter).await.unwrap();
    assert_eq!((page.lines.len(), page.next.0.values().next().unwrap().at), (1, 2));
    let explanation = client.explain("GET /a?b=c&d #e").await.unwrap();
    assert_eq!(explanation.target, "GET /a?b=c&d #e");
}

#[tokio::test]
async fn keys_come_and_go() {
    let client = client("admin").await;
    let request = KeyRequest { name: "ci".to_owned(), role: Role::Viewer };
    let created = client.create_key(&request).await.unwrap();
    assert_eq!(client.keys().await.unwrap().keys, std::slice::from_ref(&created.key));
    client.delete_key(&created.key.id).await.unwrap();
    assert!(client.keys().await.unwrap().keys.is_empty());
}

fn check(error: &Error, expect: Expect) {
    let source = std::error::Error::source(error).unwrap();
    expect.assert_eq(&format!("{:?}: {error}: {source}\nhelp: {}", error.kind(), error.help()));
}

#[tokio::test]
async fn errors_keep_their_kind_and_say_what_to_do() {
    let operator = client("operator").await;
    let broken = BLUEPRINT.replace("file", "flie");
    check(
        &operator.apply(&shop(), &request(&broken)).await.unwrap_err(),
        expect![[r#"
        Invalid: deploy shop: blueprint.toml:5:1: there is no key `flie` here [toml-unknown-key]
        help: did you mean `file`?"#]],
    );
    check(
        &operator.keys().await.unwrap_err(),
        expect![[r#"
        Denied: list the keys: key "the operator" has the role operator; this needs admin [role-too-low]
        help: ask an administrator for another key: `aether keys create NAME --role ROLE`"#]],
    );
    let call = CallRequest { function: "a:b/c#slow".to_owned(), params: json!([]) };
    let slow = operator.call(&shop(), &call).await.unwrap_err();
    assert!(slow.is_timeout());
    check(
        &slow,
        expect![[r#"
        Unavailable: call a:b/c#slow of shop: the deadline passed [deadline-exceeded]
        help: raise its timeout, or retry"#]],
    );
    check(
        &client("wrong").await.status().await.unwrap_err(),
        expect![[r#"
        Denied: read the status: the cluster does not know this key [unauthenticated]
        help: send `Authorization: Bearer KEY`; the first key is in admin.key in the node's data folder"#]],
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_or_is_another_is_told_apart() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let error = Client::new(url.parse().unwrap(), None).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.help().contains("aether node"), "{}", error.help());
    assert!(matches!(&error.failure, Failure::Unreachable { server, .. } if *server == url));

    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = other.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
    });
    let error = Client::new(url.parse().unwrap(), None).status().await.unwrap_err();
    assert!(matches!(error.failure, Failure::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn an_entry_of_the_store_from_write_to_delete() {
    let client = client("operator").await;
    let key: StoreKey = "tools/a b?/c%2f".parse().unwrap();
    let put = async |value: &'static str, expected| {
        client.put_entry(&key, value.into(), expected).await.map_err(|e| e.kind())
    };
    assert_eq!(put("one", Expected::Absent).await, Ok(Revision(1)));
    assert_eq!(put("two", Expected::Absent).await, Err(ErrorKind::Conflict));
    assert_eq!(put("two", Expected::At(Revision(1))).await, Ok(Revision(2)));
    let read = client.entry(&key, false).await.unwrap();
    assert_eq!((&*read.value, read.revision), (&b"two"[..], Revision(2)));
    let query = EntryQuery { prefix: "tools/".to_owned(), after: None, limit: 10, stale: true };
    let listed = client.entries(&query).await.unwrap();
    assert_eq!((listed.entries[0].key.as_str(), listed.more), (key.as_str(), false));
    client.delete_entry(&key, Expected::At(Revision(2))).await.unwrap();
    assert_eq!(client.entry(&key, false).await.unwrap_err().kind(), ErrorKind::NotFound);
}
