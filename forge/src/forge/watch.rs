//! The sources of a Forge's application while somebody works on them: what has changed is built
//! and rolled out, under versions of its own. What was there goes on serving until the new version
//! is ready, and where it is never ready. Knows no compiler.

mod release;
mod sources;

use super::application::{self, Application};
use super::marks::now_ms;
use super::nodes::Nodes;
use crate::http::Request;
use crate::model::{WatchState, WatchView};
use anyhow::{Context, bail, ensure};
use release::Releases;
use serde_json::Value;
use sources::Snapshot;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often sources are looked at. What has changed is built when it has not changed again
/// since the look before: editors and tools write several files.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A new blueprint begins a rollout sooner, if it is another one.
const NOTICED_MAX: Duration = Duration::from_secs(10);
/// Of what a compiler says, the most that is kept.
const SAID_BYTES_MAX: usize = 64 << 10;

/// Ends with this value.
#[derive(Debug)]
pub(crate) struct Watch {
    view: watch::Receiver<WatchView>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic there was told already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Work {
    /// The blueprint's.
    path: PathBuf,
    program: PathBuf,
    nodes: Arc<Nodes>,
    releases: Releases,
    view: watch::Sender<WatchView>,
    stopped: Receiver<()>,
}

impl Watch {
    /// Of an application that is deployed as its sources are now. `home`: for what is rolled out.
    pub(crate) fn start(
        application: &Application,
        program: &Path,
        home: &Path,
        nodes: Arc<Nodes>,
    ) -> anyhow::Result<Self> {
        let first = WatchView { state: WatchState::Watching, said: String::new(), at_ms: now_ms() };
        let (view, seen) = watch::channel(first);
        let (stop, stopped) = mpsc::channel();
        let releases = Releases::new(application, home)?;
        let (path, program) = (application.path.clone(), program.to_owned());
        let work = Work { path, program, nodes, releases, view, stopped };
        let sources = Snapshot::take(application.folder())?;
        let builder = std::thread::Builder::new().name("watch".to_owned());
        let thread = Some(builder.spawn(move || work.run(sources))?);
        Ok(Self { view: seen, stop: Some(stop), thread })
    }

    pub(crate) fn view(&self) -> WatchView {
        self.view.borrow().clone()
    }

    pub(crate) fn views(&self) -> watch::Receiver<WatchView> {
        self.view.clone()
    }
}

impl Work {
    fn run(mut self, mut seen: Snapshot) {
        // Since the last time that all went well.
        let mut changed = BTreeSet::new();
        let mut due = false;
        while !self.is_stopped(LOOK_EVERY) {
            // A folder that cannot be read is one that somebody replaces just now.
            let Ok(now) = Snapshot::take(self.folder()) else { continue };
            let new = now.changes(&seen);
            seen = now;
            if !new.is_empty() {
                changed.extend(new);
                due = true;
            } else if due {
                due = false;
                match self.round(&changed) {
                    Ok(()) => {
                        changed.clear();
                        self.say(WatchState::Watching, String::new());
                    }
                    Err(error) => self.say(WatchState::Failed, format!("{error:#}")),
                }
            }
        }
    }

    /// Builds what these files are of, and rolls it out.
    fn round(&mut self, changed: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
        let slices = sources::slices(self.folder())?;
        for slice in sources::touched(&slices, changed) {
            self.say(WatchState::Building, slice.display().to_string());
            self.build(slice)?;
        }
        let application = application::read(&self.path)?;
        let Some(release) = self.releases.next(&application)? else { return Ok(()) };
        self.say(WatchState::RollingOut, release.versions.join(", "));
        let folder = release.folder.to_string_lossy().into_owned();
        let words = ["deploy", &folder, "--strategy", "immediate", "--no-wait"];
        let before = self.rollout(&application.name).unwrap_or_default();
        self.nodes.with_any(|node| node.order(&words))?;
        self.follow(&application.name, &before["new"])?;
        self.releases.done(release);
        Ok(())
    }

    /// Fails with what the compiler says.
    fn build(&self, slice: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["slice", "build"]).arg(slice).stdin(Stdio::null());
        let output = command.output().with_context(|| self.program.display().to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        let from = said.len().saturating_sub(SAID_BYTES_MAX);
        let said = &said[said.ceil_char_boundary(from)..];
        ensure!(output.status.success(), "{}", said.trim_end());
        Ok(())
    }

    /// Until the rollout to another revision than `before` has ended. One that cannot go on by
    /// itself soon is taken back, so that the next one need not wait for it.
    fn follow(&self, app: &str, before: &Value) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut failed = None;
        while !self.is_stopped(LOOK_EVERY) {
            // A node that was just lost does not answer; the next one does.
            let Some(rollout) = self.rollout(app) else { continue };
            if rollout["new"] == *before {
                // Nothing of what was written makes a difference.
                if begun.elapsed() > NOTICED_MAX {
                    return Ok(());
                }
                continue;
            }
            let outcome = rollout["outcome"].as_str().unwrap_or_default();
            match (rollout["phase"].as_str(), &failed) {
                (Some("ENDED"), None) if outcome.starts_with("completed") => return Ok(()),
                (Some("ENDED"), why) => {
                    bail!("the old version goes on: {}", why.as_deref().unwrap_or(outcome))
                }
                (Some("COOLING"), None) => {
                    let last = rollout["history"].as_array().and_then(|events| events.last());
                    let why = last.and_then(|it| it["event"].as_str()).unwrap_or_default();
                    failed = Some(why.to_owned());
                    let path = format!("/api/rollouts/{app}/rollback");
                    let back = Request { method: "POST", path: &path, ..Request::default() };
                    self.nodes.with_any(|node| node.manage(&back))?;
                }
                _ => {}
            }
        }
        bail!("the forge ends")
    }

    /// The last one of the application, if there was one.
    fn rollout(&self, app: &str) -> Option<Value> {
        let path = format!("/api/rollouts/{app}");
        let show = Request { path: &path, ..Request::default() };
        let answer = self.nodes.with_any(|node| node.manage(&show)).ok()?;
        serde_json::from_str(&answer.body).ok()
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn say(&self, state: WatchState, said: String) {
        self.view.send_replace(WatchView { state, said, at_ms: now_ms() });
    }

    fn is_stopped(&self, time: Duration) -> bool {
        // Nothing is ever sent: the time is over, or the sender is gone.
        self.stopped.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }
}
