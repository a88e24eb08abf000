//! A new slice builds from its own folder and says what it is.

use std::path::Path;

use aether_slice_build::{BuildRequest, CargoOutput, scaffold, setup, slice_toml};

#[test]
fn a_new_slice_builds() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("first-slice");
    scaffold("first-slice", &dir).unwrap();
    let again = scaffold("first-slice", &dir).unwrap_err().to_string();
    assert!(again.ends_with("it exists already"), "{again}");
    let request = BuildRequest {
        manifest_dir: dir,
        packages: Vec::new(),
        profile: "guest".to_owned(),
        // Shared with the other guests: the standard library is built once.
        target_dir: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"),
        output: CargoOutput::Capture,
    };
    let toolchain = setup(&mut |_| {}).unwrap();
    let built = toolchain.build(&request).unwrap();
    let [slice] = built.as_slice() else { panic!("{built:?}") };
    assert_eq!(slice.package, "first-slice");
    let toml = slice_toml(&std::fs::read(&slice.path).unwrap()).unwrap();
    assert!(toml.contains("artifact = \"demo:first-slice:1.0.0\""), "{toml}");
}
