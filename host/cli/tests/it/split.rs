//! A/B splits on three nodes: whoever asks sees one version, whatever node is asked, and what each
//! version did is counted for itself.

use crate::apps::{Part, write};
use crate::http;
use crate::node::{Node, cluster, wait};
use crate::rollout::{answers, reaches, roll, status};
use aether_api::{Graph, RolloutPhase};
use std::collections::BTreeMap;

/// The header of a request of this user.
type Header = fn(usize) -> String;

/// By what a requester is known, and the header of a request of one.
const SPLITS: [(&str, Header); 3] = [
    ("{ header = \"user\" }", |user| format!("user: u{user}")),
    ("{ cookie = \"session\" }", |user| format!("cookie: theme=dark; session=u{user}; x=1")),
    ("\"key\"", |user| format!("x-key: u{user}")),
];
const USERS: usize = 40;
/// Requests of nobody in particular.
const STRANGERS: usize = 20;

/// `t:web:1.0.ANSWER`, whose requests have a key.
fn web(answer: u32) -> Vec<u8> {
    let slice_toml = format!(
        "[slice]\nartifact = \"t:web:1.0.{answer}\"\n[[routes]]\nroute = \"GET /web\"\n\
         call = \"t:web/api#f\"\naffinity = \"header:x-key\""
    );
    let export = "t:web/api@1.0.0";
    Part { imports: "", export, result: "u32", answer, slice_toml: &slice_toml }.bytes()
}

/// What a request with this header is answered.
fn ask(node: &Node, header: &str) -> u32 {
    let request =
        format!("GET /web HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{header}\r\n\r\n");
    let answer = http::raw(node.http, request.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.rsplit("\r\n").next().unwrap().parse().unwrap()
}

/// Requests from outside that each revision has taken, as a node knows it.
fn taken(node: &Node) -> BTreeMap<u64, u64> {
    let graph: Graph = serde_json::from_value(node.json(&["graph", "web"]).unwrap()).unwrap();
    graph.edges.into_iter().map(|edge| (edge.version, edge.calls)).collect()
}

#[test]
fn a_requester_sees_one_version_on_every_node_until_it_is_concluded() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("web");
    write(&folder, "web", &[web(1)], "");
    nodes[0].deployed(&folder);
    // The version that answers, and what each revision was asked so far.
    let (mut old, mut asked) = (1, BTreeMap::<u64, u64>::new());
    for ((sticky, header), new) in SPLITS.into_iter().zip(2..) {
        write(&folder, "web", &[web(new)], "");
        roll(&nodes[0], &folder, &format!("a-b = {{ weight = \"50%\", sticky = {sticky} }}"));
        let held = reaches(&nodes[0], RolloutPhase::Holding);
        let revisions = [held.old, held.new];
        let mut users = [0, 0];
        for user in 0..USERS {
            let seen = nodes.each_ref().map(|node| ask(node, &header(user)));
            assert!(seen == [old; 3] || seen == [new; 3], "{sticky}: {seen:?}");
            users[usize::from(seen[0] == new)] += 1;
        }
        assert!(users[0] > 0 && users[1] > 0, "both have some: {users:?}");
        let half = STRANGERS / 2;
        let shared = format!("{half} x 200 {old}, {half} x 200 {new}");
        assert_eq!(answers(&nodes[1], STRANGERS), shared);
        for (revision, users) in revisions.iter().zip(users) {
            *asked.entry(*revision).or_default() += (3 * users + half) as u64;
        }
        wait("what each version did is counted", || {
            let taken = taken(&nodes[2]);
            revisions.iter().all(|revision| taken.get(revision) == asked.get(revision))
        });
        let explained = nodes[2].order(&["explain", "GET", "/web"]).unwrap();
        assert!(explained.contains("get the same version"), "{explained}");
        // The second one is not better.
        let (winner, stays) = if new == 3 { ("old", old) } else { ("new", new) };
        nodes[1].order(&["rollout", "conclude", "web", "--winner", winner]).unwrap();
        reaches(&nodes[1], RolloutPhase::Ended);
        old = stays;
        assert_eq!(answers(&nodes[2], 10), format!("10 x 200 {old}"), "{:?}", status(&nodes[2]));
        // Its instances are listed once, whichever version they are of.
        wait("all nodes take the other one away", || {
            let explained = nodes[2].order(&["explain", "GET", "/web"]).unwrap();
            let shown = |line: &&str| line.contains("t:web:1.0.");
            let shown: Vec<_> = explained.lines().filter(shown).collect();
            shown.len() == 1 && shown[0].starts_with(&format!("->  t:web:1.0.{old}  0 "))
        });
        *asked.entry(revisions[usize::from(winner == "new")]).or_default() += 10;
    }
    // Without a key nobody could be told apart by it.
    write(&folder, "web", &[crate::rollout::web(9)], "");
    let by_key = "a-b = { weight = \"50%\", sticky = \"key\" }";
    let path = folder.to_str().unwrap();
    let refused = nodes[0].aether(&["deploy", path, "--strategy", by_key]);
    assert!(refused.exit == 2 && refused.text.contains("no route"), "{}", refused.text);
}
