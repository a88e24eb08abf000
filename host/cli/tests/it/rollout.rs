//! Changes of version under traffic, on nodes that are processes.

use crate::apps::{Part, write};
use crate::http;
use crate::node::{Node, wait};
use crate::soak::write_with;
use aether_api::{RolloutPhase, RolloutStatus};
use std::path::Path;

/// `t:web:1.0.ANSWER`, which answers `GET /web` with a number.
pub(crate) fn web(answer: u32) -> Vec<u8> {
    let slice_toml = format!(
        "[slice]\nartifact = \"t:web:1.0.{answer}\"\n[[routes]]\nroute = \"GET /web\"\ncall = \"t:web/api#f\""
    );
    let export = "t:web/api@1.0.0";
    Part { imports: "", export, result: "u32", answer, slice_toml: &slice_toml }.bytes()
}

/// One that traps when it is started.
pub(crate) fn broken(patch: u32) -> Vec<u8> {
    let slice_toml = format!(
        "[slice]\nartifact = \"t:web:1.0.{patch}\"\n[[routes]]\nroute = \"GET /web\"\ncall = \"t:web/api#f\""
    );
    let text = "(component
        (core module $m
          (memory (export \"memory\") 1)
          (func (export \"start\") (result i32) unreachable)
          (func (export \"f\") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $start (result (result (error string)))
          (canon lift (core func $i \"start\") (memory (core memory $i \"memory\"))))
        (instance $hooks (export \"start\" (func $start)) (export \"stop\" (func $start)))
        (export \"aether:slice/lifecycle@0.1.0\" (instance $hooks))
        (func $f (result u32) (canon lift (core func $i \"f\")))
        (instance $e (export \"f\" (func $f)))
        (export \"t:web/api@1.0.0\" (instance $e)))";
    aether_slice_build::embed(&wat::parse_str(text).unwrap(), &slice_toml).unwrap()
}

pub(crate) fn roll(node: &Node, folder: &Path, strategy: &str) {
    let path = folder.to_str().unwrap();
    let ended = node.aether(&["deploy", path, "--no-wait", "--strategy", strategy]);
    assert_eq!(ended.exit, 0, "{}", ended.text);
}

pub(crate) fn status(node: &Node) -> RolloutStatus {
    let shown = node.aether(&["rollout", "show", "web", "--json"]).text;
    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

pub(crate) fn reaches(node: &Node, phase: RolloutPhase) -> RolloutStatus {
    let mut seen = None;
    wait(&format!("the rollout is {phase}"), || {
        let status = status(node);
        let reached = status.phase == phase;
        seen = Some(status);
        reached
    });
    seen.unwrap()
}

pub(crate) fn command(node: &Node, command: &str) {
    let ended = node.aether(&["rollout", command, "web"]);
    assert_eq!(ended.exit, 0, "{}", ended.text);
}

/// How often each answer came.
pub(crate) fn answers(node: &Node, count: usize) -> String {
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..count {
        let answer = http::get(node.http, "/web").unwrap();
        let body = answer.text.rsplit("\r\n").next().unwrap_or_default();
        *seen.entry(format!("{} {body}", answer.status)).or_default() += 1;
    }
    seen.iter().map(|(answer, count)| format!("{count} x {answer}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn shares_are_exact_and_a_rollback_gives_everything_back() {
    let mut node = Node::start();
    let folder = node.folder("web");
    write(&folder, "web", &[web(1)], "");
    node.deployed(&folder);
    let before = node.aether(&["status", "web", "--json"]).text;
    let before: aether_api::Application = serde_json::from_str(&before).unwrap();
    write(&folder, "web", &[web(2)], "");
    // A canary that nothing else is said of begins with one percent.
    roll(&node, &folder, "canary");
    wait("it has its first stage", || status(&node).phase == RolloutPhase::Holding);
    assert_eq!(answers(&node, 200), "198 x 200 1, 2 x 200 2");
    command(&node, "rollback");
    reaches(&node, RolloutPhase::Ended);
    roll(&node, &folder, "rolling = { steps = [\"25%\", \"100%\"], pause = \"1h\" }");
    reaches(&node, RolloutPhase::Holding);
    assert_eq!(answers(&node, 100), "75 x 200 1, 25 x 200 2");
    command(&node, "pause");
    assert!(status(&node).paused);
    let again = node.aether(&["rollout", "pause", "web"]);
    assert!(again.text.contains("rollout-conflict"), "{}", again.text);
    command(&node, "resume");
    write(&folder, "web", &[web(3)], "");
    let refused = node.deploy(&folder);
    assert!(refused.text.contains("rollout-conflict"), "{}", refused.text);
    // Everything that a rollout needs is in the log.
    node.restart();
    wait("the shares are as before", || answers(&node, 100) == "75 x 200 1, 25 x 200 2");
    reaches(&node, RolloutPhase::Holding);
    command(&node, "rollback");
    let ended = reaches(&node, RolloutPhase::Ended);
    assert_eq!(ended.outcome.as_deref(), Some("rolled back: somebody wanted it"));
    assert_eq!(answers(&node, 10), "10 x 200 1");
    node.restart();
    node.wait_for("/web", 200);
    assert_eq!(answers(&node, 10), "10 x 200 1");
    let now = node.aether(&["status", "web", "--json"]).text;
    let now: aether_api::Application = serde_json::from_str(&now).unwrap();
    assert_eq!((now.revision, now.phase), (before.revision, aether_api::Phase::Active));
    // What was rolled back can be deployed again, as the blueprint says, and without a strategy.
    write(&folder, "web", &[web(2)], "[rollout]\nstrategy = \"immediate\"");
    assert!(node.deployed(&folder).contains("Active web 1.0.0"));
    assert_eq!(status(&node).outcome.as_deref(), Some("completed"));
    assert_eq!(answers(&node, 10), "10 x 200 2");
    write(&folder, "web", &[web(3)], "");
    node.deployed(&folder);
    assert_eq!(answers(&node, 10), "10 x 200 3");
    assert!(node.aether(&["rollout", "show", "web"]).text.contains("unknown-rollout"));
}

#[test]
fn a_version_that_does_not_start_gets_nothing_and_a_better_one_takes_its_place() {
    let node = Node::start();
    let folder = node.folder("web");
    write(&folder, "web", &[web(1)], "");
    node.deployed(&folder);
    write(&folder, "web", &[broken(2)], "");
    roll(&node, &folder, "immediate");
    let cooling = reaches(&node, RolloutPhase::Cooling);
    assert!(
        cooling.history.iter().any(|e| e.event.contains("every instance of t:web:1.0.2 failed"))
    );
    assert_eq!(answers(&node, 10), "10 x 200 1");
    // Whoever waits hears that a better one took its place.
    write(&folder, "web", &[web(3)], "");
    let deploy = node.aether(&["deploy", folder.to_str().unwrap(), "--strategy", "immediate"]);
    assert_eq!(deploy.exit, 0, "{}", deploy.text);
    let ended = reaches(&node, RolloutPhase::Ended);
    assert_eq!(ended.outcome.as_deref(), Some("completed"));
    assert_eq!(answers(&node, 10), "10 x 200 3");
}

#[test]
fn versions_mix_where_they_may_and_a_plan_says_how_they_come() {
    let node = Node::start();
    let folder = node.folder("web");
    write_with(&folder, 1, "");
    node.deployed(&folder);
    let strategy = "strategy.rolling = { steps = [\"50%\", \"100%\"], pause = \"1h\" }";
    write_with(&folder, 2, &format!("[rollout]\ntogether = false\n{strategy}"));
    let path = folder.to_str().unwrap();
    let plan = node.aether(&["plan", path]);
    assert_eq!(plan.exit, 1, "{}", plan.text);
    assert!(plan.text.contains("a rollout (rolling) would replace revision"), "{}", plan.text);
    let starts = plan.text.matches(" starts ").count();
    assert!(starts == 6 && !plan.text.contains(" goes"), "{}", plan.text);
    node.order(&["deploy", path, "--no-wait"]).unwrap();
    reaches(&node, RolloutPhase::Holding);
    let plan = node.aether(&["plan", path, "--strategy", "immediate"]);
    assert_eq!(plan.exit, 0, "it is stored already: {}", plan.text);
    write_with(&folder, 3, "");
    let plan = node.aether(&["plan", path]);
    assert!(plan.text.contains("rollout-conflict"), "{}", plan.text);
    // Either version of the one calls either version of the other; a call in between gives the
    // turns of the two another order.
    let before = answers(&node, 10);
    node.order(&["call", "web", "t:web/api#f"]).unwrap();
    let all = before + &answers(&node, 10);
    for answer in [1_001, 1_002, 2_001, 2_002] {
        assert!(all.contains(&format!(" 200 {answer}")), "{answer}: {all}");
    }
    // And it is said of each version's calls, where they would go.
    let explained = node.order(&["explain", "t:web", "t:part/api#f"]).unwrap();
    let imports = explained.matches("imports t:part/api@1.0.0").count();
    let shares = explained.matches("has 50% of the traffic").count();
    let chosen = explained.lines().filter(|line| line.starts_with("->")).count();
    assert_eq!((imports, shares, chosen), (2, 4, 2), "{explained}");
    for candidate in ["t:part:1.0.1", "t:part:1.0.2"] {
        assert!(explained.lines().any(|line| line.contains(candidate)), "{explained}");
    }
    let unknown = node.aether(&["explain", "t:part", "t:web/api#f"]);
    assert!(unknown.exit == 3 && unknown.text.contains("unknown-target"), "{}", unknown.text);
}
