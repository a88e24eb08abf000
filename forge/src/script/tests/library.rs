//! What is written for people and machines alike: the reference and the library of scenarios.

use super::{AROUND, beside};
use crate::script::form::{FORMS, METRICS};
use crate::script::plan::{Around, Plan};
use expect_test::expect;
use std::path::Path;

const REFERENCE: &str = include_str!("../../../../docs/operators/forge-script.md");

#[test]
fn the_reference_is_true_and_names_everything() {
    let files = |path: &Path| match path.to_str() {
        Some("at/steady.toml") => beside(Path::new("at/load.toml")),
        _ => beside(path),
    };
    let around = Around { nodes: None, ..AROUND };
    let blocks: Vec<&str> = REFERENCE.split("```forge\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let (text, _) = block.split_once("```").unwrap();
        let plan = Plan::read("at/it.forge", text, &around, &files);
        assert!(plan.is_ok(), "{}", plan.unwrap_err());
    }
    let verbs = FORMS.iter().map(|form| form.verb.join(" "));
    let names = METRICS.iter().map(|metric| metric.name.to_owned());
    for word in verbs.chain(names) {
        assert!(REFERENCE.contains(&format!("`{word}")), "{word}");
    }
}

#[test]
fn the_library_is_well_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let around = Around { nodes: None, ..AROUND };
    let mut names = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let plan = Plan::read(path.to_str().unwrap(), &text, &around, &|path| {
            std::fs::read_to_string(path)
        });
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(plan.blueprint.as_ref().is_some_and(|path| path.is_file()), "{}", plan.name);
        names.push(plan.name);
    }
    names.sort();
    expect!["bad-canary, combined-chaos, follower-loss, formation, leader-loss, partition, quorum-loss, rolling-restart, spike, two-of-five"].assert_eq(&names.join(", "));
}
