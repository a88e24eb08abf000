//! Cancels an order and gives its stock back. The order is cancelled first: if giving back fails,
//! the call can be repeated, and nobody ships meanwhile.

aether_slice::slice!(deps = ["../wit/inventory", "../wit/pricing", "../wit/orders"]);

use aether_slice::cache;
use exports::order::orders::cancellation::{CancelError, Cancelled, Guest, Status};
use order::inventory::stock;
use order_model::{Orders, Status as ModelStatus};

struct CancelOrder;

impl Guest for CancelOrder {
    fn cancel(id: String, reason: Option<String>) -> Result<Cancelled, CancelError> {
        let reason = reason.unwrap_or_else(|| "no reason given".to_owned());
        let now = order_model::now_ms();
        let done = Orders::open()?.update(&id, |order| {
            let cancellation = order.cancel(&reason, now).map_err(not_cancellable)?;
            Ok::<_, CancelError>((cancellation, order.reservations.clone()))
        })?;
        let Some((cancellation, reservations)) = done else {
            return Err(CancelError::UnknownOrder(id));
        };
        for reservation in &reservations {
            stock::release(reservation)
                .map_err(|error| CancelError::StockReleaseFailed(error.to_string()))?;
        }
        aether_slice::info!("{id} is cancelled: {}", cancellation.reason);
        let (reason, time) = (cancellation.reason, cancellation.time);
        Ok(Cancelled { id, status: Status::Cancelled, reason, time })
    }
}

fn not_cancellable(status: ModelStatus) -> CancelError {
    CancelError::NotCancellable(match status {
        ModelStatus::Pending => Status::Pending,
        ModelStatus::Confirmed => Status::Confirmed,
        ModelStatus::Processing => Status::Processing,
        ModelStatus::Shipped => Status::Shipped,
        ModelStatus::Delivered => Status::Delivered,
        ModelStatus::Cancelled => Status::Cancelled,
    })
}

impl From<cache::Error> for CancelError {
    fn from(error: cache::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

export!(CancelOrder);
