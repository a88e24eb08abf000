//! A slice as small as they come, for what the dashboard's tests deploy. Knows no node.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

/// An application to write: `web`, whose one slice answers `GET /web` with its version.
pub(super) struct Web {
    /// The last number of the slice's version.
    pub(super) version: u32,
    pub(super) instances: u32,
    /// Whether its start hook traps.
    pub(super) broken: bool,
    /// Whether its function does, after a loop that takes some 20 ms.
    pub(super) traps: bool,
}

impl Web {
    /// Writes the component and its blueprint into the folder.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let Self { version, instances, .. } = self;
        let slice_toml = format!(
            "[slice]\nartifact = \"t:web:1.0.{version}\"\n\
             [[routes]]\nroute = \"GET /web\"\ncall = \"t:web/api#f\"\n"
        );
        let component = wat::parse_str(self.text())?;
        let component = aether_slice_build::embed(&component, &slice_toml)?;
        let mut blueprint = "[application]\nname = \"web\"\nversion = \"1.0.0\"\n".to_owned();
        write!(blueprint, "[[slices]]\nfile = \"web.wasm\"\ninstances = {instances}\n")?;
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::write(folder.join("web.wasm"), component)?;
        std::fs::write(folder.join("blueprint.toml"), blueprint)?;
        Ok(())
    }

    fn text(&self) -> String {
        let version = self.version;
        let hook = if self.broken { "unreachable" } else { "i32.const 0" };
        let answer = if self.traps {
            "(loop $again
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 20000000))))
              unreachable"
                .to_owned()
        } else {
            format!("i32.const {version}")
        };
        format!(
            "(component
              (core module $m
                (memory (export \"memory\") 1)
                (func (export \"start\") (result i32) {hook})
                (func (export \"f\") (result i32) (local $i i32) {answer}))
              (core instance $i (instantiate $m))
              (func $start (result (result (error string)))
                (canon lift (core func $i \"start\") (memory (core memory $i \"memory\"))))
              (instance $hooks (export \"start\" (func $start)) (export \"stop\" (func $start)))
              (export \"aether:slice/lifecycle@0.1.0\" (instance $hooks))
              (func $f (result u32) (canon lift (core func $i \"f\")))
              (instance $e (export \"f\" (func $f)))
              (export \"t:web/api@1.0.0\" (instance $e)))"
        )
    }
}
