//! Slices that others call: what it takes to take them away.

use crate::apps::{slice, write};
use crate::node::{Node, wait};

#[test]
fn a_slice_that_others_call_goes_with_them_or_not_at_all() {
    let node = Node::start();
    let folder = node.folder("shop");
    let (web, orders) = (slice("web", &["orders"]), slice("orders", &["stock"]));
    let (stock, mail) = (slice("stock", &[]), slice("mail", &[]));
    write(&folder, "shop", &[web.clone(), orders.clone(), stock, mail.clone()], "");
    node.deployed(&folder);
    let chain = "t:web:1.0.0 -> t:orders:1.0.0 -> t:stock:1.0.0";

    let refused = node.aether(&["undeploy", "shop", "--slice", "t:stock"]);
    assert_eq!(refused.exit, 4, "{}", refused.text);
    for word in ["dependents-active", chain, &node.id, "--force"] {
        assert!(refused.text.contains(word), "{word}: {}", refused.text);
    }
    // A blueprint that drops it says the same.
    let less = node.folder("less");
    write(&less, "shop", &[web, orders, mail], "");
    let refused = node.deploy(&less);
    assert_eq!(refused.exit, 2, "{}", refused.text);
    for word in ["unknown-import", "dependents-active", chain] {
        assert!(refused.text.contains(word), "{word}: {}", refused.text);
    }
    let unknown = node.aether(&["undeploy", "shop", "--slice", "t:nope"]);
    assert!(unknown.exit == 3 && unknown.text.contains("t:stock"), "{}", unknown.text);

    // What nobody calls goes alone; what is called takes its callers along.
    node.order(&["undeploy", "shop", "--slice", "t:web"]).unwrap();
    node.order(&["undeploy", "shop", "--slice", "t:stock", "--force"]).unwrap();
    wait("the rest is all there is", || {
        let slices = node.aether(&["slices"]).text;
        slices.contains("t:mail")
            && ["t:web", "t:orders", "t:stock"].iter().all(|gone| !slices.contains(gone))
    });
    let last = node.aether(&["undeploy", "shop", "--slice", "t:mail"]);
    assert!(last.exit == 4 && last.text.contains("aether undeploy shop"), "{}", last.text);
}
