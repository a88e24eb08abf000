//! Commands as people type them, before a server that is real and a node that is a fake.

use crate::args::Cli;
use crate::commands;
use crate::exit::Exit;
use crate::target::Surroundings;
use crate::ui::Ui;
use clap::{CommandFactory, Parser};
use expect_test::{Expect, expect};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// A server with a fake node, for as long as the value lives.
struct Server {
    address: String,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default, Clone)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = runtime.block_on(aether_api::fake::serve_fake()).unwrap().to_string();
        Self { address, _runtime: runtime }
    }

    /// What a command writes to stdout and stderr, and its exit code.
    fn run(&self, key: &str, args: &[&str]) -> (String, String, u8) {
        let local = matches!(args[0], "blueprint" | "completions");
        let remote = ["--server", &self.address, "--key", key];
        let remote = if local { &[][..] } else { &remote };
        let (out, err) = (Buffer::default(), Buffer::default());
        let exit = match Cli::try_parse_from(["aether"].iter().chain(args).chain(remote)) {
            Err(error) => {
                write!(err.clone(), "{error}").unwrap();
                u8::try_from(error.exit_code()).unwrap()
            }
            Ok(Cli { command }) => {
                let mut ui = Ui {
                    out: Box::new(out.clone()),
                    err: Box::new(err.clone()),
                    json: command.json(),
                    colour_out: false,
                    colour_err: false,
                };
                match commands::run(command, &Surroundings::default(), &mut ui) {
                    Ok(()) => Exit::Done as u8,
                    Err(failure) => {
                        ui.failure(&failure);
                        failure.exit() as u8
                    }
                }
            }
        };
        let hide = |text: String| text.replace(&self.address, "SERVER");
        (hide(out.text()), hide(err.text()), exit)
    }

    fn check(&self, args: &[&str], expect: Expect) {
        self.check_as("operator", args, expect);
    }

    /// The whole transcript. How long something took is nobody's expectation.
    fn check_as(&self, key: &str, args: &[&str], expect: Expect) {
        let (out, err, exit) = self.run(key, args);
        let timeless = |line: &str| match line.rsplit_once(", in ") {
            Some((before, _)) => format!("{before}, in TIME\n"),
            None => format!("{line}\n"),
        };
        let err: String = err.lines().map(|line| format!("2> {}", timeless(line))).collect();
        expect.assert_eq(&anonymous(&format!("{err}{out}exit {exit}\n")));
    }
}

/// Request ids are drawn: no two runs have the same.
fn anonymous(text: &str) -> String {
    let is_id = |word: &str| word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit());
    text.split('"').map(|word| if is_id(word) { "ID" } else { word }).collect::<Vec<_>>().join("\"")
}

/// A folder with a blueprint and a component.
fn folder(name: &str, slices: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let head = format!("[application]\nname = \"{name}\"\nversion = \"1.2.0\"\n");
    std::fs::write(dir.path().join("blueprint.toml"), head + slices).unwrap();
    std::fs::write(dir.path().join("a.wasm"), "x").unwrap();
    dir
}

