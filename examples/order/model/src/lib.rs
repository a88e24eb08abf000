//! What an order is: its rules, its identity, its states, and where it is kept. Shared by the
//! slices that place, show and cancel orders; knows none of their interfaces.

mod order;
mod rules;
mod store;
mod time;

pub use order::{Cancellation, Item, Order, Status};
pub use rules::{PRODUCTS_MAX, QUANTITY_MAX, check_items, check_name, order_id};
pub use store::Orders;
pub use time::now_ms;
