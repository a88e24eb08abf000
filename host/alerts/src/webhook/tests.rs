//! Tests of URLs, of what waits, and of when it is tried again.

use super::*;
use crate::alert::{Alert, Severity};
use crate::metric::Metric;
use expect_test::{Expect, expect};

#[test]
fn urls_are_checked_and_their_secrets_are_not_shown() {
    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let said = match text.parse::<WebhookUrl>() {
            Ok(url) => {
                let Target { uri, basic } = url.target();
                assert_eq!(url.whole(), text);
                assert_eq!(format!("{url:?}"), url.to_string());
                format!("{url} | {uri} | {}", basic.unwrap_or_default())
            }
            Err(problem) => problem.to_string(),
        };
        expected.assert_eq(&said);
    }
    check("http://127.0.0.1:9000", expect!["http://127.0.0.1:9000/ | http://127.0.0.1:9000/ | "]);
    check(
        "https://hooks.example.com/T0/B0/secret?key=7",
        expect!["https://hooks.example.com/… | https://hooks.example.com/T0/B0/secret?key=7 | "],
    );
    check(
        "https://ops:se%3Acret@[::1]:8443/",
        expect!["https://…@[::1]:8443/ | https://[::1]:8443/ | Basic b3BzOnNlOmNyZXQ="],
    );
    check("ftp://example.com/x", expect!["the URL must begin with http:// or https://"]);
    check("hooks.example.com/x", expect!["the URL must begin with http:// or https://"]);
    check("/only/a/path", expect!["the URL must begin with http:// or https://"]);
    check("http://", expect!["that is not a URL: empty string"]);
    check("http://user:word@/x", expect!["that is not a URL: invalid authority"]);
    check("http://host:99999/x", expect!["that is not a URL: its port is no number up to 65535"]);
    check("http://host/a#b", expect!["the URL has a fragment (#…), which no server gets"]);
    check("http://host/a b", expect!["that is not a URL: invalid uri character"]);
    check("", expect!["the URL must begin with http:// or https://"]);
    check("HTTPS://Example.com", expect!["https://Example.com/ | https://Example.com/ | "]);
    let long = format!("http://host/{}", "x".repeat(2_048));
    check(&long, expect!["the URL has 2060 bytes; it must have at most 2048"]);
}

fn alert(id: u64) -> Alert {
    Alert {
        id,
        metric: Metric::NodesLost,
        of: "cluster".to_owned(),
        severity: Severity::Critical,
        value: 2.0,
        threshold: 1.0,
        raised: Time(1_000 * id),
        acknowledged: None,
    }
}

fn alerts(ids: &[u64]) -> Alerts {
    let mut alerts = Alerts::default();
    alerts.active.extend(ids.iter().copied().map(alert));
    alerts
}

fn event(id: u64, at: u64, happened: Happened) -> Event {
    Event { value: None, ..alert(id).event(Time(at), happened) }
}

#[test]
fn what_happened_waits_in_its_order_until_it_is_told() {
    let by = "me".to_owned();
    let events = [
        event(1, 5_000, Happened::Resolved),
        event(2, 5_000, Happened::Raised),
        event(2, 5_001, Happened::Acknowledged { by }),
    ];
    let mut outbox = Outbox::default();
    assert_eq!(outbox.add(&events, &alerts(&[1]), &alerts(&[2])), []);
    let shown = |outbox: &Outbox| {
        let each = outbox.waiting.iter();
        each.map(|n| (n.id, n.event.id, n.is_resolved(), n.since.0)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&outbox), [(1, 1, true, 1_000), (2, 2, false, 2_000)]);
    outbox.told(1);
    assert_eq!(shown(&outbox), [(2, 2, false, 2_000)]);
    outbox.told(2);
    outbox.add(&[event(2, 6_000, Happened::Eased)], &alerts(&[2]), &alerts(&[2]));
    assert_eq!(shown(&outbox), [(3, 2, false, 2_000)], "an id is never used again");
}

#[test]
fn what_nobody_takes_is_given_up() {
    let minutes = |minutes: u64| minutes * 60_000;
    let mut outbox = Outbox::default();
    for minute in 0..20 {
        let raised = event(1, minutes(minute), Happened::Raised);
        outbox.add(&[raised], &alerts(&[]), &alerts(&[1]));
    }
    assert_eq!(outbox.give_up(Time(minutes(15) - 1)), []);
    let late = outbox.give_up(Time(minutes(17)));
    assert_eq!(late.iter().map(|notice| notice.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(outbox.waiting.len(), 17);
    let more = vec![event(1, minutes(20), Happened::Raised); WAITING_MAX];
    let surplus = outbox.add(&more, &alerts(&[]), &alerts(&[1]));
    assert_eq!((surplus.len(), surplus[0].id, outbox.waiting.len()), (17, 4, WAITING_MAX));
}

#[test]
fn a_failure_is_followed_by_a_longer_and_longer_wait() {
    let mut tries = Tries::default();
    let mut now = Time(1_000_000);
    assert!(tries.is_due(now));
    let mut waits = Vec::new();
    for _ in 0..40 {
        tries.on_failure(now);
        let wait = (0..=100).find(|seconds| tries.is_due(Time(now.0 + seconds * 1_000))).unwrap();
        waits.push(wait);
        now.0 += wait * 1_000;
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(waits[39], 60);
    tries.on_success();
    assert_eq!(tries, Tries::default());
}
