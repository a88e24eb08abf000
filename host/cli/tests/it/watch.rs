//! Sources that are watched: what is written is built and rolled out under requests, and what does
//! not build, or does not start, leaves what was there.

use crate::apps::{Part, write};
use crate::http;
use crate::node::wait;
use crate::rollout::{broken, web};
use aether_forge::model::WatchState;
use aether_forge::{Forge, ForgeSettings};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Says what a compiler would; everything else is the program's own.
fn program(home: &Path) -> std::path::PathBuf {
    let (program, aether) = (home.join("aether"), env!("CARGO_BIN_EXE_aether"));
    let shown = home.display();
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1 $2\" = \"slice build\" ] || exec {aether} \"$@\"\n\
         if grep -q broken \"$3/src/lib.rs\"; then echo 'error: expected `;`' >&2; exit 1; fi\n\
         cp {shown}/built.wasm {shown}/shop/0.wasm\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn what_is_written_is_rolled_out_and_what_does_not_build_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let app = home.path().join("shop");
    fs::create_dir_all(app.join("cart/src")).unwrap();
    write(&app, "web", &[web(1)], "");
    fs::write(home.path().join("built.wasm"), web(1)).unwrap();
    for file in ["Cargo.toml", "slice.toml", "src/lib.rs"] {
        fs::write(app.join("cart").join(file), "").unwrap();
    }
    let settings = ForgeSettings {
        program: program(home.path()),
        listen: "127.0.0.1:0".parse().unwrap(),
        nodes: 1,
        blueprint: Some(app.clone()),
        watch: true,
        keep: None,
        notes: None,
    };
    let forge = Forge::start(settings, &mut |_, _| {}).unwrap();
    let door = forge.overview().nodes[0].http.parse().unwrap();
    let answer = || {
        let answer = http::get(door, "/web").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text.lines().last().unwrap_or_default().to_owned()
    };
    let watched = forge.watched().unwrap();
    let change = |built: Vec<u8>, source: &str| {
        fs::write(home.path().join("built.wasm"), built).unwrap();
        fs::write(app.join("cart/src/lib.rs"), source).unwrap();
    };
    let fails = |why: &str| {
        wait(why, || {
            let view = watched.borrow().clone();
            assert_eq!(answer(), "2");
            view.state == WatchState::Failed && view.said.contains(why)
        });
    };
    assert_eq!(answer(), "1");
    change(web(2), "two");
    wait("the second one answers", || answer() == "2");
    wait("it is all there is", || watched.borrow().state == WatchState::Watching);

    change(web(3), "broken");
    fails("error: expected `;`");
    // What the cluster refuses, and what does not start.
    let needs = "(import \"t:none/api@1.0.0\" (instance (export \"f\" (func (result u32)))))";
    let slice_toml = "[slice]\nartifact = \"t:web:1.0.0\"\n";
    let (export, result) = ("t:web/api@1.0.0", "u32");
    change(Part { imports: needs, export, result, answer: 3, slice_toml }.bytes(), "needs more");
    fails("unknown-import");
    change(broken(3), "traps");
    fails("the old version goes on");

    change(web(4), "mended at last");
    wait("the last one answers", || answer() == "4");
}
