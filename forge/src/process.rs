//! A process of any program: its log, its signals, its end. Knows nothing of what it does.

use crate::wait::{PATIENCE, pause, until};
use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Kills the process `$0` at the end of its input, which comes when whoever holds the other end of
/// the pipe is gone; a line means that there is nobody left to kill.
const GUARD: &str = "trap '' INT TERM HUP; read -r line || kill -9 \"$0\"";

/// Clock ticks per second in /proc, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running process. Killed when this goes out of scope, and when this process ends in any way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    guard: Child,
    log: PathBuf,
    /// Where in the log this run begins.
    log_from: u64,
}

impl Process {
    /// Starts the program. All that it says is added to the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| log.display().to_string())?;
        let log_from = file.metadata()?.len();
        let program = command.get_program().to_owned();
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        match guard(child.id()) {
            Ok(guard) => Ok(Self { child, guard, log: log.to_owned(), log_from }),
            Err(error) => {
                let mut child = child;
                // The error that is told is why there is no guard.
                let _ = child.kill().and_then(|()| child.wait());
                Err(error).context("start sh")
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9; returns when it is gone. Nothing happens to a process that has ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.dismiss()
    }

    /// Asks the process to end, and waits for it. It must still run.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.ask_to_stop()?;
        self.wait()
    }

    /// Asks the process to end, and does not wait for it. It must still run.
    pub fn ask_to_stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// From now on, no file of the process grows beyond so many bytes; without them, as it was.
    pub fn limit_files(&self, bytes: Option<u64>) -> anyhow::Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let old = prlimit(id, Resource::Fsize, Rlimit { current: bytes, maximum: None })?;
        ensure!(old.maximum.is_none(), "the process has a limit of its own");
        Ok(())
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "process {} does not end", self.id());
            pause();
        }
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.dismiss()?;
        }
        Ok(status)
    }

    /// SIGSTOP; returns when no thread of the process runs any more.
    pub fn suspend(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        let stat = format!("/proc/{}/stat", self.id());
        until("the process is stopped", || {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            words(&stat).and_then(|mut words| words.next()) == Some("T")
        })
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!("process {} has ended: {status}", self.id());
        }
        // Nobody else has the number: it is ours until we have waited for it, and we have not.
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(id.context("a process has a number")?, signal)?)
    }

    /// CPU time that the process has used so far, user and system, with all that it has started:
    /// some servers are a process that only looks after those that work.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let ticks = ticks_of_family(self.id(), &everybody()?);
        let ticks = ticks.with_context(|| format!("process {} is gone", self.id()))?;
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
    }

    /// Bytes of memory that the process has in use now, shared ones included.
    pub fn memory(&self) -> anyhow::Result<u64> {
        memory(self.id())
    }

    /// What the process has said since it was started, as far as it is text.
    pub fn log(&self) -> anyhow::Result<String> {
        let mut file = File::open(&self.log).with_context(|| self.log.display().to_string())?;
        file.seek(SeekFrom::Start(self.log_from))?;
        let mut said = Vec::new();
        file.read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The guard has nothing to guard any more. It may have been told already.
    fn dismiss(&mut self) -> anyhow::Result<()> {
        if let Some(mut pipe) = self.guard.stdin.take() {
            std::io::Write::write_all(&mut pipe, b"\n")?;
        }
        self.guard.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nobody to kill.
        let _ = self.kill();
    }
}

/// The same of any process.
pub fn memory(id: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("/proc/PID/status")? << 10)
}

fn guard(id: u32) -> std::io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, &id.to_string()]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// The words of /proc/PID/stat after the name, which may hold anything: state, parent, …
fn words(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

/// A process as /proc shows it.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    id: u32,
    parent: u32,
    /// CPU time, with that of children that have ended.
    ticks: u64,
}

impl Stat {
    /// From /proc/PID/stat: there, utime, stime, cutime and cstime.
    fn parse(stat: &str) -> Option<Self> {
        let id = stat.split_whitespace().next()?.parse().ok()?;
        let parent = words(stat)?.nth(1)?.parse().ok()?;
        let times = words(stat)?.skip(11).take(4).map(|word| word.parse::<u64>().ok());
        Some(Self { id, parent, ticks: times.sum::<Option<u64>>()? })
    }
}

/// All processes of this machine, but for those that end meanwhile.
fn everybody() -> anyhow::Result<Vec<Stat>> {
    let folders = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    let stats = folders.filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok());
    Ok(stats.filter_map(|stat| Stat::parse(&stat)).collect())
}

/// Of a process and all that it has started, and those have.
fn ticks_of_family(id: u32, everybody: &[Stat]) -> Option<u64> {
    let own = everybody.iter().find(|it| it.id == id)?.ticks;
    let children = everybody.iter().filter(|it| it.parent == id);
    let theirs = children.filter_map(|child| ticks_of_family(child.id, everybody));
    Some(own + theirs.sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::{Process, Stat, ticks_of_family};
    use crate::wait::until;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// Says a line, then runs until it is asked to end.
    fn patient(log: &tempfile::TempDir) -> Process {
        let script = "trap 'echo asked; exit 7' TERM; echo up; while :; do :; done";
        let mut command = Command::new("sh");
        let process = Process::start(command.args(["-c", script]), &log.path().join("log"));
        let process = process.unwrap();
        until("it is up", || process.log().unwrap() == "up\n").unwrap();
        process
    }

    #[test]
    fn it_ends_when_whoever_started_it_is_gone() {
        let log = tempfile::tempdir().unwrap();
        let mut process = patient(&log);
        // What the kernel does at the end of a process, whatever ended it.
        drop(process.guard.stdin.take());
        assert_eq!(process.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn it_ends_as_it_is_told() {
        let log = tempfile::tempdir().unwrap();
        let mut process = patient(&log);
        process.suspend().unwrap();
        process.resume().unwrap();
        assert_eq!(process.stop().unwrap().code(), Some(7));
        assert_eq!(process.log().unwrap(), "up\nasked\n");
        assert!(process.suspend().is_err(), "it is gone");
        let mut again = patient(&log);
        assert_eq!(again.log().unwrap(), "up\n", "what it says is that of one run");
        again.suspend().unwrap();
        again.kill().unwrap();
        assert_eq!(again.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "7 (a ) b) S 3 2 3 4 5 6 7 8 9 10 40 2 1 4 20 0 1 0";
        assert_eq!(Stat::parse(stat), Some(Stat { id: 7, parent: 3, ticks: 47 }));
    }

    #[test]
    fn cpu_time_is_that_of_all_whom_the_process_has_started() {
        let everybody = [(3, 1, 1), (7, 3, 10), (5, 7, 100), (8, 1, 1_000), (9, 3, 10_000)];
        let everybody = everybody.map(|(id, parent, ticks)| Stat { id, parent, ticks });
        let of = |id| ticks_of_family(id, &everybody);
        assert_eq!([of(3), of(7), of(8), of(6)], [Some(10_111), Some(110), Some(1_000), None]);
        let log = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // It ends when the one that started it does.
        let script = "sh -c 'while [ -d /proc/$PPID ]; do :; done' & wait";
        let process = Process::start(command.args(["-c", script]), &log.path().join("log"));
        let process = process.unwrap();
        until("its child is counted", || process.cpu().unwrap().as_millis() >= 50).unwrap();
    }
}
