//! Small components as text, and folders with a blueprint. Knows no node.

use std::path::Path;

/// A component: imports, then `export` with a function `f` that returns `answer` as `result`.
pub(crate) struct Part<'a> {
    pub(crate) imports: &'a str,
    pub(crate) export: &'a str,
    pub(crate) result: &'a str,
    pub(crate) answer: u32,
    pub(crate) slice_toml: &'a str,
}

impl Part<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { imports, export, result, answer, slice_toml } = self;
        let text = format!(
            "(component {imports}
              (core module $m (func (export \"f\") (result i32) i32.const {answer}))
              (core instance $i (instantiate $m))
              (func $f (result {result}) (canon lift (core func $i \"f\")))
              (instance $e (export \"f\" (func $f)))
              (export \"{export}\" (instance $e)))"
        );
        aether_slice_build::embed(&wat::parse_str(text).unwrap(), slice_toml).unwrap()
    }
}

/// `t:NAME:1.0.0`, which exports `t:NAME/api@1.0.0#f` and imports that of others.
pub(crate) fn slice(name: &str, needs: &[&str]) -> Vec<u8> {
    let import = |n: &&str| {
        format!("(import \"t:{n}/api@1.0.0\" (instance (export \"f\" (func (result u32)))))")
    };
    part(name, &needs.iter().map(import).collect::<String>(), "")
}

pub(crate) fn part(name: &str, imports: &str, more: &str) -> Vec<u8> {
    let export = format!("t:{name}/api@1.0.0");
    let slice_toml = format!("[slice]\nartifact = \"t:{name}:1.0.0\"\n{more}");
    Part { imports, export: &export, result: "u32", answer: 42, slice_toml: &slice_toml }.bytes()
}

/// [`slice`] that answers `GET PATH` with 42.
pub(crate) fn web(name: &str, path: &str) -> Vec<u8> {
    let route = format!("[[routes]]\nroute = \"GET {path}\"\ncall = \"t:{name}/api#f\"");
    part(name, "", &route)
}

/// Writes an application: its components, and `more` behind the last entry of the blueprint.
pub(crate) fn write(folder: &Path, app: &str, components: &[Vec<u8>], more: &str) {
    let mut blueprint = format!("[application]\nname = \"{app}\"\nversion = \"1.0.0\"\n");
    for (i, bytes) in components.iter().enumerate() {
        std::fs::write(folder.join(format!("{i}.wasm")), bytes).unwrap();
        blueprint += &format!("[[slices]]\nfile = \"{i}.wasm\"\n");
    }
    std::fs::write(folder.join("blueprint.toml"), blueprint + more).unwrap();
}
