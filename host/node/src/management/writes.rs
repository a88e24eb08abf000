//! How the management API changes the replicated map: not without a majority, and shown here when
//! it returns. Knows no key.

use super::{Office, control_error};
use crate::quorum;
use aether_api::ApiError;
use aether_kv::{Condition, Operation, Transaction};
use aether_types::code::Code;
use aether_types::{ErrorKind, Revision};
use std::time::{Duration, Instant};

/// How long a write waits until this node's own picture shows it.
const SHOWN_TIMEOUT: Duration = Duration::from_secs(5);

impl Office {
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
