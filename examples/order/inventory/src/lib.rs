//! Keeps stock and reservations. Owns the bucket `inventory`: one entry per product, changed in one
//! atomic step, so that a piece is never promised twice and never lost. The configuration gives the
//! first stock of each product: `stock.PRODUCT = "1000"`.

mod shelf;

aether_slice::slice!(deps = ["../wit/inventory"]);

use aether_slice::cache::{self, Bucket};
use aether_slice::config;
use exports::order::inventory::stock::{Availability, Guest, Reservation, Shortage, StockError};
use shelf::Shelf;

struct Inventory;

const QUANTITY_MAX: u32 = 1000;

impl Guest for Inventory {
    fn check(product: String, quantity: Option<u32>) -> Result<Availability, StockError> {
        let quantity = checked(quantity.unwrap_or(1))?;
        let first = first_stock(&product)?;
        let stored = Bucket::open("inventory")?.get(&product)?;
        let available = shelf(stored.as_deref(), first)?.available;
        Ok(Availability { product, available, sufficient: available >= quantity })
    }

    fn reserve(product: String, quantity: u32, order: String) -> Result<Reservation, StockError> {
        let quantity = checked(quantity)?;
        let first = first_stock(&product)?;
        let quantity = Bucket::open("inventory")?.update(&product, |stored| {
            let mut shelf = shelf(stored, first)?;
            let reserved = shelf.reserve(&order, quantity).map_err(|available| {
                let product = product.clone();
                StockError::Insufficient(Shortage { product, requested: quantity, available })
            })?;
            Ok::<_, StockError>((shelf.to_bytes(), reserved))
        })?;
        Ok(Reservation { id: format!("{product}:{order}"), product, quantity, order })
    }

    fn release(reservation: String) -> Result<Reservation, StockError> {
        let Some((product, order)) = reservation.split_once(':') else {
            return Err(StockError::InvalidReservation(reservation));
        };
        let first = first_stock(product)?;
        let quantity = Bucket::open("inventory")?.update(product, |stored| {
            let mut shelf = shelf(stored, first)?;
            let released = shelf.release(order);
            Ok::<_, StockError>((shelf.to_bytes(), released))
        })?;
        let (product, order) = (product.to_owned(), order.to_owned());
        Ok(Reservation { id: reservation, product, quantity, order })
    }
}

fn checked(quantity: u32) -> Result<u32, StockError> {
    let allowed = (1..=QUANTITY_MAX).contains(&quantity);
    if allowed { Ok(quantity) } else { Err(StockError::InvalidQuantity(quantity)) }
}

/// Stock of a product before anything was reserved. A product without it does not exist.
fn first_stock(product: &str) -> Result<u32, StockError> {
    let value = config::get(&format!("stock.{product}"));
    let value = value.map_err(|error| StockError::Storage(error.to_string()))?;
    let unknown = || StockError::UnknownProduct(product.to_owned());
    let number = value.ok_or_else(unknown)?.parse();
    number.map_err(|_| StockError::Storage(format!("stock.{product} is no number")))
}

fn shelf(stored: Option<&[u8]>, first: u32) -> Result<Shelf, StockError> {
    let Some(bytes) = stored else { return Ok(Shelf::new(first)) };
    Shelf::from_bytes(bytes).map_err(StockError::Storage)
}

impl From<cache::Error> for StockError {
    fn from(error: cache::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

export!(Inventory);
