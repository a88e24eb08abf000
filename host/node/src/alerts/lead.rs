//! The leader's part of alerts: reads all values each second, whoever looks, and writes what
//! changes. Keeps nothing that the next leader would need.

use super::messenger::Deliveries;
use super::readings::Instruments;
use crate::control::{Control, ControlError};
use crate::projector::{Picture, Pictures};
use crate::rollouts::unchanged;
use crate::tasks::Runs;
use crate::{keys, unix_ms};
use aether_alerts::{Event, Happened, Memory, Time, evaluate};
use aether_consensus::Term;
use aether_kv::{Condition, Key, Operation, Transaction};
use aether_types::versioned::encode;
use aether_types::{ErrorKind, Revision};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the leader looks.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Lead {
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
    pub(crate) instruments: Instruments,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) leading: watch::Receiver<Option<Term>>,
}

impl Lead {
    /// Looks while this node leads.
    pub(crate) async fn run(
        self,
        runs: Runs,
        shutdown: CancellationToken,
    ) -> Result<(), Infallible> {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut led: Option<(Term, Memory)> = None;
        while shutdown.run_until_cancelled(every.tick()).await.is_some() {
            let Some(term) = *self.leading.borrow() else {
                led = None;
                continue;
            };
            let (_, memory) = match &mut led {
                Some(led) if led.0 == term => led,
                led => led.insert((term, Memory::default())),
            };
            let since = Instant::now();
            let picture = self.pictures.borrow().clone();
            let error = self.look(&picture, memory, term).await.err();
            runs.note("alerts", since, error.map(|error| error.to_string()));
        }
        Ok(())
    }

    async fn look(
        &self,
        picture: &Picture,
        memory: &mut Memory,
        term: Term,
    ) -> Result<(), ControlError> {
        let (thresholds, known) = (&picture.world.thresholds.value, &picture.world.alerts);
        let readings = self.instruments.read(picture);
        let now = Time(unix_ms());
        let (next, events) = evaluate(thresholds, now, &readings, memory, &known.value);
        if events.is_empty() {
            return Ok(());
        }
        let (condition, put) = rewrite(keys::alerts(), known.revision, encode(&next));
        let mut transaction = Transaction { conditions: vec![condition], operations: vec![put] };
        let mut surplus = Vec::new();
        if picture.world.webhook.value.url.is_some() {
            // Together with the alerts: what is raised is told, whoever leads then.
            let waiting = &picture.world.outbox;
            let mut outbox = waiting.value.clone();
            surplus = outbox.add(&events, &known.value, &next);
            let (condition, put) = rewrite(keys::outbox(), waiting.revision, encode(&outbox));
            transaction.conditions.push(condition);
            transaction.operations.push(put);
        }
        match self.control.transact_as_leader(transaction, term).await {
            Ok(_) => {
                events.iter().for_each(log);
                self.deliveries.on_given_up(&surplus);
            }
            // Somebody acknowledged at the same time, or leads now: the next look sees it.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Writes an entry that nobody else has written since.
pub(super) fn rewrite(key: Key, known: Revision, value: Vec<u8>) -> (Condition, Operation) {
    let seen = Some(known).filter(|revision| *revision != Revision(0));
    let put = Operation::Put { key: key.clone(), value: value.into(), lease: None };
    (unchanged(key, seen), put)
}

fn log(event: &Event) {
    let Event { id, metric, of, severity, value, .. } = event;
    let (severity, alert) = (severity.word(), event.to_string());
    match event.happened {
        Happened::Raised | Happened::Escalated => {
            tracing::warn!(id, %metric, of, severity, value, alert, "alert");
        }
        _ => tracing::info!(id, %metric, of, severity, value, alert, "alert"),
    }
}
