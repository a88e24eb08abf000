//! Keys, servers, the command line itself and its reference.

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
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
fn entries_of_the_store_come_and_go() {
    let server = Server::start();
    server.check(
        &["kv", "put", "tools/lock", "mine"],
        expect![[r#"
        2>      Written tools/lock
        1
        exit 0
    "#]],
    );
    server.check(
        &["kv", "put", "tools/lock", "yours", "--if-absent"],
        expect![[r#"
        2> error: failed to put tools/lock: tools/lock is at revision 1 [precondition-failed]
        exit 4
    "#]],
    );
    server.check(
        &["kv", "put", "tools/lock", "yours", "--if-revision", "1", "--json"],
        expect![[r#"
            {
              "key": "tools/lock",
              "revision": 2
            }
            exit 0
        "#]],
    );
    server.check(
        &["kv", "get", "tools/lock"],
        expect![[r#"
        yoursexit 0
    "#]],
    );
    server.check(
        &["kv", "get", "tools/lock", "--json"],
        expect![[r#"
        {
          "key": "tools/lock",
          "revision": 2,
          "value": "yours"
        }
        exit 0
    "#]],
    );
    server.check(
        &["kv", "list"],
        expect![[r#"
        KEY         REVISION  SIZE
        tools/lock  2         5B
        exit 0
    "#]],
    );
    server.check(
        &["kv", "list", "other/", "--json"],
        expect![[r#"
        {
          "entries": [],
          "more": false
        }
        exit 0
    "#]],
    );
}

#[test]
fn entries_of_the_store_are_not_lost_by_accident() {
    let server = Server::start();
    server.run("operator", &["kv", "put", "tools/lock", "mine"]);
    server.run("operator", &["kv", "put", "tools/lock", "yours"]);
    server.check(&["kv", "delete", "tools/lock", "--if-revision", "1", "--json"], expect![[r#"
        2> {"error":{"code":"precondition-failed","message":"failed to delete tools/lock: tools/lock is at revision 2","request-id":"ID"}}
        exit 4
    "#]]);
    server.check(
        &["kv", "delete", "tools/lock"],
        expect![[r#"
        2>      Deleted tools/lock
        exit 0
    "#]],
    );
    server.check(
        &["kv", "get", "tools/lock"],
        expect![[r#"
        2> error: failed to get tools/lock: there is no entry tools/lock [unknown-entry]
        exit 3
    "#]],
    );
    server.check(
        &["kv", "put", "tools/", "x"],
        expect![[r#"
        2> error: invalid value 'tools/' for '<KEY>': the key "tools/" has an empty segment
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
    server.check_as("viewer", &["kv", "put", "tools/lock", "x"], expect![[r#"
        2> error: failed to put tools/lock: key "the viewer" has the role viewer; this needs operator [role-too-low]
        2> help: ask an administrator for another key: `aether keys create NAME --role ROLE`
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
        width: None,
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
        let mut ui = ui(io::sink(), io::sink(), true, None);
        let around = Surroundings { notes: Some(notes.clone()), forges: None };
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
    expect_test::expect_file!["../../../../docs/reference/cli.md"].assert_eq(&text);
}

#[test]
fn completions_name_the_commands() {
    let server = Server::start();
    let (out, _, exit) = server.run("", &["completions", "bash"]);
    assert!(exit == 0 && out.contains("undeploy"), "{out}");
}
