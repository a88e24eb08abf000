//! The guests build, are components, and carry their `slice.toml`.

#[test]
fn every_guest_builds_and_says_what_it_is() {
    for name in ["echo", "caller", "hostile", "chain-top", "chain-middle", "chain-bottom"] {
        let toml = aether_slice_build::slice_toml(&aether_test_guests::bytes(name));
        let artifact = format!("artifact = \"test:{name}:1.0.0\"");
        assert!(toml.as_deref().is_some_and(|it| it.contains(&artifact)), "{name}: {toml:?}");
    }
}
