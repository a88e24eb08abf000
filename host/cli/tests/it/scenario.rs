//! Scenarios as their writers have them: one that holds, one that does not, one that is not valid.

use crate::apps::{web, write};
use aether_forge::Ended;
use aether_forge::script::{Outcome, Report};
use std::path::Path;
use std::process::Command;

fn aether(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aether"));
    command.args(arguments).env("XDG_STATE_HOME", home.join("state")).current_dir(home);
    command
}

/// Plays the text with an application that answers `/shop` with 7 on every node.
fn play(home: &Path, text: &str, more: &[&str]) -> Ended {
    let app = home.join("shop");
    std::fs::create_dir_all(&app).unwrap();
    write(&app, "shop", &[web("shop", "/shop")], "instances = 3");
    std::fs::write(home.join("it.forge"), text).unwrap();
    let arguments = ["forge", "--listen", "127.0.0.1:0", "--script", "it.forge"];
    let output = aether(home, &arguments).args(more).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    Ended { exit: output.status.code().unwrap(), text }
}

const LOAD: &str = "load \"\"\"\n[[targets]]\npath = \"/shop\"\nrate = \"50/s\"\n\"\"\"\n";

#[test]
fn what_holds_is_said_and_what_does_not_ends_the_play() {
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "nodes 3\nblueprint \"shop\"\nseed 5\n{LOAD}\
         always expect failed == 0\n\
         step \"loss\" {{\n\
           let lost = any of followers\n\
           kill lost; within 10s expect voters == 2\n\
           expect GET \"/shop\" answers 200\n\
           aether kv put a 1; expect aether kv get a says \"1\"\n\
           restart lost; within 20s expect voters == 3\n\
           partition from lost to all but lost for 1h; end faults; expect faults == 0\n\
         }}\n\
         step \"wrong\" {{\n\
           within 10s expect good over 1s > 20\n\
           always expect running == 3\n\
           kill lost; wait 1m\n\
         }}\n\
         step \"never\" {{ expect leader }}\n"
    );
    let reports = ["--json", "--seed", "6", "--junit", "it.xml", "--html", "it.html"];
    let ended = play(home.path(), &text, &reports);
    assert_eq!(ended.exit, 1, "{}", ended.text);
    let report: Report = serde_json::from_str(&ended.text).unwrap();
    assert_eq!((report.scenario.as_str(), report.seed, report.nodes), ("it", 6, 3));
    let of = |outcome| report.events.iter().filter(move |event| event.outcome == outcome);
    let failed: Vec<String> =
        of(Outcome::Failed).map(|it| format!("{} {}: {}", it.place, it.text, it.seen)).collect();
    assert_eq!(failed, ["it.forge:20:1 always expect running == 3: running is 2"]);
    // The wait ended at once, and nothing came after it.
    let skipped: Vec<&str> = of(Outcome::Skipped).map(|it| it.text.as_str()).collect();
    assert_eq!(skipped, ["always expect failed == 0", "wait 1m", "expect leader", "load stop"]);
    assert!(report.took_s < 60.0, "{}", report.took_s);
    let load = &report.loads[0].report.total;
    assert!(load.good >= 20 && load.failed == 0, "{load:?}");
    let junit = std::fs::read_to_string(home.path().join("it.xml")).unwrap();
    assert!(junit.contains(r#"tests="4" skipped="1" failures="1""#), "{junit}");
    let page = std::fs::read_to_string(home.path().join("it.html")).unwrap();
    assert!(page.contains("always expect running == 3</code>: running is 2"), "{page}");
}

#[test]
fn a_scenario_that_is_not_valid_starts_nothing() {
    let home = tempfile::tempdir().unwrap();
    for (text, more, exit, says) in [
        ("kill 9", [].as_slice(), 2, "it.forge:1:6: there is no node 9: there are 5 here"),
        ("kill 4", &["--nodes", "3"], 2, "it.forge:1:6: there is no node 4: there are 3 here"),
        ("nodes 3", &["--nodes", "3"], 2, "it.forge:1:1: the number of nodes is said already"),
        ("kill one two", &[], 2, "it.forge:1:10: expected `and`, `but`, `for` or the end of the"),
        ("wait 1s", &["--script", "none.forge"], 2, "cannot be used multiple times"),
    ] {
        let ended = play(home.path(), text, more);
        assert!(ended.text.contains(says), "{text}: {}", ended.text);
        assert_eq!(ended.exit, exit, "{text}: {}", ended.text);
    }
    std::fs::write(home.path().join("it.forge"), "nodes 2\nkill any of all for 1s..9s").unwrap();
    let check = |more: &[&str]| {
        let output = aether(home.path(), &["forge", "check", "it.forge"]).args(more).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(check(&[]).starts_with("it: 2 nodes, seed 0\n   2  kill "), "{}", check(&[]));
    assert_eq!(check(&["--seed", "3"]), check(&["--seed", "3"]));
    assert!(check(&["--json"]).contains(r#""nodes": 2"#), "{}", check(&["--json"]));
}
