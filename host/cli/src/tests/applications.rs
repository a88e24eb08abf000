//! Deploying, looking at and taking away applications; blueprints that are refused.

use super::*;

#[test]
fn an_application_is_deployed_looked_at_and_taken_away() {
    let server = Server::start();
    let dir = folder("shop", SLICE);
    let path = dir.path().to_str().unwrap();
    server.check(
        &["status"],
        expect![[r#"
            2> no applications yet: `aether deploy PATH` brings one
            cluster  cccccccc, 1 node, writable
            node     a1b2c3d4, aether 0.1.0, up 1h 2m
                     http 127.0.0.1:8070, api 127.0.0.1:8080
            raft     leader in term 2, 12 of 12 entries applied
            memory   128 MiB of 1.0 GiB promised to slices, 96 MiB in use
            exit 0
        "#]],
    );
    let (out, err, exit) = server.run("operator", &["deploy", path]);
    let err = err.replace(path, "DIR");
    let verbs: Vec<&str> = err.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(verbs, ["Uploading", "Applying", "Waiting", "Active", "Answering"], "{err}");
    assert_eq!(
        (out.as_str(), exit),
        (
            "ROUTE             ANSWERED BY\nPOST /api/orders  shop:place-order shop:orders/place@1.0.0#place\n",
            0
        )
    );
    let (_, err, _) = server.run("operator", &["deploy", path, "--no-wait"]);
    assert!(!err.contains("Uploading"), "the cluster has it already: {err}");
    check_views(&server);
    server.check(
        &["deploy", path, "--revision", "1"],
        expect![[r#"
        2>     Applying shop 1.2.0
        2> error: failed to deploy shop: shop is at revision 2 [revision-conflict]
        exit 4
    "#]],
    );
    server.check(
        &["undeploy", "shop"],
        expect![[r#"
        2>      Removed shop; its instances drain now
        exit 0
    "#]],
    );
    server.check(
        &["undeploy", "shop"],
        expect![[r#"
        2> error: failed to undeploy shop: there is no application shop [unknown-application]
        2> help: `aether status` lists the applications
        exit 3
    "#]],
    );
}

#[test]
fn a_plan_says_what_would_change_and_how_to_apply_it() {
    let server = Server::start();
    let dir = folder("shop", SLICE);
    let path = dir.path().to_str().unwrap();
    let check = |args: &[&str], expect: Expect| {
        let (out, err, exit) = server.run("operator", args);
        expect.assert_eq(&format!("{err}{out}exit {exit}\n").replace(path, "PATH"));
    };
    check(
        &["plan", path],
        expect![[r#"
            Checking a.wasm (1 B)
            Checking shop 1.2.0
               Valid it would be a new application; nothing was changed
        CHANGE  WHAT                    HOW
        added   route POST /api/orders

        NODE      PLAN    INSTANCE
        a1b2c3d4  starts  shop/shop:place-order:1.0.0#0

        shop:place-order:1.0.0: 2 instances share 1 node [not-enough-nodes]

        to apply exactly this: aether deploy PATH --revision 0 --server SERVER
        exit 1
    "#]],
    );
    check(
        &["status", "shop"],
        expect![[r#"
        error: failed to read shop: there is no application shop [unknown-application]
        help: `aether status` lists the applications
        exit 3
    "#]],
    );
    server.run("operator", &["deploy", path, "--revision", "0"]);
    check(
        &["plan", path],
        expect![[r#"
            Checking shop 1.2.0
               Valid it is what revision 1 says already; nothing was changed
        exit 0
    "#]],
    );
    check(
        &["plan", path, "--json"],
        expect![[r#"
        {
          "apply": "aether deploy PATH --revision 1 --server SERVER",
          "changed": false,
          "changes": [],
          "notes": [],
          "revision": 1,
          "steps": []
        }
        exit 0
    "#]],
    );
    let (_, err, exit) = server.run("viewer", &["plan", path]);
    assert!(err.contains("role-too-low"), "{err}");
    assert_eq!(exit, 2, "a plan that cannot be made is told from one that changes something");
}

/// What is shown of an application that was just deployed.
fn check_views(server: &Server) {
    server.check(
        &["status"],
        expect![[r#"
            cluster  cccccccc, 1 node, writable
            node     a1b2c3d4, aether 0.1.0, up 1h 2m
                     http 127.0.0.1:8070, api 127.0.0.1:8080
            raft     leader in term 2, 12 of 12 entries applied
            memory   128 MiB of 1.0 GiB promised to slices, 96 MiB in use

            APPLICATION  VERSION  REVISION  PHASE      SLICES  INSTANCES
            shop         1.2.0    2         DEPLOYING  1       0/1

            shop:place-order:1.0.0: 2 instances share 1 node [not-enough-nodes]
            exit 0
        "#]],
    );
    server.check(
        &["status", "shop"],
        expect![[r#"
            shop 1.2.0, revision 2: DEPLOYING

            SLICE                   INSTANCE  NODE      STATE
            shop:place-order:1.0.0  0         a1b2c3d4  LOADING

            shop:place-order:1.0.0: 2 instances share 1 node [not-enough-nodes]

            ROUTE             ANSWERED BY
            POST /api/orders  shop:place-order shop:orders/place@1.0.0#place
            exit 0
        "#]],
    );
}

#[test]
fn slices_and_routes_are_listed_until_they_are_taken_away() {
    let server = Server::start();
    let dir = folder("shop", SLICE);
    let path = dir.path().to_str().unwrap();
    server.run("operator", &["deploy", path, "--no-wait"]);
    server.run("operator", &["deploy", path]);
    server.check(
        &["slices"],
        expect![[r#"
            APPLICATION  SLICE                   DIGEST    ACTIVE  STATE   WHY NOT
            shop         shop:place-order:1.0.0  2d711642  1/1     ACTIVE
            exit 0
        "#]],
    );
    server.check(
        &["routes"],
        expect![[r#"
        ROUTE             APPLICATION  SLICE                   ANSWERED BY                    STATE
        POST /api/orders  shop         shop:place-order:1.0.0  shop:orders/place@1.0.0#place  ACTIVE
        exit 0
    "#]],
    );
}

#[test]
fn tables_fit_a_narrow_terminal() {
    let server = Server { width: Some(48), ..Server::start() };
    let dir = folder("shop", SLICE);
    server.run("operator", &["deploy", dir.path().to_str().unwrap()]);
    server.check(
        &["routes"],
        expect![[r#"
            ROUTE      APPLICATI  SLICE     ANSWERED  STATE
                       ON                   BY
            POST /api  shop       shop:pla  shop:ord  ACTIVE
            /orders               ce-order  ers/plac
                                  :1.0.0    e@1.0.0#
                                            place
            exit 0
        "#]],
    );
}

#[test]
fn json_goes_to_stdout_and_talk_stays_away() {
    let server = Server::start();
    let dir = folder("shop", SLICE);
    let (out, err, exit) =
        server.run("operator", &["deploy", dir.path().to_str().unwrap(), "--json"]);
    assert_eq!((err.as_str(), exit), ("", 0));
    let application: aether_api::Application = serde_json::from_str(&out).unwrap();
    assert_eq!(application.phase, aether_api::Phase::Active);
    for list in ["status", "slices", "routes", "openapi"] {
        let (out, err, exit) = server.run("viewer", &[list, "--json"]);
        assert!(serde_json::from_str::<serde_json::Value>(&out).unwrap().is_object(), "{out}");
        assert_eq!((err.as_str(), exit), ("", 0));
    }
    server.check(&["undeploy", "nope", "--json"], expect![[r#"
        2> {"error":{"code":"unknown-application","help":"`aether status` lists the applications","message":"failed to undeploy nope: there is no application nope","request-id":"ID"}}
        exit 3
    "#]]);
    server.check(&["logs", "--json"], expect![[r#"
        {"seq":1,"time":"2026-11-21T22:02:03.046Z","level":"info","node":"a1b2c3d4e5f60718","message":"instance active","target":"aether_node","app":"shop","slice":"shop:place-order:1.0.0","request-id":null,"fields":{"ordinal":"0"}}
        {"seq":2,"time":"2026-11-21T22:02:03.047Z","level":"warn","node":"a1b2c3d4e5f60718","message":"stock is low","target":"aether_node","app":"shop","slice":"shop:place-order:1.0.0","request-id":"r-1","fields":{"ordinal":"0"}}
        exit 0
    "#]]);
}

#[test]
fn an_application_that_cannot_become_active_says_why_not() {
    let server = Server::start();
    let dir = folder("broken", SLICE);
    let path = dir.path().to_str().unwrap();
    server.run("operator", &["deploy", path, "--no-wait"]);
    server.run("operator", &["status", "broken"]);
    server.check(
        &["status"],
        expect![[r#"
            cluster  cccccccc, 1 node, writable
            node     a1b2c3d4, aether 0.1.0, up 1h 2m
                     http 127.0.0.1:8070, api 127.0.0.1:8080
            raft     leader in term 2, 12 of 12 entries applied
            memory   128 MiB of 1.0 GiB promised to slices, 96 MiB in use

            APPLICATION  VERSION  REVISION  PHASE   SLICES  INSTANCES
            broken       1.2.0    1         FAILED  1       0/1

            shop:place-order:1.0.0: 2 instances share 1 node [not-enough-nodes]

            shop:place-order:1.0.0 #0 on a1b2c3d4: the start hook returned: no database [start-failed]
            exit 0
        "#]],
    );
    server.check(
        &["status", "broken"],
        expect![[r#"
            broken 1.2.0, revision 1: FAILED

            SLICE                   INSTANCE  NODE      STATE
            shop:place-order:1.0.0  0         a1b2c3d4  FAILED

            shop:place-order:1.0.0 #0 on a1b2c3d4: the start hook returned: no database [start-failed]

            shop:place-order:1.0.0: 2 instances share 1 node [not-enough-nodes]

            ROUTE             ANSWERED BY
            POST /api/orders  shop:place-order broken:orders/place@1.0.0#place
            exit 0
        "#]],
    );
    server.check(&["slices"], expect![[r#"
        APPLICATION  SLICE                   DIGEST    ACTIVE  STATE   WHY NOT
        broken       shop:place-order:1.0.0  2d711642  0/1     FAILED  the start hook returned: no database [start-failed]
        exit 0
    "#]]);
    let (_, err, exit) = server.run("operator", &["deploy", path, "--timeout", "300ms"]);
    assert_eq!(exit, Exit::TimedOut as u8);
    assert!(err.contains("error: broken is not active yet: it is FAILED"), "{err}");
    assert!(err.contains("no database [start-failed]"), "{err}");
}

#[test]
fn blueprints_are_refused_with_their_place() {
    let server = Server::start();
    let check = |slices: &str, expect: Expect| {
        let dir = folder("shop", slices);
        let (_, err, exit) = server.run("operator", &["deploy", dir.path().to_str().unwrap()]);
        let (_, checked, _) = server.run("", &["blueprint", "check", dir.path().to_str().unwrap()]);
        assert_eq!(err, checked, "both commands read alike");
        let dir = dir.path().display().to_string();
        expect.assert_eq(&format!("{}exit {exit}\n", err.replace(&dir, "DIR")));
    };
    check(
        "[[slices]]\nfile = \"a.wasm\"\ninstanses = 2\n",
        expect![[r#"
        error: DIR/blueprint.toml:6:1: there is no key `instanses` here [toml-unknown-key]
        help: did you mean `instances`?
        exit 2
    "#]],
    );
    check(
        "[[slices]]\ninstances = 2\n[cache.a]\nmax-bytes = \"1B\"\n",
        expect![[r#"
        error: 2 problems
          DIR/blueprint.toml:4:1: a slice needs `artifact` or `file` [toml-value]
            help: `file` names a component on disk, `artifact` a stored one
          DIR/blueprint.toml:6:1: max-bytes must be 64KiB to 64GiB [toml-value]
        exit 2
    "#]],
    );
    check(
        "[[slices]]\nfile = \"a.wasm\"\n[[slices]]\n  file = \"b.wasm\"\n",
        expect![[r#"
        error: DIR/blueprint.toml:7:10: failed to read DIR/b.wasm: No such file or directory (os error 2) [artifact-missing]
        help: `aether slice build DIR` builds a slice
        exit 2
    "#]],
    );
    check(
        "[[slices",
        expect![[r#"
        error: DIR/blueprint.toml:4:9: unclosed array table, expected `]]` [toml-syntax]
        exit 2
    "#]],
    );
    server.check(
        &["deploy", "/nowhere/at/all"],
        expect![[r#"
        2> error: failed to read /nowhere/at/all: No such file or directory (os error 2)
        2> help: name a blueprint.toml, or the folder that holds one
        exit 3
    "#]],
    );
    server.check(
        &["blueprint", "check", "/nowhere/at/all"],
        expect![[r#"
        2> error: failed to read /nowhere/at/all: No such file or directory (os error 2)
        2> help: name a blueprint.toml, or the folder that holds one
        exit 3
    "#]],
    );
}

#[test]
fn a_valid_blueprint_is_called_so() {
    let server = Server::start();
    let dir = folder("shop", "[[slices]]\nartifact = \"shop:place-order:1.0.0\"\n");
    let (out, _, exit) = server.run("", &["blueprint", "check", dir.path().to_str().unwrap()]);
    assert_eq!(exit, 0);
    let right = "blueprint.toml: shop 1.2.0, 1 slice, 0 components here; all of it is valid\n";
    assert!(out.ends_with(right), "{out}");
}

#[test]
fn components_are_checked_before_they_are_deployed() {
    let server = Server::start();
    let dir = folder("shop", SLICE);
    let path = dir.path().to_str().unwrap();
    let check = |args: &[&str], expect: Expect| {
        let (_, err, exit) = server.run("", args);
        expect.assert_eq(&format!("{}exit {exit}\n", err.replace(path, "DIR")));
    };
    let component = format!("{path}/a.wasm");
    check(
        &["blueprint", "check", path],
        expect![[r#"
        error: DIR/a.wasm: component: this is not WebAssembly [not-a-component]
        help: build for wasm32-wasip2, or make a component with `wasm-tools component new`
        exit 2
    "#]],
    );
    check(
        &["slice", "inspect", &component],
        expect![[r#"
        error: DIR/a.wasm: component: this is not WebAssembly [not-a-component]
        help: build for wasm32-wasip2, or make a component with `wasm-tools component new`
        exit 2
    "#]],
    );
    check(
        &["slice", "inspect", "/nowhere.wasm"],
        expect![[r#"
        error: failed to read /nowhere.wasm: No such file or directory (os error 2)
        exit 3
    "#]],
    );
}

#[test]
fn slices_have_good_names_and_folders() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    server.check(&["slice", "new", "My_Slice"], expect![[r#"
        2> error: failed to use "My_Slice" as the name of a slice: it is made of words of a-z and 0-9 that begin with a letter, joined by -
        exit 2
    "#]]);
    let (_, err, exit) = server.run("", &["slice", "build", dir.path().to_str().unwrap()]);
    assert_eq!(exit, Exit::Invalid as u8);
    assert!(err.starts_with("error: there is no Cargo.toml in "), "{err}");
}
