//! How the management API changes the replicated map: not without a majority, and shown here when
//! it returns. Knows no key.

use super::{Office, control_error};
use crate::world::World;
use crate::{quorum, rollouts};
use aether_api::ApiError;
use aether_kv::{Condition, Key, Operation, Transaction};
use aether_types::code::Code;
use aether_types::{ErrorKind, Revision};
use std::time::{Duration, Instant};

/// How long a write waits until this node's own picture shows it.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a change is tried again because somebody else wrote at the same time.
pub(super) const ATTEMPTS_MAX: u32 = 8;

/// An entry to write, and the revision that it must have until then.
pub(crate) struct Put {
    condition: Condition,
    operation: Operation,
}

impl Put {
    /// `seen` is 0 where there was none.
    pub(crate) fn new(key: Key, seen: Revision, value: Vec<u8>) -> Self {
        let seen = Some(seen).filter(|seen| *seen != Revision(0));
        let condition = rollouts::unchanged(key.clone(), seen);
        Self { condition, operation: Operation::Put { key, value: value.into(), lease: None } }
    }
}

impl Office {
    /// Changes an entry by what it is now; once more where somebody else has changed it meanwhile.
    /// `decide` says what to write, if anything, and what to answer then.
    pub(crate) async fn change<T>(
        &self,
        decide: impl Fn(&World) -> Result<(Option<Put>, T), ApiError>,
    ) -> Result<T, ApiError> {
        for attempt in 1.. {
            let picture = self.picture();
            let (put, answer) = decide(&picture.world)?;
            let Some(Put { condition, operation }) = put else { return Ok(answer) };
            match self.write(vec![condition], vec![operation]).await {
                Ok(_) => return Ok(answer),
                Err(error) if error.kind == ErrorKind::Conflict && attempt < ATTEMPTS_MAX => {
                    self.newer(picture.world.revision).await?;
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Waits for a newer picture than one that somebody's write has overtaken.
    pub(super) async fn newer(&self, seen: Revision) -> Result<(), ApiError> {
        self.control.fresh().await.map_err(|error| control_error(&error))?;
        let mut pictures = self.pictures.clone();
        let newer = pictures.wait_for(|picture| picture.world.revision > seen);
        // Whoever has written has changed it.
        let _ = tokio::time::timeout(SHOWN_TIMEOUT, newer).await;
        Ok(())
    }

    /// Where a majority is missing, waiting would only hide the reason.
    pub(super) fn check_majority(&self) -> Result<(), ApiError> {
        let Some(missing) = self.missing() else { return Ok(()) };
        let message = format!("there is no majority: {missing}");
        Err(ApiError::new(ErrorKind::Unavailable, Code::NoMajority, message).help(
            "start them again, or repair the network between them and this node; what runs goes on",
        ))
    }

    pub(super) fn missing(&self) -> Option<quorum::Missing> {
        let status = self.control.status();
        let status = status.borrow();
        let (node, started, now) = (self.identity.node, self.started, Instant::now());
        let look = quorum::Look { node, started, now };
        quorum::missing(status.as_ref()?, &self.reaches.borrow(), look)
    }

    /// Writes, and waits until this node shows what was written. Something must change.
    pub(crate) async fn write(
        &self,
        conditions: Vec<Condition>,
        operations: Vec<Operation>,
    ) -> Result<Revision, ApiError> {
        self.check_majority()?;
        let transaction = Transaction { conditions, operations };
        let revision = self.control.transact(transaction).await.map_err(|e| control_error(&e))?;
        let mut pictures = self.pictures.clone();
        let shown = pictures.wait_for(|picture| picture.world.revision >= revision);
        match tokio::time::timeout(SHOWN_TIMEOUT, shown).await {
            Ok(Ok(_)) => Ok(revision),
            _ => Err(ApiError::unavailable("it is written, but this node is far behind")),
        }
    }
}
