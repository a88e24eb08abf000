//! New slices: the template with a name put in, and beside it a copy of the SDK, so that a slice
//! builds from its own folder and the public package registry alone.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use toml::{Table, Value};

use crate::{Error, Result};

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../template");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../src");
static MACROS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../macros/src");
const WORKSPACE_TOML: &str = include_str!("../../../Cargo.toml");
const SDK_TOML: &str = include_str!("../../Cargo.toml");
const MACROS_TOML: &str = include_str!("../../macros/Cargo.toml");

/// The folder of the SDK inside a new slice.
const VENDOR_DIR: &str = "aether-sdk";
const NAME_BYTES_MAX: usize = 48;
/// Words that a crate or a WIT package cannot be called.
const RESERVED: &[&str] = &[
    "as",
    "async",
    "await",
    "bool",
    "break",
    "char",
    "const",
    "constructor",
    "continue",
    "core",
    "crate",
    "dyn",
    "else",
    "enum",
    "export",
    "extern",
    "f32",
    "f64",
    "false",
    "flags",
    "fn",
    "for",
    "from",
    "func",
    "future",
    "if",
    "impl",
    "import",
    "in",
    "include",
    "interface",
    "let",
    "list",
    "loop",
    "match",
    "mod",
    "move",
    "mut",
    "option",
    "own",
    "package",
    "pub",
    "record",
    "ref",
    "resource",
    "result",
    "return",
    "s16",
    "s32",
    "s64",
    "s8",
    "self",
    "static",
    "std",
    "stream",
    "string",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "unsafe",
    "use",
    "variant",
    "where",
    "while",
    "with",
    "world",
];

/// Creates the folder `dir` with a slice called `name`: a greeter that counts in the cache, with
/// one typed route, a blueprint, and the SDK in `aether-sdk/`.
///
/// # Errors
/// [`Error::Name`] if the name is not kebab-case; [`Error::Exists`] if the folder is there already
/// and not empty; [`Error::File`] if it cannot be written.
pub fn scaffold(name: &str, dir: &Path) -> Result<()> {
    check_name(name)?;
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Error::Exists(dir.to_owned()));
    }
    for file in files(&TEMPLATE) {
        let text = file.contents_utf8().expect("the template is text");
        let text = text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
        let path = file.path().with_extension("");
        let path = if path == Path::new("gitignore") { PathBuf::from(".gitignore") } else { path };
        write(&dir.join(path), text.as_bytes())?;
    }
    vendor(&dir.join(VENDOR_DIR))
}

/// Writes the SDK with the folders that it has in its own repository, so that its relative paths
/// hold, and manifests that need no workspace.
fn vendor(dir: &Path) -> Result<()> {
    let sdk = dir.join("slice-sdk");
    let trees =
        [(&WIT, dir.join("wit")), (&SDK, sdk.join("src")), (&MACROS, sdk.join("macros/src"))];
    for (tree, to) in trees {
        for file in files(tree) {
            write(&to.join(file.path()), file.contents())?;
        }
    }
    write(&sdk.join("Cargo.toml"), standalone(SDK_TOML).as_bytes())?;
    write(&sdk.join("macros/Cargo.toml"), standalone(MACROS_TOML).as_bytes())
}

/// A member's manifest with everything that it inherits written out.
fn standalone(manifest: &str) -> String {
    let parse = |text: &str| text.parse::<Table>().expect("our own manifests are TOML");
    let workspace = parse(WORKSPACE_TOML);
    let inherited = |section: &str, key: &str| workspace["workspace"][section][key].clone();
    let mut manifest = parse(manifest);
    manifest.remove("lints");
    manifest.remove("dev-dependencies");
    for (key, value) in table(&mut manifest, "package").iter_mut() {
        if is_inherited(value) {
            *value = inherited("package", key);
        }
    }
    for (name, value) in table(&mut manifest, "dependencies").iter_mut() {
        if is_inherited(value) {
            *value = dependency(inherited("dependencies", name), value);
        }
    }
    toml::to_string(&manifest).expect("a table that was read can be written")
}

fn table<'a>(manifest: &'a mut Table, name: &str) -> &'a mut Table {
    manifest.get_mut(name).and_then(Value::as_table_mut).expect("our manifests have this table")
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// The workspace's entry of a dependency, with what the member adds to it.
fn dependency(inherited: Value, member: &Value) -> Value {
    let mut table = match inherited {
        Value::Table(table) => table,
        version => Table::from_iter([("version".to_owned(), version)]),
    };
    if let Some(Value::String(path)) = table.get_mut("path") {
        // Paths of the workspace start at its root; the only one that the SDK needs is inside it.
        *path = path.strip_prefix("slice-sdk/").expect("a part of the SDK").to_owned();
    }
    if let Some(more) = member.get("features").and_then(Value::as_array) {
        let features = table.entry("features").or_insert_with(|| Value::Array(Vec::new()));
        if let Some(features) = features.as_array_mut() {
            features.extend(more.iter().cloned());
        }
    }
    Value::Table(table)
}

fn files<'a>(dir: &'a Dir<'a>) -> Vec<&'a include_dir::File<'a>> {
    let nested = dir.dirs().flat_map(files);
    dir.files().chain(nested).collect()
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(Error::file(parent))?;
    }
    std::fs::write(path, content).map_err(Error::file(path))
}

fn check_name(name: &str) -> Result<()> {
    let refuse = |rule| Err(Error::Name { name: name.to_owned(), rule });
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if !name.split('-').all(is_word) {
        return refuse("it is made of words of a-z and 0-9 that begin with a letter, joined by -");
    }
    if name.len() > NAME_BYTES_MAX {
        return refuse("it has at most 48 characters");
    }
    if RESERVED.contains(&name) {
        return refuse("it is a word of Rust or WIT");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn names_that_work_and_names_that_do_not() {
        for name in ["greeter", "my-first-slice", "a1-b2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(49);
        for name in ["", "Greeter", "1st", "a-1", "a_b", "a--b", "-a", "world", "../x", &long] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn manifests_need_no_workspace() {
        let sdk = standalone(SDK_TOML);
        assert!(!sdk.contains("workspace"), "{sdk}");
        let table: Table = sdk.parse().unwrap();
        expect!["macros"]
            .assert_eq(table["dependencies"]["aether-slice-macros"]["path"].as_str().unwrap());
        let macros = standalone(MACROS_TOML);
        assert!(!macros.contains("workspace"), "{macros}");
        let table: Table = macros.parse().unwrap();
        let features = table["dependencies"]["proc-macro2"]["features"].to_string();
        assert!(features.contains("\"proc-macro\""), "{features}");
    }
}
