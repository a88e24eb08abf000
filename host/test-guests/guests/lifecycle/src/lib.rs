//! Has hooks that do what its configuration says: succeed, fail, trap or hang.

aether_slice::slice!(deps = ["../../wit/probe"]);

use std::cell::{Cell, RefCell};

use aether_slice::config;
use exports::aether::slice::lifecycle;
use exports::test::probe::hooks;

struct Lifecycle;

thread_local! {
    static STARTS: Cell<u32> = const { Cell::new(0) };
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl lifecycle::Guest for Lifecycle {
    fn start() -> Result<(), String> {
        STARTS.set(STARTS.get() + 1);
        SEEN.replace(config::get("seen").map_err(|error| error.to_string())?);
        act("start")
    }

    fn stop() -> Result<(), String> {
        act("stop")
    }
}

impl hooks::Guest for Lifecycle {
    fn starts() -> u32 {
        STARTS.get()
    }

    fn seen_at_start() -> Option<String> {
        SEEN.with_borrow(Clone::clone)
    }
}

fn act(hook: &str) -> Result<(), String> {
    aether_slice::info!("{hook} hook runs");
    let wanted = config::get(hook).map_err(|error| error.to_string())?;
    match wanted.as_deref() {
        None | Some("ok") => Ok(()),
        Some("fail") => Err(format!("{hook} fails because the configuration says so")),
        Some("trap") => panic!("{hook} traps because the configuration says so"),
        Some("hang") => loop {
            std::hint::black_box(());
        },
        Some(other) => Err(format!("{hook} does not know how to {other:?}")),
    }
}

export!(Lifecycle);
