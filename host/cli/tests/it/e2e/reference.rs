//! The list of the suite, made from the tests themselves: `docs/reference/e2e.md` says of each test
//! what it asserts. Knows no test by what it does.

/// A class: its tests' file, and how many there are.
struct Class {
    name: &'static str,
    source: &'static str,
    count: usize,
}

macro_rules! classes {
    ($($name:ident: $count:literal,)+) => {
        [$(Class {
            name: stringify!($name),
            source: include_str!(concat!(stringify!($name), ".rs")),
            count: $count,
        }),+]
    };
}

const CLASSES: [Class; 12] = classes! {
    cluster_formation: 4,
    slice_deployment: 6,
    rolling_update: 6,
    node_failure: 6,
    chaos: 5,
    management_api: 19,
    slice_invocation: 9,
    metrics: 6,
    controller: 7,
    bootstrap: 4,
    graceful_shutdown: 4,
    network_partition: 4,
};

const HEAD: &str = "# End-to-end tests

Generated from the tests:
`UPDATE_EXPECT=1 cargo test -p aether-cli --test it e2e::reference` writes it.

Each test runs against nodes that are processes of the `aether` program on this machine, and asks
them over HTTP and with commands, as a user would. Nothing is mocked: partitions are cuts of the
links between nodes that live, restarts keep the node's folder, and the slices that answer are
WebAssembly components.

`cargo test -p aether-cli --test it e2e` runs them all, and with `e2e::chaos` those of one class.
";

/// A test's name, and what it asserts.
struct Entry<'a> {
    name: &'a str,
    says: String,
}

/// The first sentence of a comment.
fn sentence(comment: &str) -> String {
    let end = comment.find(". ").map_or(comment.len(), |end| end + 1);
    comment[..end].to_owned()
}

/// The comment of a file.
fn of_file(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//! "));
    sentence(&lines.collect::<Vec<_>>().join(" "))
}

fn entries(source: &str) -> Vec<Entry<'_>> {
    let lines: Vec<&str> = source.lines().collect();
    let tests = lines.iter().enumerate().filter(|(_, line)| **line == "#[test]");
    let entry = |(at, _): (usize, _)| {
        let name = lines[at + 1].strip_prefix("fn ").and_then(|rest| rest.split_once("()"));
        let name = name.unwrap_or_else(|| panic!("no test: {}", lines[at + 1])).0;
        let comment = lines[..at].iter().rev().map_while(|line| line.strip_prefix("/// "));
        let mut comment: Vec<&str> = comment.collect();
        comment.reverse();
        let says = sentence(&comment.join(" "));
        assert!(says.ends_with('.'), "{name} has no sentence above it: {says:?}");
        Entry { name, says }
    };
    tests.map(entry).collect()
}

#[test]
fn the_committed_list_is_current() {
    let mut text = HEAD.to_owned();
    let mut total = 0;
    for Class { name, source, count } in &CLASSES {
        let entries = entries(source);
        assert_eq!(entries.len(), *count, "{name}");
        total += count;
        text += &format!("\n## {name}: {count}\n\n{}\n\n", of_file(source));
        text += "| test | what it asserts |\n|---|---|\n";
        for Entry { name, says } in entries {
            text += &format!("| `{name}` | {says} |\n");
        }
    }
    assert_eq!(total, 80);
    text += &format!("\n{total} tests in {} classes.\n", CLASSES.len());
    expect_test::expect_file!["../../../../../docs/reference/e2e.md"].assert_eq(&text);
}

#[test]
fn the_list_has_what_stands_above_a_test() {
    let source =
        "//! One. Two.\n//! Three.\n\n/// It holds\n/// on. And more.\n#[test]\nfn it() {}\n";
    let [Entry { name, says }] = &entries(source)[..] else { panic!("one test") };
    assert_eq!((of_file(source).as_str(), *name, says.as_str()), ("One.", "it", "It holds on."));
}
