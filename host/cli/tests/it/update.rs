//! Updates and removals of applications that are in use.

use crate::apps::{web, write};
use crate::http;
use crate::node::Node;
use load::Load;
use std::sync::atomic::Ordering;

/// Clients that never stop asking.
pub(crate) mod load {
    use crate::http;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread::JoinHandle;

    pub(crate) struct Load {
        stop: Arc<AtomicBool>,
        pub(crate) asked: Arc<AtomicUsize>,
        clients: Vec<JoinHandle<Vec<String>>>,
    }

    impl Load {
        pub(crate) fn start(clients: usize, to: SocketAddr, path: &'static str) -> Self {
            let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let client = |_| {
                let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
                std::thread::spawn(move || {
                    let mut failed = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        match http::get(to, path) {
                            Ok(answer) if answer.status == 200 => {}
                            other => failed.push(format!("{other:?}")),
                        }
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                    failed
                })
            };
            let clients = (0..clients).map(client).collect();
            Self { stop, asked, clients }
        }

        /// The requests that failed.
        pub(crate) fn stop(self) -> Vec<String> {
            self.stop.store(true, Ordering::Relaxed);
            self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        }
    }
}

#[test]
fn no_request_fails_while_an_application_is_updated() {
    let node = Node::start();
    let folder = node.folder("web");
    let hello = aether_test_guests::bytes("http-hello");
    let route = "[[routes]]\nroute = \"* /web/**\"\nslice = \"t:web\"\nhandler = \"wasi:http\"\n";
    let deploy = |i: usize| {
        // Other bytes every second time, another configuration every time.
        let slice_toml = format!("[slice]\nartifact = \"t:web:1.0.{}\"", i / 2);
        let bytes = aether_slice_build::embed(&hello, &slice_toml).unwrap();
        let config = format!("{route}[config]\nround = \"{i}\"");
        write(&folder, "web", &[bytes], &config);
        node.deployed(&folder);
    };
    deploy(0);
    let load = Load::start(4, node.http, "/web/hello");
    for i in 1..=10 {
        let before = load.asked.load(Ordering::Relaxed);
        deploy(i);
        crate::node::wait("clients were answered", || {
            load.asked.load(Ordering::Relaxed) > before + 20
        });
    }
    let failed = load.stop();
    assert!(failed.is_empty(), "{} failed, such as {:?}", failed.len(), &failed[0]);
}

#[test]
fn what_is_as_it_should_be_stays_and_what_goes_takes_its_own() {
    let node = Node::start();
    let [one, _] = ["one", "two"].map(|name| {
        let folder = node.folder(name);
        write(&folder, name, &[web(name, &format!("/{name}"))], "");
        node.deployed(&folder);
        folder
    });
    let revision = |app| node.aether(&["status", app, "--json"]).text;
    let before = revision("one");
    node.deployed(&one);
    assert_eq!(revision("one"), before);
    let gone = node.aether(&["undeploy", "one"]);
    assert_eq!(gone.exit, 0, "{}", gone.text);
    node.wait_for("/one", 404);
    assert_eq!(node.get("/two").status, 200);
    let routes = node.aether(&["routes"]).text;
    assert!(routes.contains("/two") && !routes.contains("/one"), "{routes}");
    assert_eq!(node.aether(&["undeploy", "one"]).exit, 3);
    node.deployed(&one);
    assert_eq!(node.get("/one").status, 200);
    assert!(http::get(node.http, "/three").is_ok_and(|answer| answer.status == 404));
}

#[test]
fn a_plan_says_what_an_update_would_change_and_changes_nothing() {
    let node = Node::start();
    let folder = node.folder("web");
    let plan = || node.aether(&["plan", folder.to_str().unwrap(), "--json"]);
    write(&folder, "web", &[web("web", "/old")], "");
    node.deployed(&folder);
    write(&folder, "web", &[web("web", "/new")], "[cache.more]");
    let stored = node.aether(&["status", "web", "--json"]).text;
    let first = plan();
    let report: aether_api::CheckReport = serde_json::from_str(&first.text).unwrap();
    let changes = report.changes.iter().map(|c| format!("{:?} {} {}", c.kind, c.what, c.detail));
    let steps = report.steps.iter().map(|step| format!("{:?} {}", step.kind, step.instance));
    expect_test::expect![[r#"
        Changed slice t:web other bytes
        Removed route GET /old 
        Added route GET /new 
        Added bucket more 
        Replace web/t:web:1.0.0#0"#]]
    .assert_eq(&changes.chain(steps).collect::<Vec<_>>().join("\n"));
    assert_eq!((first.exit, &first.text), (1, &plan().text), "it is asked again");
    assert_eq!(node.aether(&["status", "web", "--json"]).text, stored);
    assert_eq!((node.get("/old").status, node.get("/new").status), (200, 404));
    let deployed = node.deployed(&folder);
    assert!(deployed.contains("Uploading"), "the plan stored nothing: {deployed}");
    let second = plan();
    let report: aether_api::CheckReport = serde_json::from_str(&second.text).unwrap();
    assert!(!report.changed && report.changes.is_empty() && report.steps.is_empty());
    assert_eq!(second.exit, 0);
}

#[test]
fn of_two_that_deploy_what_they_planned_one_is_refused() {
    let node = Node::start();
    let folder = node.folder("web");
    write(&folder, "web", &[web("web", "/old")], "");
    node.deployed(&folder);
    let planned = node.aether(&["plan", folder.to_str().unwrap(), "--json"]).text;
    let report: aether_api::CheckReport = serde_json::from_str(&planned).unwrap();
    let revision = report.revision.to_string();
    let ended = std::thread::scope(|scope| {
        let deploys = ["/a", "/b", "/c"].map(|route| {
            let (folder, node, revision) = (node.folder(&route[1..]), &node, &revision);
            write(&folder, "web", &[web("web", route)], "");
            scope.spawn(move || {
                let path = folder.to_str().unwrap();
                let ended = node.aether(&["deploy", path, "--revision", revision, "--no-wait"]);
                (route, ended.exit, ended.text)
            })
        });
        deploys.map(|deploy| deploy.join().unwrap())
    });
    let won: Vec<_> = ended.iter().filter(|(_, exit, _)| *exit == 0).collect();
    assert_eq!(won.len(), 1, "{ended:?}");
    for (route, exit, text) in &ended {
        let refused = *exit == 4 && text.contains("[revision-conflict]");
        assert!(refused || *route == won[0].0, "{text}");
    }
    let routes = node.aether(&["routes"]).text;
    assert!(routes.contains(won[0].0) && !routes.contains("/old"), "{routes}");
}

#[test]
fn new_applications_that_come_together_do_not_get_the_same_route() {
    let node = Node::start();
    let apps = [("a", "/same"), ("b", "/same"), ("c", "/same"), ("d", "/d"), ("e", "/e")];
    let ended = std::thread::scope(|scope| {
        let deploys = apps.map(|(app, route)| {
            let (folder, node) = (node.folder(app), &node);
            write(&folder, app, &[web(app, route)], "");
            scope.spawn(move || (route, node.deploy(&folder)))
        });
        deploys.map(|deploy| deploy.join().unwrap())
    });
    let came: Vec<_> = ended.iter().filter(|(_, it)| it.exit == 0).map(|(at, _)| *at).collect();
    assert_eq!(came, ["/same", "/d", "/e"], "{ended:?}");
    for (_, refused) in ended.iter().filter(|(_, it)| it.exit != 0) {
        assert!(refused.exit == 2 && refused.text.contains("route-conflict"), "{}", refused.text);
    }
}
