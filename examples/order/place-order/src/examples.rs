//! Two orders that are there from the beginning: one that can be cancelled, one that cannot.

use order_model::{Item, Order, Status};

pub(crate) fn orders(now_ms: u64) -> [Order; 2] {
    let order = |id: &str, product: &str, status| Order {
        id: id.to_owned(),
        customer: "example".to_owned(),
        items: vec![Item { product: product.to_owned(), quantity: 1 }],
        status,
        subtotal: 4999,
        discount: 0,
        total: 4999,
        currency: "EUR".to_owned(),
        reservations: Vec::new(),
        created: now_ms,
        updated: now_ms,
        cancellation: None,
    };
    [
        order("ord-example-1", "lamp", Status::Processing),
        order("ord-example-2", "lamp", Status::Shipped),
    ]
}
