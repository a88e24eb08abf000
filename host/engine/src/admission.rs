//! What loaded slices reserve of the node's memory budget. Knows no wasmtime and no plan.

use crate::AppContext;
use aether_types::code::Code;
use aether_types::observed::Reason;
use aether_types::{AppName, ByteSize, SliceName};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The reservations of one engine. Revisions and versions of a slice share the largest of theirs,
/// so that on a full node the next one can come up beside the last one; what they use together
/// is bounded by the budget itself. Placement counts each planned instance.
#[derive(Debug)]
pub(crate) struct Admissions {
    budget: ByteSize,
    reserved: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    bytes: u64,
    slices: BTreeMap<(AppName, SliceName), Vec<u64>>,
}

/// The reservation of one loaded slice; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    all: Arc<Admissions>,
    slice: (AppName, SliceName),
    bytes: u64,
}

impl Admissions {
    pub(crate) fn new(budget: ByteSize) -> Arc<Self> {
        Arc::new(Self { budget, reserved: Mutex::default() })
    }

    pub(crate) fn bytes(&self) -> ByteSize {
        ByteSize(self.reserved.lock().bytes)
    }

    /// # Errors
    /// `out-of-capacity`, with the numbers.
    pub(crate) fn admit(self: &Arc<Self>, app: &AppContext) -> Result<Admission, Reason> {
        let slice = (app.app.clone(), app.coordinates.slice.clone());
        let memory = app.limits.reservation();
        let mut reserved = self.reserved.lock();
        let held = reserved.slices.get(&slice).and_then(|all| all.iter().max());
        let more = memory.bytes().saturating_sub(held.copied().unwrap_or(0));
        let left = self.budget.bytes().saturating_sub(reserved.bytes);
        if more > left {
            let message = format!(
                "the slice may use {memory} for each instance; the node's memory budget of {} has \
                 {} left",
                self.budget,
                ByteSize(left)
            );
            return Err(Reason { code: Code::OutOfCapacity, message, retryable: true });
        }
        reserved.bytes += more;
        reserved.slices.entry(slice.clone()).or_default().push(memory.bytes());
        Ok(Admission { all: Arc::clone(self), slice, bytes: memory.bytes() })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut reserved = self.all.reserved.lock();
        let all = reserved.slices.get_mut(&self.slice).expect("the slice was admitted");
        let at = all.iter().position(|bytes| *bytes == self.bytes);
        all.swap_remove(at.expect("each reservation is given back once"));
        let largest = all.iter().max().copied().unwrap_or(0);
        if all.is_empty() {
            reserved.slices.remove(&self.slice);
        }
        reserved.bytes -= self.bytes.saturating_sub(largest);
    }
}
