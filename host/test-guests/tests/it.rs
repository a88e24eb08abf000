//! The guests build, are valid components, and carry their `slice.toml`.

use std::path::Path;

use aether_slice_build::slice_toml;
use aether_test_guests::{bytes, wat};
use wasmparser::{Validator, WasmFeatures};

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check_valid(name: &str, component: &[u8]) {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(component).unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn every_guest_is_a_component_and_says_what_its_source_says() {
    let guests: Vec<_> = std::fs::read_dir(home().join("guests")).unwrap().flatten().collect();
    assert!(guests.len() >= 11, "{} guests", guests.len());
    for guest in guests {
        let name = guest.file_name().into_string().unwrap();
        let component = bytes(&name);
        check_valid(&name, &component);
        let source = std::fs::read_to_string(guest.path().join("slice.toml")).ok();
        assert_eq!(slice_toml(&component), source, "{name}");
    }
}

#[test]
fn guests_in_text_are_components() {
    for name in ["liar", "hoarder"] {
        let component = ::wat::parse_str(wat(name)).unwrap_or_else(|error| panic!("{error}"));
        check_valid(name, &component);
    }
}

#[test]
fn the_guest_in_python_is_a_component() {
    let path = aether_test_guests::foreign();
    check_valid("foreign", &std::fs::read(&path).unwrap());
    assert_eq!(aether_test_guests::foreign(), path, "the second time nothing is built");
}
