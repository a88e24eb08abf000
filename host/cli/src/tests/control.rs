//! Transcripts of the controller and of alerts.

use super::*;

#[test]
fn the_controller_is_shown_changed_and_asked() {
    let server = Server::start();
    server.check(&["controller", "status"], expect![[r#"
        node a1b2c3d4e5f60718 decides, looked at 2026-01-01T00:00:00.000Z
        APP   SLICE                   INSTANCES  BOUNDS  CALLS/S  BUSY  CPU  VERDICT  WHY
        shop  shop:place-order:1.0.0  2          1 to 4  1204.2   50 %  -    keep     would be 3; changed a moment ago and cools down (until 2026-01-01T00:00:15.000Z)
        exit 0
    "#]]);
    server.check(&["controller", "evaluate", "--dry-run"], expect![[r#"
        node a1b2c3d4e5f60718 decides, looked at 2026-01-01T00:00:00.000Z
        APP   SLICE                   INSTANCES  BOUNDS  CALLS/S  BUSY  CPU  VERDICT  WHY
        shop  shop:place-order:1.0.0  2 -> 3     1 to 4  1204.2   50 %  -    up       1204.2 calls/s per instance, at or above 1000
        exit 0
    "#]]);
}

#[test]
fn settings_of_the_controller_are_shown_and_changed() {
    let server = Server::start();
    server.check(
        &["controller", "config"],
        expect![[r#"
        SETTING         VALUE
        enabled         true
        calls           up at 1000, down at 200
        busy            up at 0.8, down at 0.2
        cpu             off
        up-cool-down    15s
        down-cool-down  2m
        down-after      1m
        warm-up         10s
        exit 0
    "#]],
    );
    server.check(
        &["controller", "config", "--busy", "off", "--cpu", "0.9:0.3", "--down-after", "5m"],
        expect![[r#"
            2>      Changed the controller's settings
            SETTING         VALUE
            enabled         true
            calls           up at 1000, down at 200
            busy            off
            cpu             up at 0.9, down at 0.3
            up-cool-down    15s
            down-cool-down  2m
            down-after      5m
            warm-up         10s
            exit 0
        "#]],
    );
    server.check(
        &["controller", "config", "--json"],
        expect![[r#"
        {
          "enabled": true,
          "calls": {
            "up": 1000.0,
            "down": 200.0
          },
          "busy": null,
          "cpu": {
            "up": 0.9,
            "down": 0.3
          },
          "up-cool-down": "15s",
          "down-cool-down": "2m",
          "down-after": "5m",
          "warm-up": "10s"
        }
        exit 0
    "#]],
    );
    server.check(&["controller", "config", "--cpu", "0.9"], expect![[r#"
        2> error: invalid value '0.9' for '--cpu <UP:DOWN|off>': "0.9" is not two numbers such as 0.8:0.2, nor `off`
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]]);
    server.check_as("viewer", &["controller", "evaluate"], expect![[r#"
        2> error: failed to let the controller decide: key "the viewer" has the role viewer; this needs operator [role-too-low]
        2> help: ask an administrator for another key: `aether keys create NAME --role ROLE`
        exit 5
    "#]]);
}

#[test]
fn alerts_and_thresholds_are_listed_and_set() {
    let server = Server::start();
    server.check(&["alerts"], expect![[r#"
        ID  SEVERITY  METRIC    OF                VALUE   THRESHOLD  RAISED                    SEEN BY
        7   critical  node.cpu  a1b2c3d4e5f60718  97.0 %  95.0 %     2026-01-01T00:00:00.000Z  -
        exit 0
    "#]]);
    server.check(
        &["alerts", "ack", "7"],
        expect![[r#"
        2> Acknowledged alert 7: the operator looks after it
        exit 0
    "#]],
    );
    server.check(
        &["alerts", "list", "--json"],
        expect![[r#"
        {
          "alerts": [
            {
              "id": 7,
              "metric": "node.cpu",
              "unit": "share",
              "of": "a1b2c3d4e5f60718",
              "severity": "critical",
              "value": 0.97,
              "threshold": 0.95,
              "raised": "2026-01-01T00:00:00.000Z",
              "acknowledged-by": "the operator",
              "acknowledged": "2026-01-01T00:00:30.000Z"
            }
          ]
        }
        exit 0
    "#]],
    );
    server.check(
        &["alerts", "ack", "8"],
        expect![[r#"
        2> error: failed to acknowledge alert 8: no alert 8 is active [unknown-alert]
        2> help: `aether alerts` shows those that are, `aether alerts history` what happened
        exit 3
    "#]],
    );
    server.check(
        &["alerts", "history"],
        expect![[r#"
        AT                        ID  EVENT         SEVERITY  METRIC     OF    VALUE     BY
        2025-12-31T23:00:00.000Z  6   raised        warning   calls.p99  shop  251.5 ms  -
        2025-12-31T23:01:00.000Z  6   acknowledged  warning   calls.p99  shop  251.5 ms  ann
        2025-12-31T23:02:00.000Z  6   resolved      warning   calls.p99  shop  -         -
        exit 0
    "#]],
    );
}

#[test]
fn thresholds_are_set_and_taken_away() {
    let server = Server::start();
    let set = ["alerts", "set", "calls.p99", "--warning", "250", "--resolve-after", "1m"];
    server.check(
        &set,
        expect![[r#"
        2>          Set the threshold of calls.p99
        exit 0
    "#]],
    );
    server.check(&["alerts", "thresholds"], expect![[r#"
        METRIC                 OF EACH      WARNING   CRITICAL  RAISED AFTER  RESOLVED AFTER  MEANING
        node.cpu               node         -         -         -             -               processors of the machine that the node uses
        node.memory            node         -         -         -             -               the node's memory budget that instances have reserved
        node.disk-free         node         -         -         -             -               free part of the disk that holds the node's data
        cluster.nodes-lost     cluster      -         -         -             -               members of the cluster that do not answer
        app.instances-missing  application  -         -         -             -               wanted instances of the application that are not active
        calls.rate             application  -         -         -             -               requests to the application from outside
        calls.error-rate       application  -         -         -             -               requests from outside that failed, of the last minute
        calls.p99              application  250.0 ms  -         10s           1m              time within which 99 of 100 requests from outside were answered, of the last minute
        exit 0
    "#]]);
    server.check(
        &["alerts", "unset", "calls.p99"],
        expect![[r#"
        2>        Unset the threshold of calls.p99
        exit 0
    "#]],
    );
    server.check(&["alerts", "unset", "calls.p99"], expect![[r#"
        2> error: failed to take the threshold of calls.p99 away: calls.p99 has no threshold [unknown-alert]
        2> help: `aether alerts thresholds` shows those that are set
        exit 3
    "#]]);
    server.check(&["alerts", "set", "cpu.usage", "--warning", "0.7"], expect![[r#"
        2> error: failed to set the threshold of cpu.usage: "cpu.usage" is not a metric; there are node.cpu, node.memory, node.disk-free, cluster.nodes-lost, app.instances-missing, calls.rate, calls.error-rate, calls.p99 [request-invalid]
        exit 2
    "#]]);
    server.check(
        &["alerts", "set", "node.cpu"],
        expect![[r#"
        2> error: the following required arguments were not provided:
        2>   --warning <VALUE>
        2> 
        2> Usage: aether alerts set --server <URL> --key <KEY> --warning <VALUE> <METRIC>
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
    server.check(
        &["alerts", "clear"],
        expect![[r#"
        2>      Cleared the history of alerts
        exit 0
    "#]],
    );
}