const SLICE: &str = "[[slices]]\nfile = \"a.wasm\"\nartifact = \"shop:place-order:1.0.0\"\n";

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

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
    assert_eq!(verbs, ["Uploading", "Applying", "Waiting", "Active"], "{err}");
    assert_eq!(
        (out.as_str(), exit),
        (
            "ROUTE             ANSWERED BY\nPOST /api/orders  shop:place-order shop:orders/place@1.0.0#place\n",
            0
        )
    );
    let (_, err, _) = server.run("operator", &["deploy", path, "--no-wait"]);
    assert!(!err.contains("Uploading"), "the cluster has it already: {err}");
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
            exit 0
        "#]],
    );
    server.check(
        &["status", "shop"],
        expect![[r#"
            shop 1.2.0, revision 2: DEPLOYING

            SLICE                   INSTANCE  NODE      STATE
            shop:place-order:1.0.0  0         a1b2c3d4  LOADING

            ROUTE             ANSWERED BY
            POST /api/orders  shop:place-order shop:orders/place@1.0.0#place
            exit 0
        "#]],
    );
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
    server.check(
        &["deploy", path, "--if-revision", "1"],
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
    let dir = folder("shop", SLICE);
    let (out, _, exit) = server.run("", &["blueprint", "check", dir.path().to_str().unwrap()]);
    assert_eq!(exit, 0);
    assert!(
        out.ends_with(
            "blueprint.toml: shop 1.2.0, 1 slice, 1 component here; all of it is valid\n"
        ),
        "{out}"
    );
}

#[test]
fn functions_are_called_with_words_and_json() {
    let server = Server::start();
    let place = "shop:orders/place#place";
    server.check(
        &["call", "shop", place, "book", "2", "-3", "{\"gift\":true}", "\"7\""],
        expect![[r#"
            {
              "echo": [
                "book",
                2,
                -3,
                {
                  "gift": true
                },
                "7"
              ]
            }
            exit 0
        "#]],
    );
    server.check(
        &["call", "shop", place],
        expect![[r#"
        {
          "echo": []
        }
        exit 0
    "#]],
    );
    server.check(
        &["call", "shop", place, "--params", "{\"sku\":\"book\"}"],
        expect![[r#"
        {
          "echo": {
            "sku": "book"
          }
        }
        exit 0
    "#]],
    );
    server.check(
        &["call", "shop", place, "x", "--json"],
        expect![[r#"
            {
              "outcome": "ok",
              "value": {
                "echo": [
                  "x"
                ]
              },
              "request-id": "ID",
              "duration-us": 42
            }
            exit 0
        "#]],
    );
    server.check(
        &["call", "shop", place, "{\"gift\":"],
        expect![[r#"
        2> error: argument "{\"gift\":" is no JSON: EOF while parsing a value at line 1 column 8
        exit 2
    "#]],
    );
    server.check(
        &["call", "shop", place, "--params", "[1]"],
        expect![[r#"
        2> error: --params is not an object
        2> help: write the parameters by their names: --params '{"sku": "book"}'
        exit 2
    "#]],
    );
    server.check(
        &["call", "shop", "shop:orders/place#refuse"],
        expect![[r#"
        2> error: shop:orders/place#refuse returned an error
        "sold-out"
        exit 1
    "#]],
    );
    server.check(&["call", "shop", "shop:orders/place#slow"], expect![[r#"
        2> error: failed to call shop:orders/place#slow of shop: the deadline passed [deadline-exceeded]
        2> help: raise its timeout, or retry
        exit 7
    "#]]);
    server.check(&["call", "shop", "shop:orders/place#nope"], expect![[r#"
        2> error: failed to call shop:orders/place#nope of shop: no slice of shop exports a function nope [unknown-function]
        exit 3
    "#]]);
    server.check(&["call", "shop", "place"], expect![[r#"
        2> error: failed to call place of shop: "place" is not a function name (interface#function, such as "shop:orders/place#place") [request-invalid]
        exit 2
    "#]]);
}

#[test]
fn logs_and_decisions_are_shown() {
    let server = Server::start();
    server.check(
        &["logs"],
        expect![[r#"
            22:02:03.046  INFO shop:place-order:1.0.0 instance active ordinal=0
            22:02:03.047  WARN shop:place-order:1.0.0 stock is low ordinal=0 request-id=r-1
            exit 0
        "#]],
    );
    server.check(
        &["logs", "shop", "--level", "warn", "--request-id", "r-1"],
        expect![[r#"
            22:02:03.047  WARN shop:place-order:1.0.0 stock is low ordinal=0 request-id=r-1
            exit 0
        "#]],
    );
    server.check(
        &["explain", "GET", "/api/orders/7"],
        expect![[r#"
            GET /api/orders/7 matches no longer prefix
            one candidate

                SLICE                   INSTANCE  NODE      STATE   WHY
            ->  shop:place-order:1.0.0  0         a1b2c3d4  ACTIVE  the only active instance
            exit 0
        "#]],
    );
}

#[test]
fn keys_come_and_go() {
    let server = Server::start();
    server.check_as(
        "admin",
        &["keys", "create", "ci", "--role", "operator"],
        expect![[r#"
        2>      Created key 00000000 of ci; its secret is shown once:
        aether_00000000_0000000000000000000000000000000000000000000000000000000000000000
        exit 0
    "#]],
    );
    server.check_as(
        "admin",
        &["keys", "list"],
        expect![[r#"
        ID        NAME  ROLE      CREATED
        00000000  ci    operator  2026-11-21T22:02:03.045Z
        exit 0
    "#]],
    );
    server.check_as(
        "admin",
        &["keys", "delete", "00000000"],
        expect![[r#"
        2>      Deleted key 00000000
        exit 0
    "#]],
    );
    server.check_as(
        "admin",
        &["keys", "delete", "00000000"],
        expect![[r#"
        2> error: failed to delete the key: there is no key with id 00000000 [unknown-key]
        exit 3
    "#]],
    );
    server.check_as("operator", &["keys", "list"], expect![[r#"
        2> error: failed to list the keys: key "the operator" has the role operator; this needs admin [role-too-low]
        2> help: ask an administrator for another key: `aether keys create NAME --role ROLE`
        exit 5
    "#]]);
    server.check_as("stranger", &["status"], expect![[r#"
        2> error: failed to read the status: the cluster does not know this key [unauthenticated]
        2> help: give a key with --key or AETHER_KEY; the first one is in admin.key in the node's data folder
        exit 5
    "#]]);
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let server = Server::start();
    server.check(&["undeploy", "Shop"], expect![[r#"
        2> error: invalid value 'Shop' for '<APP>': "Shop" is not an application name (a-z, 0-9 and -, at most 63 characters, such as "shop")
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]]);
    server.check(
        &["logs", "--limit", "0"],
        expect![[r#"
        2> error: invalid value '0' for '--limit <N>': 0 is not in 1..=1000
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
    server.check(&["deploy", "--timeout", "5"], expect![[r#"
        2> error: invalid value '5' for '--timeout <TIME>': "5" is not a span of time with a unit, such as "250ms", "5s" or "2m"
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]]);
    server.check(
        &["keys", "create", "ci"],
        expect![[r#"
            2> error: the following required arguments were not provided:
            2>   --role <ROLE>
            2> 
            2> Usage: aether keys create --role <ROLE> --server <URL> --key <KEY> <NAME>
            2> 
            2> For more information, try '--help'.
            exit 2
        "#]],
    );
    server.check(
        &["completions", "fish", "--json"],
        expect![[r#"
        2> error: unexpected argument '--json' found
        2> 
        2>   tip: to pass '--json' as a value, use '-- --json'
        2> 
        2> Usage: aether completions <SHELL>
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
    let nobody = Server {
        address: "https://example.com".to_owned(),
        _runtime: tokio::runtime::Runtime::new().unwrap(),
    };
    nobody.check(
        &["status"],
        expect![[r#"
        2> error: "SERVER" is not the address of a management API: only http:// is supported
        2> help: write it like http://127.0.0.1:8080
        exit 2
    "#]],
    );
}

#[test]
fn commands_find_the_key_of_a_node_on_this_machine() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let (notes, file) = (dir.path().join("notes"), dir.path().join("admin.key"));
    aether_api::local::write_key(&file, "viewer").unwrap();
    let port = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let ask = |server: &str| {
        let args = ["aether", "routes", "--json", "--server", server];
        let Cli { command } = Cli::try_parse_from(args).unwrap();
        let mut ui = Ui {
            out: Box::new(io::sink()),
            err: Box::new(io::sink()),
            json: true,
            colour_out: false,
            colour_err: false,
        };
        let around = Surroundings { notes: Some(notes.clone()) };
        commands::run(command, &around, &mut ui).map_err(|failure| failure.exit())
    };
    assert_eq!(ask(&server.address), Err(Exit::Denied), "there is no note");
    aether_api::local::announce(&notes, port, &file).unwrap();
    assert_eq!(ask(&server.address), Ok(()));
    assert_eq!(ask(&format!("http://localhost:{port}")), Ok(()));
}

/// `UPDATE_EXPECT=1 cargo test -p aether-cli` writes the file.
#[test]
fn the_committed_reference_is_current() {
    fn add(command: &mut clap::Command, path: &str, text: &mut String) {
        let help = command.render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        *text += &format!("\n## {path}\n\n```text\n{}\n```\n", help.join("\n").trim());
        for sub in command.get_subcommands_mut() {
            let path = format!("{path} {}", sub.get_name());
            add(sub, &path, text);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut text = "# Commands\n\nGenerated from the command line's own help; `UPDATE_EXPECT=1 cargo test -p aether-cli` writes it.\n".to_owned();
    add(&mut command, "aether", &mut text);
    expect_test::expect_file!["../../../docs/reference/cli.md"].assert_eq(&text);
}

#[test]
fn completions_name_the_commands() {
    let server = Server::start();
    let (out, _, exit) = server.run("", &["completions", "bash"]);
    assert!(exit == 0 && out.contains("undeploy"), "{out}");
}
