//! The WIT packages that the SDK brings, from the project's one folder of contracts.

/// One package: its files with their text.
pub(crate) struct Package {
    pub(crate) files: &'static [(&'static str, &'static str)],
}

macro_rules! package {
    ($folder:literal: $($file:literal),+) => {
        Package {
            files: &[$((
                concat!($folder, "/", $file),
                include_str!(concat!("../../../wit/", $folder, "/", $file)),
            )),+],
        }
    };
}

/// All of them, each after those that it uses.
pub(crate) const PACKAGES: &[Package] = &[
    package!("aether-slice": "types.wit", "context.wit", "lifecycle.wit", "world.wit"),
    package!("aether-infra": "types.wit", "cache.wit", "world.wit"),
    package!("wasi-keyvalue-draft": "store.wit", "atomics.wit", "batch.wit", "world.wit"),
    package!("wasi-keyvalue-draft2": "store.wit", "atomics.wit", "batch.wit", "world.wit"),
    package!("wasi-config-rc1": "store.wit"),
    package!("wasi-config-2024-09-27": "store.wit"),
    package!("wasi-logging": "logging.wit"),
];

/// The world of everything that `aether_slice::wit` holds. Its interfaces are the ones that a
/// slice's bindings point to instead of being generated again.
pub(crate) const SDK_WORLD: &str = "
package aether:sdk@0.1.0;
world sdk {
    import aether:slice/types@0.1.0;
    import aether:slice/context@0.1.0;
    import aether:infra/types@0.1.0;
    import aether:infra/cache@0.1.0;
    import wasi:config/store@0.2.0-rc.1;
    import wasi:logging/logging@0.1.0-draft;
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_every_folder_is_here() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut expected = BTreeSet::new();
        for folder in std::fs::read_dir(root).unwrap().flatten() {
            let Ok(files) = std::fs::read_dir(folder.path()) else { continue };
            for file in files.flatten() {
                let folder = folder.file_name().into_string().unwrap();
                expected.insert(format!("{folder}/{}", file.file_name().into_string().unwrap()));
            }
        }
        let here = PACKAGES.iter().flat_map(|package| package.files);
        let here: BTreeSet<String> = here.map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(here, expected);
    }
}
