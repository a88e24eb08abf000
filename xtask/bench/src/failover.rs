//! `failover`: from the loss of the leader under load to the first acknowledged write through a
//! survivor, by kill -9 and by SIGSTOP, against etcd with its defaults; and what requests to a
//! slice on the survivors notice of it.

use std::path::Path;
use std::time::{Duration, Instant};

use aether_forge::{Node, until};

use crate::aether;
use crate::etcd::{self, Etcd};
use crate::guests::Guests;
use crate::probe::{Probe, longest_gap_ms};
use crate::replicas::{MEMBERS, Replicas};
use crate::report::{self, Measure, median};

const ROUNDS: usize = 20;
/// Writes that have to be acknowledged before the leader goes, and once more afterwards.
const WRITES: usize = 200;
const PATH: &str = "/hello";

#[derive(Clone, Copy)]
enum Loss {
    Kill,
    Stop,
}

/// Of one loss.
struct Figures {
    first_write_ms: f64,
    /// The longest time in which no request to a slice on a survivor was answered: before the loss,
    /// and from there on. Zero where there are no requests.
    gap_before_ms: f64,
    gap_ms: f64,
}

pub(crate) fn run(folder: &Path, rounds: Option<usize>) -> anyhow::Result<()> {
    let program = etcd::program(folder)?;
    let guests = Guests::build(&["guest-http-hello"], folder)?;
    let mut ours = aether::sandbox(folder, "failover")?.cluster(MEMBERS)?;
    let slice = aether::slice("hello", guests.path("guest-http-hello"));
    let route =
        "\n[[routes]]\nroute = \"* /**\"\nslice = \"bench:hello\"\nhandler = \"wasi:http\"\n";
    let head = "[application]\nname = \"hello\"\nversion = \"1.0.0\"\n";
    aether::deploy(&ours[0], &format!("{head}{slice}instances = {MEMBERS}\n{route}"))?;
    let mut theirs = Etcd::start(&program, &folder.join("failover-etcd"), MEMBERS)?;

    let mut kills = [Vec::new(), Vec::new()];
    let mut stops = [Vec::new(), Vec::new()];
    for round in 1..=rounds.unwrap_or(ROUNDS) {
        for (loss, figures) in [(Loss::Kill, &mut kills), (Loss::Stop, &mut stops)] {
            figures[0].push(ours_once(&mut ours, loss)?);
            figures[1].push(once(&mut theirs, loss, Vec::new())?);
        }
        let last = |rounds: &[Vec<Figures>; 2]| {
            rounds.each_ref().map(|rounds| rounds.last().map_or(0.0, |it| it.first_write_ms))
        };
        let ([kill, their_kill], [stop, their_stop]) = (last(&kills), last(&stops));
        let gap = kills[0].last().map_or(0.0, |it| it.gap_ms);
        eprintln!(
            "round {round}: kill {kill:.0} ms, etcd {their_kill:.0} ms; stop {stop:.0} ms, \
             etcd {their_stop:.0} ms; no answer for {gap:.0} ms"
        );
    }
    let middle = |name, [ours, theirs]: [&Vec<Figures>; 2]| {
        let of = |rounds: &Vec<Figures>| median(rounds.iter().map(|it| it.first_write_ms));
        Measure::new(name, "ms", of(ours), (etcd::NAME, of(theirs)))
    };
    let longest = |of: fn(&Figures) -> f64| kills[0].iter().map(of).fold(0.0, f64::max);
    let undisturbed = longest(|it| it.gap_before_ms);
    let measures = [
        middle("kill median ms", kills.each_ref()),
        middle("stop median ms", stops.each_ref()),
        Measure::new("traffic gap ms", "ms", longest(|it| it.gap_ms), ("no loss", undisturbed)),
    ];
    report::publish(folder, "failover", &measures)
}

/// With requests to the slice: it must be on every node first.
fn ours_once(nodes: &mut Vec<Node>, loss: Loss) -> anyhow::Result<Figures> {
    for node in &*nodes {
        until("every node serves the slice itself", || {
            crate::client::get(node.http, PATH).is_ok()
                && node.json(&["status"]).is_ok_and(|it| it["node"]["active-instances"] == 1)
        })?;
    }
    let fronts = nodes.iter().map(|node| node.http).collect();
    once(nodes, loss, fronts)
}

/// Loses the leader, waits until a survivor takes writes, and makes the cluster whole again.
fn once(
    replicas: &mut dyn Replicas,
    loss: Loss,
    fronts: Vec<std::net::SocketAddr>,
) -> anyhow::Result<Figures> {
    let lost = replicas.leader()?;
    let survivors: Vec<usize> = (0..MEMBERS).filter(|at| *at != lost).collect();
    let doors = survivors.iter().map(|at| replicas.door(*at)).collect();
    let fronts: Vec<_> = survivors.iter().filter_map(|at| fronts.get(*at).copied()).collect();
    let probe = Probe::start(doors, fronts.iter().map(|front| (*front, PATH)).collect())?;
    until("writes are acknowledged before", || probe.acknowledged_since(probe.start) >= WRITES)?;
    let before = Instant::now();
    match loss {
        Loss::Kill => replicas.kill(lost)?,
        Loss::Stop => replicas.suspend(lost)?,
    }
    // What was sent earlier may have been acknowledged by the leader that is lost.
    let gone = Instant::now();
    until("writes are acknowledged again", || probe.acknowledged_since(gone) >= WRITES)?;
    let seen = probe.stop()?;
    match loss {
        Loss::Kill => replicas.start_again(lost)?,
        Loss::Stop => replicas.resume(lost)?,
    }
    replicas.wait_until_whole()?;
    let first = seen.writes.iter().filter(|write| write.sent >= gone).map(|write| write.done).min();
    let first = first.expect("enough of them were waited for");
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let longest = |from, to| {
        seen.answers.iter().map(|front| longest_gap_ms(front, from, to)).fold(0.0, f64::max)
    };
    Ok(Figures {
        first_write_ms: ms(first - before),
        gap_before_ms: longest(seen.start, before),
        gap_ms: longest(before, seen.end),
    })
}
