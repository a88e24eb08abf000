//! Does on demand what a bad slice does: loops, traps, recurses, grows, waits, floods.

aether_slice::slice!(deps = ["../../wit/hostile"]);

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::time::{Duration, Instant};

use aether_slice::cache::Bucket;
use exports::test::hostile::acts::Guest;

struct Hostile;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static HOARD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static HANDLES: RefCell<Vec<Bucket>> = const { RefCell::new(Vec::new()) };
}

const PAGE_BYTES: usize = 64 * 1024;

impl Guest for Hostile {
    fn count() -> u32 {
        CALLS.replace(CALLS.get() + 1) + 1
    }

    fn spin() {
        loop {
            black_box(());
        }
    }

    fn trap() {
        #[cfg(target_family = "wasm")]
        core::arch::wasm32::unreachable();
    }

    fn recurse(depth: u64) -> u64 {
        deeper(depth)
    }

    fn grow(bytes: u64) -> u64 {
        HOARD.with_borrow_mut(|hoard| {
            hoard.push(vec![1; bytes as usize]);
            hoard.iter().map(|it| it.len() as u64).sum()
        })
    }

    fn grow_forever() {
        HOARD.with_borrow_mut(|hoard| {
            loop {
                hoard.push(black_box(vec![1; PAGE_BYTES]));
            }
        });
    }

    #[expect(clippy::disallowed_methods, reason = "waiting in the host is what this is for")]
    fn sleep(ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }

    fn busy(ms: u64) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(ms) {
            black_box((0..1000u32).sum::<u32>());
        }
    }

    fn huge_string(bytes: u32) -> String {
        "x".repeat(bytes as usize)
    }

    fn huge_list(count: u32) -> Vec<Vec<u8>> {
        vec![vec![7]; count as usize]
    }

    fn open_bucket(name: String) -> Result<(), String> {
        Bucket::open(&name).map(drop).map_err(|error| error.to_string())
    }

    fn hoard_handles(name: String, count: u32) -> Result<u32, String> {
        HANDLES.with_borrow_mut(|handles| {
            for _ in 0..count {
                handles.push(Bucket::open(&name).map_err(|error| error.to_string())?);
            }
            Ok(handles.len() as u32)
        })
    }

    fn flood_log(count: u32, bytes: u32) {
        let message = "x".repeat(bytes as usize);
        for _ in 0..count {
            aether_slice::info!("{message}");
        }
    }

    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what it is for")]
    fn print(bytes: u32) {
        let text = "x".repeat(bytes as usize);
        println!("{text}");
        eprintln!("{text}");
    }

    fn env(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn exit(code: u8) {
        std::process::exit(code.into());
    }
}

#[expect(unconditional_recursion, reason = "the stack has to end")]
fn deeper(depth: u64) -> u64 {
    let here = black_box([depth; 16]);
    deeper(black_box(depth + 1)) + here[3]
}

export!(Hostile);
