//! The load of a Forge: one at a time, and what came of the last one. Sends nothing itself.

use super::marks::now_ms;
use crate::load::{Doors, Load, Progress, Report, Spec};
use crate::model::{LoadRequest, LoadView, Refused};
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(crate) struct Loads(Mutex<Option<Seat>>);

/// The load that was started last.
#[derive(Debug)]
struct Seat {
    request: LoadRequest,
    started_ms: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Here(Load),
    Stopped(Report),
}

impl Loads {
    /// In place of the one that runs, if any.
    pub(crate) fn start(&self, request: &LoadRequest, doors: Doors) -> anyhow::Result<Report> {
        let LoadRequest { file, text } = request;
        let spec = Spec::parse(file, text);
        let spec = spec.map_err(|problems| Refused::Invalid(problems.to_string()))?;
        let mut seat = self.seat();
        // Its requests end before those of the next one begin to be counted.
        if let Some(Seat { state: State::Here(last), .. }) = seat.take() {
            last.stop()?;
        }
        let started_ms = now_ms();
        let load = Load::start(spec, doors)?;
        let report = load.report();
        *seat = Some(Seat { request: request.clone(), started_ms, state: State::Here(load) });
        Ok(report)
    }

    /// What `change` does to the load that runs, and how it is then.
    pub(crate) fn steer(
        &self,
        change: impl FnOnce(&Load) -> anyhow::Result<()>,
    ) -> anyhow::Result<Report> {
        match &*self.seat() {
            Some(Seat { state: State::Here(load), .. }) => {
                change(load)?;
                Ok(load.report())
            }
            _ => Err(no_load().into()),
        }
    }

    /// Ends it. What came of it stays to be seen until the next one.
    pub(crate) fn stop(&self) -> anyhow::Result<Report> {
        let mut seat = self.seat();
        let Some(Seat { request, started_ms, state: State::Here(load) }) = seat.take() else {
            return Err(no_load().into());
        };
        let report = load.stop()?;
        let state = State::Stopped(report.clone());
        *seat = Some(Seat { request, started_ms, state });
        Ok(report)
    }

    /// The one that is there.
    pub(crate) fn report(&self) -> Option<Report> {
        match &*self.seat() {
            Some(Seat { state: State::Here(load), .. }) => Some(load.report()),
            _ => None,
        }
    }

    /// The last one, with the seconds that ended after this moment.
    pub(crate) fn view(&self, since_ms: u64) -> Option<LoadView> {
        let seat = self.seat();
        let Seat { started_ms, state, .. } = seat.as_ref()?;
        let mut report = match state {
            State::Here(load) => load.report(),
            State::Stopped(report) => Report { progress: Progress::Over, ..report.clone() },
        };
        report.seconds.retain(|second| started_ms + (second.at + 1) * 1_000 > since_ms);
        Some(LoadView { started_ms: *started_ms, report })
    }

    /// What it was started with.
    pub(crate) fn request(&self) -> Result<LoadRequest, Refused> {
        self.seat().as_ref().map(|seat| seat.request.clone()).ok_or_else(no_load)
    }

    fn seat(&self) -> MutexGuard<'_, Option<Seat>> {
        self.0.lock().expect("nobody panics with it")
    }
}

fn no_load() -> Refused {
    Refused::NotFound("there is no load: `aether forge load start FILE` starts one".to_owned())
}
