//! Nodes that must not take part: each ends, or stands aside, with the reason, and costs nothing
//! that was acknowledged.

use crate::node::{cluster, leader, wait_for_voters};
use crate::store::{Store, Written};

#[test]
fn a_node_on_an_older_copy_of_its_folder_is_refused() {
    let mut nodes = cluster::<3>();
    let store = Store::of(&nodes);
    let old = (leader(&nodes) + 1) % 3;
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("data");
    nodes[old].kill();
    nodes[old].copy_data(&copy).unwrap();
    nodes[old].again(crate::node::At::Same);
    wait_for_voters(&nodes, 3);
    store.moved(&nodes);
    let keys: Vec<String> = (0..20).map(|turn| format!("late/{turn}")).collect();
    for key in &keys {
        assert!(matches!(store.put(old, key, key, None), Written::At(_)), "{key}");
    }
    nodes[old].kill();
    nodes[old].restore_data(&copy).unwrap();
    let address = nodes[old].cluster.clone();
    let (exit, said) = nodes[old].again_in_vain(&["--cluster", &address]);
    assert_eq!(exit, 4, "{said}");
    let words = ["stale-data", "older copy", "aether node remove", "empty folder"];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");

    // The way out that it names; nothing is lost, and three vote again.
    let others: Vec<usize> = (0..3).filter(|at| *at != old).collect();
    let removed = nodes[others[0]].aether(&["node", "remove", &nodes[old].id]);
    assert_eq!(removed.exit, 0, "{}", removed.text);
    let joined = nodes[others[0]].another();
    wait_for_voters([&nodes[others[0]], &joined], 3);
    for key in &keys {
        let held = store.get(others[1], key).unwrap();
        assert_eq!(held.map(|(value, _)| value).as_ref(), Some(key), "it was acknowledged");
    }
}
