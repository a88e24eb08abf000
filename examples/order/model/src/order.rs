//! An order as it is stored, and which changes of its state are allowed. Pure.

use serde::{Deserialize, Serialize};

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Pending,
    Confirmed,
    Processing,
    Shipped,
    Delivered,
    Cancelled,
}

/// A product and how many of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub product: String,
    pub quantity: u32,
}

/// Why and when an order was cancelled; milliseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    pub reason: String,
    pub time: u64,
}

/// An order. Amounts in cents of `currency`, times in milliseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    pub customer: String,
    pub items: Vec<Item>,
    pub status: Status,
    pub subtotal: u64,
    pub discount: u64,
    pub total: u64,
    pub currency: String,
    /// Ids of what inventory set aside.
    pub reservations: Vec<String>,
    pub created: u64,
    pub updated: u64,
    pub cancellation: Option<Cancellation>,
}

impl Order {
    /// Cancels the order, or returns the cancellation that it has already.
    ///
    /// # Errors
    /// The status of an order that is on its way or has arrived.
    pub fn cancel(&mut self, reason: &str, time: u64) -> Result<Cancellation, Status> {
        match self.status {
            Status::Shipped | Status::Delivered => return Err(self.status),
            Status::Pending | Status::Confirmed | Status::Processing | Status::Cancelled => {}
        }
        let first = || Cancellation { reason: reason.to_owned(), time };
        if self.cancellation.is_none() {
            self.status = Status::Cancelled;
            self.updated = time;
        }
        Ok(self.cancellation.get_or_insert_with(first).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: Status) -> Order {
        Order {
            id: "ord-1".into(),
            customer: "ada".into(),
            items: vec![Item { product: "book".into(), quantity: 2 }],
            status,
            subtotal: 5998,
            discount: 0,
            total: 5998,
            currency: "EUR".into(),
            reservations: vec!["book:ord-1".into()],
            created: 1,
            updated: 1,
            cancellation: None,
        }
    }

    #[test]
    fn what_is_not_shipped_can_be_cancelled_once() {
        for status in [Status::Pending, Status::Confirmed, Status::Processing] {
            let mut order = order(status);
            let first = Cancellation { reason: "too late".into(), time: 7 };
            assert_eq!(order.cancel("too late", 7), Ok(first.clone()));
            assert_eq!((order.status, order.updated), (Status::Cancelled, 7));
            assert_eq!(order.cancel("other reason", 9), Ok(first), "the first one stays");
            assert_eq!(order.updated, 7);
        }
    }

    #[test]
    fn what_is_shipped_cannot() {
        for status in [Status::Shipped, Status::Delivered] {
            let mut shipped = order(status);
            assert_eq!(shipped.cancel("why not", 7), Err(status));
            assert_eq!(shipped, order(status));
        }
    }
}
