//! What each slice must be granted to be of any use. Knows which infra slices refuse everything
//! without a grant, and nothing else of them.

use super::Part;
use aether_types::blueprint::Blueprint;
use aether_types::code::Code;
use aether_types::{InterfaceName, Problem};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Imports of the cache. The types of its package alone reach nothing. Outgoing HTTP is not asked
/// for: many toolchains import it into components that never send anything.
fn is_cache(import: &InterfaceName) -> bool {
    import.path() == "aether:infra/cache" || import.package() == "wasi:keyvalue"
}

pub(super) fn check_each(blueprint: &Blueprint, parts: &[Part<'_>], problems: &mut Vec<Problem>) {
    for part in parts.iter().filter(|p| p.entry.grants.cache.is_empty()) {
        let Some(import) = part.description.infra.iter().find(|i| is_cache(i)) else { continue };
        let message = format!("imports `{import}`, and no bucket of the cache is granted to it");
        let problem = Problem::new(Code::GrantMissing, &part.bound.coordinates, message);
        let buckets: Vec<String> = blueprint.cache.keys().map(|name| format!("{name:?}")).collect();
        let add = "add `cache = [\"NAME\"]` under its [slices.grants]";
        problems.push(problem.help(match buckets.is_empty() {
            true => format!("{add}, and a table [cache.NAME]"),
            false => format!("{add}; the buckets are {}", buckets.join(", ")),
        }));
    }
}
