//! Shows an order. Reads what place-order stored; changes nothing.

aether_slice::slice!(deps = ["../wit/inventory", "../wit/pricing", "../wit/orders"]);

use aether_slice::cache;
use exports::order::orders::query::{Guest, Order, QueryError};
use order::orders::types::Status;
use order::pricing::prices::{Item, Money};
use order_model::{Order as ModelOrder, Orders, Status as ModelStatus};

struct GetOrderStatus;

impl Guest for GetOrderStatus {
    fn get(id: String) -> Result<Order, QueryError> {
        Orders::open()?.get(&id)?.map(shown).ok_or(QueryError::UnknownOrder(id))
    }
}

fn shown(order: ModelOrder) -> Order {
    let money = |amount| Money { amount, currency: order.currency.clone() };
    let items = order.items.iter();
    Order {
        items: items
            .map(|item| Item { product: item.product.clone(), quantity: item.quantity })
            .collect(),
        status: match order.status {
            ModelStatus::Pending => Status::Pending,
            ModelStatus::Confirmed => Status::Confirmed,
            ModelStatus::Processing => Status::Processing,
            ModelStatus::Shipped => Status::Shipped,
            ModelStatus::Delivered => Status::Delivered,
            ModelStatus::Cancelled => Status::Cancelled,
        },
        subtotal: money(order.subtotal),
        discount: money(order.discount),
        total: money(order.total),
        created: order.created,
        updated: order.updated,
        id: order.id,
        customer: order.customer,
    }
}

impl From<cache::Error> for QueryError {
    fn from(error: cache::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

export!(GetOrderStatus);
