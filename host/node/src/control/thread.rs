//! The control thread itself: takes up events, executes what the member wants, and keeps the log on
//! disk. Decides nothing.

use super::{
    BATCH_MAX, Back, ControlError, ControlFailure, ControlLoop, Disk, Event, FULL_DISK_RETRY,
    SNAPSHOT_HERE_MAX, TICK, Written,
};
use crate::depot::blocking;
use crate::tasks::{OnFailure, with_causes};
use aether_consensus::Persist;
use aether_control::{Answer, Change, Effect, Tick, Ticket};
use aether_types::ErrorKind;
use bytes::Bytes;
use crossbeam_channel::select;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl ControlLoop {
    /// Runs until it is stopped: waits for one event, takes all that are ready, then does what the
    /// member wants.
    pub(crate) fn run(mut self) -> Result<(), ControlFailure> {
        self.execute()?;
        while !self.stopping {
            let wait = self.next_tick.saturating_duration_since(Instant::now());
            select! {
                recv(self.events) -> event => match event {
                    Ok(event) => self.on_event(event),
                    Err(_) => break,
                },
                recv(self.back) -> back => {
                    self.on_back(back.expect("this thread holds the other end"))?;
                }
                default(wait) => {}
            }
            for _ in 1..BATCH_MAX {
                match self.events.try_recv() {
                    Ok(event) => self.on_event(event),
                    Err(_) => break,
                }
            }
            self.tick();
            self.execute()?;
        }
        // A snapshot on its way to the disk gets there; what would come after it was not
        // acknowledged.
        while let Disk::Away(_) = self.disk {
            if let Ok(Back::Written(written)) = self.back.recv() {
                self.disk = Disk::Here(written.log);
            }
        }
        Ok(())
    }

    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Write { write, decided, reply } => {
                let ticket = self.member.write(write, decided);
                self.waiting.insert(ticket, reply);
            }
            Event::Read { reply } => {
                let ticket = self.member.read();
                self.waiting.insert(ticket, reply);
            }
            // Refused where it makes no sense any more; whoever wants it looks again.
            Event::HandOver { to } => drop(self.member.transfer_leader(to)),
            Event::Message(message) => self.member.on_message(message),
            Event::Unreachable(node) => self.member.on_unreachable(node),
            Event::Stop => self.stopping = true,
        }
    }

    fn on_back(&mut self, back: Back) -> Result<(), ControlFailure> {
        match back {
            Back::Snapshot { index, data } => {
                self.member.on_snapshot(index, data);
                Ok(())
            }
            Back::Written(written) => self.on_written(*written),
        }
    }

    fn tick(&mut self) {
        if Instant::now() < self.next_tick {
            return;
        }
        self.next_tick = Instant::now() + TICK;
        self.has_news = true;
        let elapsed = self.started.elapsed().as_millis();
        let now = Tick(u64::try_from(elapsed).unwrap_or(u64::MAX));
        self.member.tick(now, &self.shared.state.read());
    }

    /// Does what the member wants, until it wants nothing. What follows a `Persist` need not wait
    /// for it: messages and answers are on their way before the disk is written.
    pub(super) fn execute(&mut self) -> Result<(), ControlFailure> {
        loop {
            let mut steps = Vec::new();
            loop {
                let effects = self.member.advance();
                if effects.is_empty() {
                    break;
                }
                for effect in effects {
                    self.on_effect(effect, &mut steps)?;
                }
            }
            self.answers.send();
            // Before the revision: who follows that finds members that are not older.
            if std::mem::take(&mut self.has_news) {
                self.shared.status.send_replace(Some(Arc::new(self.member.status())));
            }
            let revision = self.shared.state.read().revision();
            let followed = &self.shared.revision;
            followed.send_if_modified(|seen| std::mem::replace(seen, revision) != revision);
            if steps.is_empty() {
                break;
            }
            self.write(steps)?;
        }
        Ok(())
    }

    fn on_effect(
        &mut self,
        effect: Effect,
        steps: &mut Vec<Persist>,
    ) -> Result<(), ControlFailure> {
        match effect {
            Effect::Persist(step) => steps.push(step),
            Effect::Send(message) => (self.outlet)(message.to(), message),
            Effect::Change(change) => {
                // It brings members of its own.
                self.has_news |= matches!(change, Change::Restore(_));
                let mut state = self.shared.state.write();
                self.member.apply(&mut state, change)?;
            }
            Effect::Reply(aether_control::Reply { ticket, answer }) => self.reply(ticket, answer),
            Effect::TakeSnapshot { index } => {
                // Values are shared, not copied: only encoding takes long.
                let (state, back) = (self.shared.state.read().clone(), self.bring_back.clone());
                self.spawn(move || {
                    let data = Bytes::from(state.encode());
                    // Where nobody takes it, the node has ended.
                    drop(back.send(Back::Snapshot { index, data }));
                });
            }
            Effect::MembershipChanged { membership } => {
                tracing::info!(%membership, "members changed");
                self.has_news = true;
            }
            Effect::LeaderChanged { leader, role, term } => {
                let leader = leader.map(tracing::field::display);
                tracing::info!(leader, ?role, term = term.0, "leader changed");
                self.shared.leading.send_replace(None);
                self.has_news = true;
            }
            Effect::Forgotten { acknowledged, last } => {
                return Err(ControlFailure::Forgotten { acknowledged, last });
            }
            Effect::Leading { term } => {
                self.shared.leading.send_replace(Some(term));
            }
        }
        Ok(())
    }

    fn reply(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(reply) = self.waiting.remove(&ticket) {
            self.answers.add(reply, answer.map_err(ControlError::from));
        }
    }

    /// Makes the steps durable: here, or, where there is a large snapshot among them, in a thread
    /// of its own, so that heartbeats go on. Then all that comes after it waits for it.
    fn write(&mut self, steps: Vec<Persist>) -> Result<(), ControlFailure> {
        let Some(number) = steps.last().map(|step| step.number) else { return Ok(()) };
        let is_large = |step: &Persist| {
            step.snapshot.as_ref().is_some_and(|it| it.data.len() > SNAPSHOT_HERE_MAX)
        };
        match std::mem::replace(&mut self.disk, Disk::Away(Vec::new())) {
            Disk::Away(mut queued) => {
                queued.extend(steps);
                self.disk = Disk::Away(queued);
            }
            Disk::Here(mut log) if steps.iter().any(is_large) => {
                let (back, faults) = (self.bring_back.clone(), Arc::clone(&self.disk_faults));
                self.spawn(move || {
                    let result = faults.before_sync().and_then(|()| log.persist(&steps));
                    // Where nobody takes it, the node has ended.
                    drop(back.send(Back::Written(Box::new(Written { log, steps, result }))));
                });
            }
            Disk::Here(log) => {
                self.disk = Disk::Here(log);
                self.persist(&steps)?;
                self.member.on_persisted(number);
            }
        }
        Ok(())
    }

    fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.tasks.spawn("snapshot", OnFailure::StopNode, async move {
            blocking(work).await;
            Ok::<(), Infallible>(())
        });
    }

    fn on_written(&mut self, written: Written) -> Result<(), ControlFailure> {
        let Written { log, steps, result } = written;
        let before = std::mem::replace(&mut self.disk, Disk::Here(log));
        match result {
            Ok(()) => {}
            // Tried again here, until there is room.
            Err(error) if error.kind() == ErrorKind::Exhausted => self.persist(&steps)?,
            Err(error) => return Err(error.into()),
        }
        if let Some(number) = steps.last().map(|step| step.number) {
            self.member.on_persisted(number);
        }
        match before {
            Disk::Away(queued) => self.write(queued),
            Disk::Here(_) => unreachable!("the log was away"),
        }
    }

    /// A full disk stops nothing but writes: this node takes no part in its group until there is
    /// room again, and what it serves goes on.
    fn persist(&mut self, steps: &[Persist]) -> Result<(), ControlFailure> {
        let mut full = false;
        loop {
            let Disk::Here(log) = &mut self.disk else { unreachable!("the log is here") };
            self.disk_faults.before_sync()?;
            match log.persist(steps) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Exhausted && !self.stopping => {
                    if !full {
                        let error = with_causes(&error);
                        tracing::error!(error, "the disk is full: writes are refused");
                    }
                    full = true;
                    self.shared.disk_full.store(true, Ordering::Relaxed);
                    self.refuse_for(FULL_DISK_RETRY);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if full {
            self.shared.disk_full.store(false, Ordering::Relaxed);
            tracing::info!("the disk has room again");
        }
        Ok(())
    }

    fn refuse_for(&mut self, time: Duration) {
        for (_, reply) in std::mem::take(&mut self.waiting) {
            reply.send(Err(aether_control::Error::Unknown.into()));
        }
        let until = Instant::now() + time;
        while let Ok(event) = self.events.recv_deadline(until) {
            match event {
                Event::Write { reply, .. } | Event::Read { reply } => {
                    reply.send(Err(ControlError::DiskFull));
                }
                Event::Stop => {
                    self.stopping = true;
                    return;
                }
                Event::HandOver { .. } | Event::Message(_) | Event::Unreachable(_) => {}
            }
        }
    }
}
