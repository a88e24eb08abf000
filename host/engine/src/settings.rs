//! What an engine may use of its machine, with the arithmetic. Reads no file of the operator.

use crate::Error;
use aether_types::ByteSize;
use std::path::PathBuf;

/// Limits of one engine, which is one node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder for compiled code; made when it is not there. As trusted as the program itself.
    pub cache_dir: PathBuf,
    /// Compiled code that is kept; what was not used for longest goes first.
    pub cache_bytes_max: ByteSize,
    /// Linear memory of all guests together. A slice is admitted when one instance of it still
    /// fits beside one instance of every other slice, whatever versions there are of each; growth
    /// beyond the budget is refused while guests run. So a budget holds many slices that are
    /// allowed much and use little.
    pub memory_budget: ByteSize,
    /// `WasmInstance`s that live at a time, idle ones included.
    pub wasm_instances_max: u32,
}

/// Memory maps of a live `WasmInstance`: linear memory with image and guards, tables, fiber stack.
pub const MAPS_PER_WASM_INSTANCE: u64 = 7;
/// Memory maps of everything else: threads, libraries, compiled code (3 for each of 1,000 slices).
pub const MAPS_RESERVED: u64 = 5_000;
/// Address space of one linear memory: 4 GiB and a guard. 2^47 bytes hold some 30,000 of them.
pub const WASM_INSTANCES_MAX: u32 = 8_000;
/// Live `WasmInstance`s unless the operator wants another number.
pub const WASM_INSTANCES_DEFAULT: u32 = 1_000;
/// Time between two ticks of the clock that interrupts guests: how late a deadline may be noticed.
pub const TICK_MILLIS: u64 = 10;

const MEMORY_BUDGET_MIN: ByteSize = ByteSize::mib(16);
const CACHE_BYTES_MIN: ByteSize = ByteSize::mib(1);
/// Linux's default for `vm.max_map_count`, for systems that do not tell.
const MAP_COUNT_DEFAULT: u64 = 65_530;

impl Settings {
    /// Half of the memory for guests, 2 GiB of compiled code, as many instances as usual or as fit.
    pub fn for_machine(cache_dir: PathBuf) -> Self {
        let memory = memory_total().unwrap_or(ByteSize::mib(2_048).bytes());
        Self {
            cache_dir,
            cache_bytes_max: ByteSize::mib(2_048),
            memory_budget: ByteSize(memory / 2).max(MEMORY_BUDGET_MIN),
            wasm_instances_max: WASM_INSTANCES_DEFAULT.min(instances_that_fit(map_count_max())),
        }
    }

    /// # Errors
    /// [`Error::Setting`] for a value that is out of range or that this machine cannot hold.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let error = |setting, problem| Err(Error::Setting { setting, problem });
        let maps = map_count_max();
        let fit = instances_that_fit(maps);
        if !(1..=fit).contains(&self.wasm_instances_max) {
            let problem = format!(
                "{} is not 1 to {fit}: a live instance has {MAPS_PER_WASM_INSTANCE} memory maps, the \
                 rest {MAPS_RESERVED}, and vm.max_map_count is {maps} (raise it with sysctl)",
                self.wasm_instances_max
            );
            return error("wasm-instances-max", problem);
        }
        if self.memory_budget < MEMORY_BUDGET_MIN {
            let problem = format!("{} is less than {MEMORY_BUDGET_MIN}", self.memory_budget);
            return error("memory-budget", problem);
        }
        if self.cache_bytes_max < CACHE_BYTES_MIN {
            let problem = format!("{} is less than {CACHE_BYTES_MIN}", self.cache_bytes_max);
            return error("cache-bytes-max", problem);
        }
        Ok(())
    }
}

fn instances_that_fit(maps: u64) -> u32 {
    let fit = maps.saturating_sub(MAPS_RESERVED) / MAPS_PER_WASM_INSTANCE;
    u32::try_from(fit).unwrap_or(u32::MAX).min(WASM_INSTANCES_MAX)
}

fn map_count_max() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(MAP_COUNT_DEFAULT)
}

/// Whether the kernel has PAGEMAP_SCAN: Linux 6.7 or newer.
pub(crate) fn can_scan_pages() -> bool {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(6_u32), Some(7_u32))
}

/// Bytes of memory that this machine has.
fn memory_total() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_admitted_against_the_limit_of_memory_maps() {
        assert_eq!(instances_that_fit(65_530), 8_000);
        assert_eq!(instances_that_fit(20_000), 2_142);
        assert_eq!(instances_that_fit(1_000), 0);
        let mut settings = Settings::for_machine(PathBuf::from("unused"));
        settings.check().unwrap();
        settings.wasm_instances_max = 1 << 20;
        let text = settings.check().unwrap_err().to_string();
        assert!(text.starts_with("wasm-instances-max: 1048576 is not 1 to "), "{text}");
    }
}
