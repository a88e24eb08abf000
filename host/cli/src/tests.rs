//! Commands as people type them, before a server that is real and a node that is a fake.

mod access;
mod applications;
mod calls;
mod control;
mod rollouts;

use crate::args::Cli;
use crate::commands;
use crate::exit::Exit;
use crate::target::Surroundings;
use crate::ui::Ui;
use clap::{CommandFactory, Parser};
use expect_test::{Expect, expect};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// A server with a fake node, for as long as the value lives.
struct Server {
    address: String,
    /// Columns of the terminal.
    width: Option<u16>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default, Clone)]
struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// Without colour and without anything that moves.
fn ui(
    out: impl Write + 'static,
    err: impl Write + 'static,
    json: bool,
    width_out: Option<u16>,
) -> Ui {
    Ui {
        out: Box::new(out),
        err: Box::new(err),
        json,
        colour_out: false,
        colour_err: false,
        width_out,
        progress: indicatif::ProgressBar::hidden(),
    }
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = runtime.block_on(aether_api::fake::serve_fake()).unwrap().to_string();
        Self { address, width: None, _runtime: runtime }
    }

    /// What a command writes to stdout and stderr, and its exit code.
    fn run(&self, key: &str, args: &[&str]) -> (String, String, u8) {
        let local = matches!(args[0], "blueprint" | "completions" | "slice");
        let remote = ["--server", &self.address, "--key", key];
        let remote = if local { &[][..] } else { &remote };
        let (out, err) = (Buffer::default(), Buffer::default());
        let exit = match Cli::try_parse_from(["aether"].iter().chain(args).chain(remote)) {
            Err(error) => {
                write!(err.clone(), "{error}").unwrap();
                u8::try_from(error.exit_code()).unwrap()
            }
            Ok(Cli { command }) => {
                let mut ui = ui(out.clone(), err.clone(), command.json(), self.width);
                match commands::run(command, &Surroundings::default(), &mut ui) {
                    Ok(()) => Exit::Done as u8,
                    Err(failure) => {
                        ui.failure(&failure);
                        failure.exit() as u8
                    }
                }
            }
        };
        let hide = |text: String| text.replace(&self.address, "SERVER");
        (hide(out.text()), hide(err.text()), exit)
    }

    fn check(&self, args: &[&str], expect: Expect) {
        self.check_as("operator", args, expect);
    }

    /// The whole transcript. How long something took is nobody's expectation.
    fn check_as(&self, key: &str, args: &[&str], expect: Expect) {
        let (out, err, exit) = self.run(key, args);
        let timeless = |line: &str| match line.rsplit_once(", in ") {
            Some((before, _)) => format!("{before}, in TIME\n"),
            None => format!("{line}\n"),
        };
        let err: String = err.lines().map(|line| format!("2> {}", timeless(line))).collect();
        expect.assert_eq(&anonymous(&format!("{err}{out}exit {exit}\n")));
    }
}

/// Request ids are drawn: no two runs have the same.
fn anonymous(text: &str) -> String {
    let is_id =
        |word: &str| word.len() == 36 && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    text.split('"').map(|word| if is_id(word) { "ID" } else { word }).collect::<Vec<_>>().join("\"")
}

/// A folder with a blueprint and a component.
fn folder(name: &str, slices: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let head = format!("[application]\nname = \"{name}\"\nversion = \"1.2.0\"\n");
    std::fs::write(dir.path().join("blueprint.toml"), head + slices).unwrap();
    std::fs::write(dir.path().join("a.wasm"), "x").unwrap();
    dir
}

const SLICE: &str = "[[slices]]\nfile = \"a.wasm\"\nartifact = \"shop:place-order:1.0.0\"\n";
