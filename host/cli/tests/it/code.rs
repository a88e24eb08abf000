//! Compiled code goes from node to node.

use crate::apps::{web, write};
use crate::node::cluster;

#[test]
fn a_slice_is_compiled_once_in_a_cluster() {
    let nodes = cluster::<3>();
    let folder = nodes[0].folder("shop");
    write(&folder, "shop", &[web("shop", "/shop")], "instances = 3");
    nodes[0].deployed(&folder);
    for node in &nodes {
        node.wait_for("/shop", 200);
    }
    // One instance on each, and the node that took the deployment has compiled it.
    let compiled = nodes.each_ref().map(|node| node.json(&["status"]).unwrap()["node"].clone());
    let compiled =
        compiled.map(|node| (node["active-instances"].clone(), node["compiled"].clone()));
    assert_eq!(compiled, [(1, 1), (1, 0), (1, 0)].map(|(a, c)| (a.into(), c.into())));
}
