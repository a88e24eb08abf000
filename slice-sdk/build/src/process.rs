//! Runs other programs: with a time limit, with their output at hand, with a clean environment.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::{Error, Result};

/// What of a failed program's output is worth showing.
const DETAIL_BYTES_MAX: usize = 8 * 1024;

/// Runs to the end and returns standard output; a non-zero exit is an error with the output's end.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let out = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Run { command: line.clone(), source })?;
    check(line, &out)?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Like `output`, but ends the program when `limit` has passed.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> Result<()> {
    let line = line(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Run { command: line.clone(), source })?;
    let mut stderr = child.stderr.take().expect("standard error is piped above");
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // A read error ends the text; what there is is still shown.
        let _ = stderr.read_to_end(&mut text);
        let _ = tx.send(text);
    });
    let Ok(stderr) = rx.recv_timeout(limit) else {
        // It may have ended meanwhile; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
        let detail = format!("no answer within {} s", limit.as_secs());
        return Err(Error::Failed { command: line, detail });
    };
    let status = child.wait().map_err(|source| Error::Run { command: line.clone(), source })?;
    check(line, &Output { status, stdout: Vec::new(), stderr })
}

pub(crate) fn check(line: String, out: &Output) -> Result<()> {
    if out.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&out.stderr);
    let text = text.trim();
    let mut from = text.len().saturating_sub(DETAIL_BYTES_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let detail = format!("{}\n{}", out.status, &text[from..]);
    Err(Error::Failed { command: line, detail })
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// cargo, as the user runs it, without what an outer cargo (`cargo test`, `cargo clippy`, a build
/// script) put into the environment for itself.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in [
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_TARGET_DIR",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}
