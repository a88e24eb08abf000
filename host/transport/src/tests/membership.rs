//! Who is linked to whom: dials, restarts, refusals, joining.

use std::{sync::Arc, time::Duration};

use aether_types::{ClusterId, NodeId};
use tokio::net::TcpListener;

use super::support::*;
use crate::{
    Addresses, Admission, CallFailure, Class, DownReason, JoinError, NodeKey, PeerStatus, Refusal,
    Secret, Settings, Tls, Token, fingerprint_of, join,
};

#[tokio::test]
async fn dials_of_both_sides_leave_one_link_and_lose_no_call() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node(1).await, cluster.node(2).await);
    one.peers(&[&two]);
    two.peers(&[&one]);
    one.up(&two).await;
    two.up(&one).await;
    // Whatever is replaced meanwhile, each call has its answer.
    for _ in 0..50 {
        let (there, back) = tokio::join!(one.call(two.id, ECHO, b""), two.call(one.id, ECHO, b""));
        assert_eq!((there.unwrap().status, back.unwrap().status), (200, 200));
    }
}

#[tokio::test]
async fn a_node_that_was_started_again_elsewhere_is_found() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    two.links.kill();
    let reason = one.down(two.id, Class::Calls).await;
    assert!(matches!(reason, DownReason::Reset(_)), "{reason}");
    // At another address, which nobody told `one`: it dials.
    let again = cluster.node(2).await;
    again.peers(&[&one]);
    one.up(&again).await;
    assert_eq!(one.call(again.id, ECHO, b"").await.unwrap().status, 200);
    let statuses = one.links.statuses().borrow().clone();
    assert_eq!(statuses[&again.id].addresses.as_ref().unwrap().cluster, again.address);
}

#[tokio::test]
async fn calls_in_flight_to_a_lost_node_fail_at_once() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let lost = async {
        two.sees(|seen| *seen == Seen::Called(HANG)).await;
        two.links.kill();
    };
    let (failure, ()) = tokio::join!(soon(one.call(NodeId(2), HANG, b"")), lost);
    let failure = failure.unwrap_err();
    assert!(matches!(failure, CallFailure::MaybeStarted { .. }), "{failure}");
    assert!(failure.may_have_started());
    let failure = soon(one.call(NodeId(2), ECHO, b"")).await.unwrap_err();
    assert!(matches!(failure, CallFailure::NotSent { .. }), "{failure}");
    assert!(!failure.may_have_started());
    let failure = soon(one.call(NodeId(9), ECHO, b"")).await.unwrap_err();
    assert_eq!(failure, CallFailure::NotSent { node: NodeId(9), reason: DownReason::New });
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_in_flight() {
    let cluster = Cluster::new();
    let (one, mut two) = cluster.pair().await;
    let shutdown = async {
        two.sees(|seen| *seen == Seen::Called(GATE)).await;
        let gate = two.handler.gate.clone();
        let opened = async {
            assert_eq!(one.down(NodeId(2), Class::Calls).await, DownReason::Goodbye);
            gate.send_replace(true);
        };
        tokio::join!(two.links.shutdown(LONG), opened);
    };
    let (answer, ()) = tokio::join!(soon(one.call(NodeId(2), GATE, b"in flight")), shutdown);
    assert_eq!(answer.unwrap().body, "in flight");
}

#[tokio::test]
async fn a_peer_that_is_dropped_is_not_linked_any_more() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    one.peers(&[]);
    let mut statuses = one.links.statuses();
    soon(statuses.wait_for(|all| all.is_empty())).await.unwrap();
    let failure = soon(one.call(two.id, ECHO, b"")).await.unwrap_err();
    assert!(!failure.may_have_started());
}

/// How a new node 2, changed by `change`, fares with a node 1 that it dials.
async fn refusal(cluster: &Cluster, one: &Node, change: impl FnOnce(&mut Settings)) -> DownReason {
    let two = cluster.node_with(2, change).await;
    two.peers(&[one]);
    let told = |status: &PeerStatus| match status.of(Class::Calls) {
        crate::LinkState::Down { reason, .. } => *reason != DownReason::New,
        crate::LinkState::Up { .. } => true,
    };
    two.until(one.id, told).await;
    two.down(one.id, Class::Calls).await
}

#[tokio::test]
async fn who_does_not_belong_is_told_why() {
    let cluster = Cluster::new();
    let one = cluster.node(1).await;
    let skewed = |settings: &mut Settings| {
        let clock = settings.clock_ms.clone();
        settings.clock_ms = Arc::new(move || clock() + 60_000);
    };
    let reason = refusal(&cluster, &one, skewed).await;
    assert!(
        matches!(reason, DownReason::Refused(Refusal::ClockSkew { apart_ms: 59_000..=61_000, .. })),
        "{reason:?}"
    );

    // The same id, another authority.
    let reason = refusal(&Cluster::new(), &one, |_| {}).await;
    assert_eq!(reason, DownReason::Rejected(Refusal::ForeignCertificate));

    one.handler.removed.lock().push(NodeId(2));
    let reason = refusal(&cluster, &one, |_| {}).await;
    assert_eq!(reason, DownReason::Refused(Refusal::Removed { node: NodeId(2) }));
}

