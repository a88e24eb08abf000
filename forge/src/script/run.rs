//! A scenario as it is played: one move after the other, with what has to be true all the time
//! looked at beside it. Knows the desk's operations, and no process.

use super::ast::{Condition, Order, Place};
use super::look::Look;
use super::plan::{Move, Plan, What};
use super::report::{Event, LoadPart, Outcome, Report};
use super::stage::Stage;
use super::trouble::troubles;
use super::value::Value;
use crate::forge::Shared;
use crate::model::{FaultOrder, NodeAction};
use anyhow::{Context, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Between two looks at the same condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Plays all of it, or up to what does not hold. What is not reached is skipped.
pub(crate) fn play(
    shared: Arc<Shared>,
    plan: &Plan,
    cancelled: Arc<AtomicBool>,
    say: &mut dyn FnMut(&Event),
) -> Report {
    let stage = Stage::new(shared, plan.folder.clone(), cancelled);
    let watcher = Watcher::default();
    let mut events = std::thread::scope(|scope| {
        scope.spawn(|| watcher.look(&stage));
        let player = Player { stage: &stage, watcher: &watcher, steps: Vec::new(), say };
        let events = player.play(&plan.moves);
        watcher.over.store(true, Ordering::Relaxed);
        events
    });
    // A load that nobody stopped ends with what failed, and belongs to the report as well.
    let _ = stage.end_load();
    events.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let loads = stage.loads().into_iter();
    Report {
        scenario: plan.name.clone(),
        seed: plan.seed,
        nodes: plan.nodes,
        took_s: stage.elapsed().as_secs_f64(),
        events,
        loads: loads.map(|(from_s, report)| LoadPart { from_s, report }).collect(),
    }
}

/// What has to be true all the time.
#[derive(Debug, Clone)]
struct Watch {
    number: usize,
    at: Place,
    steps: Vec<String>,
    condition: Condition<Value>,
    from_s: f64,
}

/// Looks at all watches, again and again.
#[derive(Debug, Default)]
struct Watcher {
    watches: Mutex<Vec<Watch>>,
    broken: Mutex<Option<(usize, String)>>,
    over: AtomicBool,
}

impl Watcher {
    fn look(&self, stage: &Stage) {
        while !self.over.load(Ordering::Relaxed) {
            let watches = lock(&self.watches).clone();
            for watch in watches {
                let Look { holds, seen } = stage.holds(&watch.condition);
                // It may have come to its end meanwhile.
                let lasts = lock(&self.watches).iter().any(|it| it.number == watch.number);
                if holds == Some(false) && lasts {
                    lock(&self.broken).get_or_insert((watch.number, seen));
                }
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn is_broken(&self) -> bool {
        lock(&self.broken).is_some()
    }

    fn take(&self, number: usize) -> Option<Watch> {
        let mut watches = lock(&self.watches);
        let at = watches.iter().position(|watch| watch.number == number)?;
        Some(watches.remove(at))
    }
}

struct Player<'a> {
    stage: &'a Stage,
    watcher: &'a Watcher,
    /// Names of the steps that have begun.
    steps: Vec<String>,
    say: &'a mut dyn FnMut(&Event),
}

/// Why a move is not done.
enum Stop {
    Failed(String),
    /// Something else does not hold any more.
    Broken,
}

type Done = Result<String, Stop>;

impl Player<'_> {
    fn play(mut self, moves: &[Move]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut left = moves.iter();
        for Move { at, what } in left.by_ref() {
            let from = self.now();
            let event = match what {
                What::Enter(name) => {
                    self.steps.push(name.clone());
                    continue;
                }
                What::Leave => {
                    self.steps.pop();
                    continue;
                }
                What::Watch(number, condition) => {
                    self.watch(*number, at, condition);
                    continue;
                }
                What::Unwatch(number) => self.unwatch(*number),
                what => {
                    let done = self.check().and_then(|()| self.act(what));
                    let (outcome, seen) = match done {
                        Ok(seen) => (Outcome::Passed, seen),
                        Err(Stop::Failed(why)) => (Outcome::Failed, why),
                        Err(Stop::Broken) => (Outcome::Skipped, String::new()),
                    };
                    let took_s = self.now() - from;
                    self.event(at, what, Event { outcome, seen, took_s, ..Event::at(from) })
                }
            };
            let ends = event.outcome != Outcome::Passed;
            (self.say)(&event);
            events.push(event);
            if ends {
                events.extend(self.broken());
                break;
            }
        }
        for Move { at, what } in left {
            match what {
                What::Enter(name) => self.steps.push(name.clone()),
                What::Leave => drop(self.steps.pop()),
                What::Watch(..) | What::Unwatch(_) => {}
                what => {
                    let event = Event { outcome: Outcome::Skipped, ..Event::at(self.now()) };
                    events.push(self.event(at, what, event));
                }
            }
        }
        events
    }

    fn now(&self) -> f64 {
        self.stage.elapsed().as_secs_f64()
    }

    fn event(&self, at: &Place, what: &What, event: Event) -> Event {
        let expects = matches!(what, What::Expect { .. });
        let (place, text) = (at.to_string(), what.to_string());
        let lasts_s = match what {
            What::Do(order) if event.outcome == Outcome::Passed => {
                order.value("for").map_or(0.0, |time| duration(time).as_secs_f64())
            }
            _ => 0.0,
        };
        Event { steps: self.steps.clone(), place, text, expects, lasts_s, ..event }
    }

    fn watch(&mut self, number: usize, at: &Place, condition: &Condition<Value>) {
        let (at, steps, condition) = (at.clone(), self.steps.clone(), condition.clone());
        let watch = Watch { number, at, steps, condition, from_s: self.now() };
        lock(&self.watcher.watches).push(watch);
    }

    /// Looks once more: at the end it has to be true, and not only not known.
    fn unwatch(&mut self, number: usize) -> Event {
        let watch = self.watcher.take(number).expect("a watch ends once, after it has begun");
        let broken = lock(&self.watcher.broken).clone().filter(|(it, _)| *it == number);
        let (holds, seen) = match broken {
            Some((_, seen)) => (false, seen),
            None => {
                let look = self.stage.holds(&watch.condition);
                (look.holds == Some(true), look.seen)
            }
        };
        let outcome = if holds { Outcome::Passed } else { Outcome::Failed };
        self.watched(&watch, outcome, seen)
    }

    fn watched(&self, watch: &Watch, outcome: Outcome, seen: String) -> Event {
        let Watch { number, at, steps, condition, from_s } = watch;
        let text = What::Watch(*number, condition.clone()).to_string();
        let (took_s, from_s) = (self.now() - from_s, *from_s);
        let (place, steps) = (at.to_string(), steps.clone());
        let (expects, lasts_s) = (true, 0.0);
        Event { place, steps, text, expects, outcome, seen, from_s, took_s, lasts_s }
    }

    /// What was watched when the play ended before its end.
    fn broken(&mut self) -> Vec<Event> {
        let broken = lock(&self.watcher.broken).clone();
        let watches = std::mem::take(&mut *lock(&self.watcher.watches));
        let events = watches.iter().map(|watch| match &broken {
            Some((number, seen)) if *number == watch.number => {
                self.watched(watch, Outcome::Failed, seen.clone())
            }
            _ => self.watched(watch, Outcome::Skipped, String::new()),
        });
        let events: Vec<Event> = events.collect();
        let failed = events.iter().filter(|event| event.outcome == Outcome::Failed);
        failed.for_each(|event| (self.say)(event));
        events
    }

    /// Whether there is a reason to go on.
    fn check(&self) -> Result<(), Stop> {
        self.stage.go_on().map_err(|error| Stop::Failed(error.to_string()))?;
        if self.watcher.is_broken() { Err(Stop::Broken) } else { Ok(()) }
    }

    fn act(&mut self, what: &What) -> Done {
        let done = match what {
            What::Keep(number, _, nodes) => {
                self.stage.keep(*number, nodes).map(|nodes| named(nodes.into_iter().collect()))
            }
            What::Do(order) if order.form.verb == ["wait"] => {
                return self.wait(order.value("time").map_or(Duration::ZERO, duration));
            }
            What::Do(order) => self.order(order),
            What::Load(request) => self.stage.end_load().and_then(|_| {
                self.stage.load_began();
                self.stage.shared.start_load(request).map(|_| String::new())
            }),
            What::Aether(program) => match self.stage.program(program) {
                Ok(Look { holds: Some(true), seen }) => Ok(seen),
                Ok(Look { seen, .. }) => return Err(Stop::Failed(seen)),
                Err(error) => Err(error),
            },
            What::Expect { within, condition } => {
                return self.expect(within.as_ref().map(duration), condition);
            }
            What::Enter(_) | What::Leave | What::Watch(..) | What::Unwatch(_) => Ok(String::new()),
        };
        done.map_err(|error| Stop::Failed(format!("{error:#}")))
    }

    fn wait(&self, time: Duration) -> Done {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.check()?;
            std::thread::park_timeout(left.min(LOOK_EVERY));
        }
        Ok(String::new())
    }

    /// Looks until it is true, as long as there is time; at least once.
    fn expect(&self, within: Option<Duration>, condition: &Condition<Value>) -> Done {
        let until = Instant::now() + within.unwrap_or_default();
        loop {
            let Look { holds, seen } = self.stage.holds(condition);
            if holds == Some(true) {
                return Ok(seen);
            }
            if Instant::now() >= until {
                return Err(Stop::Failed(seen));
            }
            self.check()?;
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn order(&self, order: &Order<Value>) -> anyhow::Result<String> {
        let shared = &self.stage.shared;
        match order.form.verb {
            ["add", ..] => return Ok(format!("node {}", shared.nodes.add()?.number)),
            ["end", ..] => return shared.end_faults().map(|()| String::new()),
            ["load", "stop"] => {
                let report = self.stage.end_load()?.context("no load runs")?;
                let total = report.total;
                return Ok(format!("{} good, {} failed", total.good, total.failed));
            }
            ["load", word] => {
                let factor = order.value("factor").map_or(1.0, Value::number);
                shared.steer_load(|load| {
                    match *word {
                        "pause" => load.pause(),
                        "resume" => load.resume(),
                        _ => load.set_factor(factor)?,
                    }
                    Ok(())
                })?;
                return Ok(String::new());
            }
            _ => {}
        }
        let action = NodeAction::ALL.into_iter().find(|it| [it.word()] == *order.form.verb);
        if let (Some(action), None) = (action, order.value("for")) {
            let nodes = self.stage.meant(order.value("nodes").context("an action has nodes")?)?;
            nodes.iter().try_for_each(|node| shared.nodes.act(*node, action).map(drop))?;
            return Ok(named(nodes));
        }
        let (troubles, nodes) = troubles(self.stage, order)?;
        let Some(Value::Time(duration)) = order.value("for") else { bail!("a fault has a time") };
        for trouble in troubles {
            shared.begin_fault(&FaultOrder { trouble, duration: *duration })?;
        }
        Ok(nodes)
    }
}

fn duration(value: &Value) -> Duration {
    value.time().duration()
}

/// `node 2`, `nodes 1 and 2`.
pub(super) fn named(nodes: Vec<usize>) -> String {
    let numbers: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let word = if numbers.len() == 1 { "node" } else { "nodes" };
    format!("{word} {}", numbers.join(" and "))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}
