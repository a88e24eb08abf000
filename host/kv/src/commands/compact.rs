//! Forget old changes. Never touches current entries.

use aether_types::Revision;
use serde::{Deserialize, Serialize};

use crate::{Done, Refused, State};

/// Drop every change older than `first`, at most all there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compact {
    pub first: Revision,
}

impl Compact {
    pub(crate) fn apply(&self, state: &mut State) -> Result<Done, Refused> {
        let newest = Revision(state.revision().0 + 1);
        state.history.drop_before(self.first.min(newest));
        Ok(Done::Compacted { first: state.history.first() })
    }
}