#[tokio::test]
async fn an_identity_is_alive_once() {
    let cluster = Cluster::new();
    let (one, two) = cluster.pair().await;
    let reason = refusal(&cluster, &one, |_| {}).await;
    let duplicate = DownReason::Refused(Refusal::DuplicateIdentity { node: NodeId(2) });
    assert_eq!(reason, duplicate);
    assert_eq!(one.call(two.id, ECHO, b"").await.unwrap().status, 200);
    // The id of the very node that is dialed.
    let twin = cluster.node(1).await;
    twin.links.set_peers([(NodeId(2), vec![one.address.clone()])].into());
    let told = |status: &PeerStatus| {
        !matches!(status.of(Class::Calls), crate::LinkState::Down { reason: DownReason::New, .. })
    };
    twin.until(NodeId(2), told).await;
    let reason = twin.down(NodeId(2), Class::Calls).await;
    // TLS notices first that it is not node 2.
    assert!(
        matches!(&reason, DownReason::Handshake(why) if why.contains("not valid for name")),
        "{reason:?}"
    );
}

#[test]
fn a_certificate_is_for_one_node_of_one_cluster() {
    let cluster = Cluster::new();
    let key = NodeKey::generate().unwrap();
    let certificate = cluster.authority.issue(NodeId(1), &key.csr().unwrap()).unwrap();
    let ca = cluster.authority.ca_pem();
    let make = |identity| Tls::new(identity, ca, &certificate, &key.pem());
    assert!(make((CLUSTER, NodeId(1))).is_ok());
    let error = make((CLUSTER, NodeId(2))).unwrap_err().to_string();
    assert_eq!(
        error,
        "the certificate is not that of node 0000000000000002 of cluster \
         000000000000000000000000000000c1: it must name \
         node-0000000000000002.000000000000000000000000000000c1.aether"
    );
    assert!(make((ClusterId(2), NodeId(1))).is_err());
    let other = NodeKey::generate().unwrap();
    assert!(Tls::new((CLUSTER, NodeId(1)), ca, &certificate, &other.pem()).is_err());
    assert!(Tls::new((CLUSTER, NodeId(1)), "no PEM", &certificate, &key.pem()).is_err());
}

#[tokio::test]
async fn a_node_joins_with_a_token_and_is_linked() {
    let cluster = Cluster::new();
    let one = cluster.node(1).await;
    let ca = cluster.authority.ca_pem().to_owned();
    let token =
        Token { cluster: CLUSTER, ca: fingerprint_of(&ca).unwrap(), secret: Secret::draw() };
    let authority = crate::Authority::open(CLUSTER, &ca, cluster.authority.key_pem()).unwrap();
    *one.handler.admit.lock() = Some(Box::new(move |request| {
        if request.secret != token.secret {
            return Err(Refusal::BadToken);
        }
        assert_eq!(format!("{request:?}"), "JoinRequest { node: NodeId(5), .. }");
        Ok(Admission {
            certificate: request.csr.map(|csr| authority.issue(request.node, &csr).unwrap()),
            ca: ca.clone(),
            // Longer than a hello may be.
            peers: vec![(NodeId(1), request.addresses); 1000],
        })
    }));
    let key = NodeKey::generate().unwrap();
    let said = Addresses { cluster: "here:1".into(), ..Addresses::default() };
    let settings = Settings::new(said.clone());
    let ask =
        async |token: &Token| join(&one.address, token, NodeId(5), Some(&key), &settings).await;

    let admission = ask(&token).await.unwrap();
    assert_eq!(admission.peers, vec![(NodeId(1), said); 1000]);
    let certificate = admission.certificate.expect("it asked for one");
    let tls = Tls::new((CLUSTER, NodeId(5)), &admission.ca, &certificate, &key.pem()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let five = crate::Links::start(settings.clone(), tls, listener, one.handler.clone()).unwrap();
    five.set_peers([(NodeId(1), vec![one.address.clone()])].into());
    one.until(NodeId(5), PeerStatus::is_up).await;

    let refused = ask(&Token { secret: Secret::draw(), ..token }).await.unwrap_err();
    assert!(matches!(refused, JoinError::Refused { refusal: Refusal::BadToken, .. }), "{refused}");
    let refused = ask(&Token { cluster: ClusterId(3), ..token }).await.unwrap_err();
    let wrong = Refusal::WrongCluster { theirs: ClusterId(3), ours: CLUSTER };
    assert!(
        matches!(&refused, JoinError::Refused { refusal, .. } if *refusal == wrong),
        "{refused}"
    );
    // A token of another cluster's authority: the secret is never shown.
    let foreign = fingerprint_of(Cluster::new().authority.ca_pem()).unwrap();
    let refused = ask(&Token { ca: foreign, ..token }).await.unwrap_err();
    let foreign = Refusal::ForeignCertificate;
    assert!(
        matches!(&refused, JoinError::NotTrusted { refusal, .. } if *refusal == foreign),
        "{refused}"
    );
}

#[test]
fn a_token_is_text_and_shows_no_secret() {
    let token = Token {
        cluster: CLUSTER,
        ca: fingerprint_of(Cluster::new().authority.ca_pem()).unwrap(),
        secret: Secret::from_bytes([0xab; 32]),
    };
    let text = token.reveal();
    assert!(text.starts_with("aether1.") && text.len() == 8 + 107, "{text}");
    assert_eq!(text.parse::<Token>().unwrap(), token);
    assert!(format!("{token:?}").ends_with("secret: Secret(..) }"));
    for wrong in ["", "aether1.", "aether2.x", &text[..60], &format!("{text}AA")] {
        assert!(wrong.parse::<Token>().is_err(), "{wrong}");
    }
    assert!(Secret::from_bytes([1; 32]) != Secret::from_bytes([2; 32]));
    assert_eq!(Settings::new(Addresses::default()).clock_skew_max, Duration::from_secs(10));
}
