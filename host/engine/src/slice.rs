//! One loaded slice on this node: its code, its pool, its calls. Knows no plan and no routes.

use crate::AppContext;
use aether_types::description::Description;
use std::sync::Arc;

/// A slice of an application that is loaded on this node.
#[derive(Debug)]
pub struct Slice {
    description: Arc<Description>,
    app: Arc<AppContext>,
}

impl Slice {
    pub fn description(&self) -> &Description {
        &self.description
    }

    pub fn app(&self) -> &Arc<AppContext> {
        &self.app
    }
}
