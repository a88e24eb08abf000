//! Nodes whose certificates come from elsewhere: each says which name it needs, founds and joins
//! with files, and is refused where it has none.

use crate::node::wait;
use aether_transport::{Authority, NodeKey};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A folder with `node.toml`, the data folder, and what commands know of the node.
struct Home {
    folder: tempfile::TempDir,
    process: Option<Child>,
    /// Of the management API of the node that runs.
    api: String,
    /// An administrator's.
    key: String,
}

impl Home {
    fn new(with_files: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = "[tls]\nca = \"ca.pem\"\ncertificate = \"node.pem\"\nkey = \"node.key\"\n";
        let tls = if with_files { tls } else { "" };
        let any = "\"127.0.0.1:0\"";
        let listen = format!("[listen]\nhttp = {any}\napi = {any}\ncluster = {any}\n");
        let text = format!("data = \"data\"\n{tls}{listen}");
        std::fs::write(folder.path().join("node.toml"), text).unwrap();
        Self { folder, process: None, api: String::new(), key: String::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aether"));
        command.args(arguments).current_dir(self.path());
        command.env("XDG_STATE_HOME", self.path().join("state")).env("AETHER_SERVER", &self.api);
        command.env("AETHER_KEY", &self.key);
        command
    }

    fn aether(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn order(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.aether(arguments);
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn node(more: &[String]) -> Vec<&str> {
        let own = ["node", "--config", "node.toml"];
        own.into_iter().chain(more.iter().map(String::as_str)).collect()
    }

    fn start(&mut self, more: &[String]) {
        let mut command = self.command(&Self::node(more));
        let log = self.path().join("log");
        let said = std::fs::File::create(&log).unwrap();
        self.process = Some(command.stdout(Stdio::null()).stderr(said).spawn().unwrap());
        wait("the node says where it listens", || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "the node ended");
            let said = std::fs::read_to_string(&log).unwrap();
            let line = said.lines().find(|line| line.trim_start().starts_with("management "));
            let api = line.and_then(|line| line.split_whitespace().next_back());
            self.api = api.unwrap_or_default().to_owned();
            !self.api.is_empty()
        });
        if let Ok(key) = std::fs::read_to_string(self.path().join("data/admin.key")) {
            key.trim().clone_into(&mut self.key);
        }
        wait("the node answers", || self.aether(&["status"]).status.success());
    }

    /// Starts it in vain; what it says.
    fn refused(&self, more: &[String]) -> String {
        let Output { status, stderr, .. } = self.aether(&Self::node(more));
        let said = String::from_utf8(stderr).unwrap();
        assert!(!status.success(), "{said}");
        said
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// What an operator does who is told the name.
    fn certify(&self, authority: &Authority, said: &str) {
        let key = NodeKey::generate().unwrap();
        let (_, node) = name(said);
        let node = node.parse().unwrap();
        let certificate = authority.issue(node, &key.csr().unwrap()).unwrap();
        let files =
            [("ca.pem", authority.ca_pem()), ("node.pem", &certificate), ("node.key", &key.pem())];
        for (file, text) in files {
            std::fs::write(self.path().join(file), text).unwrap();
        }
    }

    fn invitation(&self) -> Vec<String> {
        let created: serde_json::Value =
            serde_json::from_str(&self.order(&["node", "token", "--json"])).unwrap();
        let word = |name: &str| created[name].as_str().unwrap().to_owned();
        vec!["--join".into(), word("join"), "--token".into(), word("token")]
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// Cluster and node of the name `node-NODE.CLUSTER.aether` that a message has.
fn name(said: &str) -> (&str, &str) {
    let (_, rest) = said.split_once("must name node-").expect(said);
    let (node, rest) = rest.split_once('.').unwrap();
    (rest.split_once(".aether").unwrap().0, node)
}

/// One that certifies nodes of the cluster in a message.
fn authority(said: &str) -> Authority {
    let cluster = u128::from_str_radix(name(said).0, 16).unwrap();
    Authority::create(aether_types::ClusterId(cluster)).unwrap()
}

#[test]
fn a_cluster_of_certificates_from_elsewhere() {
    let mut first = Home::new(true);
    let said = first.refused(&[]);
    assert!(said.contains("failed to read") && said.contains("ca.pem"), "{said}");
    let [own, other] = [authority(&said), authority(&said)];
    first.certify(&own, &said);
    first.start(&[]);
    first.order(&["kv", "put", "t/first", "1"]);

    // Whom another authority certified is no member, and learns nothing.
    let invitation = first.invitation();
    let mut second = Home::new(true);
    let said = second.refused(&invitation);
    second.certify(&other, &said);
    let refused = second.refused(&invitation);
    assert!(refused.contains("whose authority is not the first one in"), "{refused}");
    // The certificate of one node is not that of another.
    let strange = said.replace("must name node-", "must name node-1");
    let longer = name(&strange).1[..16].to_owned();
    second.certify(&own, &strange.replace(name(&strange).1, &longer));
    let refused = second.refused(&invitation);
    assert!(refused.contains("the certificate is not that of node"), "{refused}");
    second.certify(&own, &said);
    second.key.clone_from(&first.key);
    second.start(&invitation);
    second.order(&["kv", "put", "t/second", "2"]);
    assert_eq!(second.order(&["kv", "get", "t/first"]).trim(), "1");

    // Whom nobody certified is refused by the cluster, with the way out.
    let said = Home::new(false).refused(&invitation);
    assert!(said.contains("come from elsewhere") && said.contains("[tls]"), "{said}");

    // It is itself again, with its files and not without them.
    second.kill();
    let config = std::fs::read_to_string(second.path().join("node.toml")).unwrap();
    let without =
        config.lines().filter(|line| !line.ends_with(".pem\"") && !line.ends_with(".key\""));
    let without = without.filter(|line| *line != "[tls]").collect::<Vec<_>>().join("\n");
    std::fs::write(second.path().join("node.toml"), without).unwrap();
    let said = second.refused(&[]);
    assert!(said.contains("name the node's under [tls]"), "{said}");
    std::fs::write(second.path().join("node.toml"), config).unwrap();
    second.start(&[]);
    wait("the second node takes part again", || {
        second.aether(&["kv", "get", "t/second"]).status.success()
    });
    assert_eq!(first.order(&["kv", "get", "t/second"]).trim(), "2");
}

#[test]
fn a_cluster_that_certifies_takes_no_other_certificates() {
    let mut first = Home::new(false);
    first.start(&[]);
    let invitation = first.invitation();
    let second = Home::new(true);
    let said = second.refused(&invitation);
    second.certify(&authority(&said), &said);
    let said = second.refused(&invitation);
    assert!(said.contains("whose authority is not the first one in"), "{said}");

    first.kill();
    let mut config = std::fs::read_to_string(first.path().join("node.toml")).unwrap();
    config.push_str("[tls]\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\n");
    std::fs::write(first.path().join("node.toml"), config).unwrap();
    let said = first.refused(&[]);
    assert!(said.contains("take [tls] out of node.toml"), "{said}");
}
