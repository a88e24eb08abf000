//! Takes an order: validate, check stock, price, store as pending, reserve, confirm. Each step can
//! be repeated, so a call that was cut short goes on where it stopped when it comes again. An order
//! that cannot be reserved as a whole is taken back with everything that was reserved for it.

mod examples;

aether_slice::slice!(deps = ["../wit/inventory", "../wit/pricing", "../wit/orders"]);

use aether_slice::{cache, context};
use exports::aether::slice::lifecycle;
use exports::order::orders::placement::{Guest, Item, Order, PlaceError};
use order::inventory::stock::{self, StockError};
use order::orders::types::Status;
use order::pricing::prices::{self, Money, PricingError};
use order_model::{Item as ModelItem, Order as ModelOrder, Orders, Status as ModelStatus};

struct PlaceOrder;

impl lifecycle::Guest for PlaceOrder {
    /// Stores the example orders, once for the whole cluster.
    fn start() -> Result<(), String> {
        let orders = Orders::open().map_err(|error| error.to_string())?;
        for order in examples::orders(order_model::now_ms()) {
            orders.add(&order).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn stop() -> Result<(), String> {
        Ok(())
    }
}

impl Guest for PlaceOrder {
    fn place(
        customer: String,
        items: Vec<Item>,
        discount: Option<String>,
    ) -> Result<Order, PlaceError> {
        let wanted: Vec<ModelItem> = items
            .iter()
            .map(|item| ModelItem { product: item.product.clone(), quantity: item.quantity })
            .collect();
        order_model::check_name("customer", &customer).map_err(PlaceError::InvalidRequest)?;
        order_model::check_items(&wanted).map_err(PlaceError::InvalidRequest)?;
        let request = context::request_id();
        let id = order_model::order_id(&request, &customer, &wanted, discount.as_deref());
        let orders = Orders::open()?;
        let order = match orders.get(&id)? {
            Some(begun) => begun,
            None => begin(&orders, id, customer, wanted, discount.as_deref())?,
        };
        if order.status != ModelStatus::Pending {
            return Ok(shown(order));
        }
        reserve(&orders, &order)?;
        confirm(&orders, order)
    }
}

/// Stores the order as pending. From here on it can be repeated and cancelled.
fn begin(
    orders: &Orders,
    id: String,
    customer: String,
    items: Vec<ModelItem>,
    discount: Option<&str>,
) -> Result<ModelOrder, PlaceError> {
    check_stock(&items)?;
    let priced: Vec<Item> = items.iter().map(item).collect();
    let total = prices::calculate_total(&priced, discount)?;
    let created = order_model::now_ms();
    let order = ModelOrder {
        reservations: items.iter().map(|item| format!("{}:{id}", item.product)).collect(),
        id,
        customer,
        items,
        status: ModelStatus::Pending,
        subtotal: total.subtotal.amount,
        discount: total.discount.amount,
        total: total.total.amount,
        currency: total.total.currency,
        created,
        updated: created,
        cancellation: None,
    };
    if orders.add(&order)? {
        return Ok(order);
    }
    // Another attempt of this request was faster.
    Ok(orders.get(&order.id)?.unwrap_or(order))
}

fn check_stock(items: &[ModelItem]) -> Result<(), PlaceError> {
    for item in items {
        let found =
            stock::check(&item.product, Some(item.quantity)).map_err(|error| match error {
                StockError::UnknownProduct(product) => PlaceError::UnknownProduct(product),
                error => PlaceError::InventoryCheckFailed(error.to_string()),
            })?;
        if !found.sufficient {
            let (requested, available) = (item.quantity, found.available);
            let product = item.product.clone();
            return Err(PlaceError::Insufficient(stock::Shortage {
                product,
                requested,
                available,
            }));
        }
    }
    Ok(())
}

/// Reserves every item or none.
fn reserve(orders: &Orders, order: &ModelOrder) -> Result<(), PlaceError> {
    for item in &order.items {
        let Err(error) = stock::reserve(&item.product, item.quantity, &order.id) else { continue };
        // A call that failed may have reserved all the same: everything is given back.
        give_back(orders, order);
        return Err(match error {
            StockError::Insufficient(shortage) => PlaceError::Insufficient(shortage),
            error => PlaceError::ReservationFailed(error.to_string()),
        });
    }
    Ok(())
}

/// Takes back a pending order. What cannot be given back keeps the order, which can be cancelled.
fn give_back(orders: &Orders, order: &ModelOrder) {
    for reservation in &order.reservations {
        if let Err(error) = stock::release(reservation) {
            aether_slice::error!("stock of {reservation} is not given back: {error}");
            return;
        }
    }
    if let Err(error) = orders.remove(&order.id) {
        aether_slice::error!("the pending order {} is not removed: {error}", order.id);
    }
}

fn confirm(orders: &Orders, order: ModelOrder) -> Result<Order, PlaceError> {
    let confirmed = orders.update(&order.id, |order| {
        if order.status == ModelStatus::Pending {
            order.status = ModelStatus::Confirmed;
        }
        Ok::<_, PlaceError>(order.clone())
    })?;
    let vanished = || PlaceError::Storage(format!("{} vanished from the store", order.id));
    confirmed.map(shown).ok_or_else(vanished)
}

fn shown(order: ModelOrder) -> Order {
    let money = |amount| Money { amount, currency: order.currency.clone() };
    Order {
        items: order.items.iter().map(item).collect(),
        status: status(order.status),
        subtotal: money(order.subtotal),
        discount: money(order.discount),
        total: money(order.total),
        created: order.created,
        updated: order.updated,
        id: order.id,
        customer: order.customer,
    }
}

fn item(item: &ModelItem) -> Item {
    Item { product: item.product.clone(), quantity: item.quantity }
}

fn status(status: ModelStatus) -> Status {
    match status {
        ModelStatus::Pending => Status::Pending,
        ModelStatus::Confirmed => Status::Confirmed,
        ModelStatus::Processing => Status::Processing,
        ModelStatus::Shipped => Status::Shipped,
        ModelStatus::Delivered => Status::Delivered,
        ModelStatus::Cancelled => Status::Cancelled,
    }
}

impl From<cache::Error> for PlaceError {
    fn from(error: cache::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<PricingError> for PlaceError {
    fn from(error: PricingError) -> Self {
        match error {
            PricingError::UnknownProduct(product) => Self::UnknownProduct(product),
            PricingError::UnknownDiscount(code) => Self::UnknownDiscount(code),
            error => Self::PricingFailed(error.to_string()),
        }
    }
}

export!(PlaceOrder);
