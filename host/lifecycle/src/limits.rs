//! How long each step may take and how often it is tried, in one place.

/// Fetching, verifying and compiling: 20 MB of guest code take 20 s on one slow core.
pub const LOADING_MS_MAX: u64 = 120_000;
/// Starting: the hook itself has 5 s, instantiation of a large guest may take some more.
pub const ACTIVATING_MS_MAX: u64 = 60_000;
/// Withdrawing, draining and stopping together.
pub const DEACTIVATING_MS_MAX: u64 = 30_000;
/// Of these: until the routers have acknowledged that no more calls arrive.
pub const WITHDRAWING_MS_MAX: u64 = 5_000;
/// Of these: left for the stop hook when the drain takes too long.
pub const STOPPING_MS_MAX: u64 = 5_000;
/// Dropping memory and code.
pub const UNLOADING_MS_MAX: u64 = 120_000;

/// Loads at the same time. Compiling uses all cores: more of them only share these.
pub const LOADS_AT_ONCE_MAX: usize = 4;

/// The wait after the first failure; it doubles with each further one.
pub const RETRY_MS_MIN: u64 = 1_000;
/// The longest wait, without jitter (which adds up to a quarter).
pub const RETRY_MS_MAX: u64 = 60_000;
