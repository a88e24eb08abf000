//! Keeps stock and reservations. Owns the bucket `inventory`: one entry per product and one per
//! reservation, so that no entry grows with what is sold. Calls come one at a time (slice.toml),
//! and each of their steps can be repeated: a call that is cut short loses no piece and makes none.
//! The configuration gives the first stock of each product: `stock.PRODUCT = "1000"`.

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
        let bucket = Bucket::open("inventory")?;
        let id = format!("{product}:{order}");
        if let Some(quantity) = standing(&bucket, &id)? {
            return Ok(Reservation { id, product, quantity, order });
        }
        let quantity = change(&bucket, &product, first, |shelf| {
            shelf.take(&order, quantity).map_err(|available| {
                let product = product.clone();
                StockError::Insufficient(Shortage { product, requested: quantity, available })
            })
        })?;
        bucket.put(&id, quantity.to_string())?;
        change(&bucket, &product, first, |shelf| {
            shelf.settle(&order);
            Ok(())
        })?;
        Ok(Reservation { id, product, quantity, order })
    }

    fn release(id: String) -> Result<Reservation, StockError> {
        let Some((product, order)) = id.split_once(':') else {
            return Err(StockError::InvalidReservation(id));
        };
        let first = first_stock(product)?;
        let bucket = Bucket::open("inventory")?;
        if let Some(quantity) = standing(&bucket, &id)? {
            change(&bucket, product, first, |shelf| {
                shelf.unsettle(order, quantity);
                Ok(())
            })?;
            bucket.delete(&id)?;
        }
        let quantity = change(&bucket, product, first, |shelf| Ok(shelf.put_back(order)))?;
        let (product, order) = (product.to_owned(), order.to_owned());
        Ok(Reservation { id, product, quantity, order })
    }
}

/// How many pieces a reservation has; none: it does not stand.
fn standing(bucket: &Bucket, id: &str) -> Result<Option<u32>, StockError> {
    let Some(quantity) = bucket.get_text(id)? else { return Ok(None) };
    let number = quantity.parse();
    number.map(Some).map_err(|_| StockError::Storage(format!("{id} holds no number")))
}

/// Changes the shelf of a product in one atomic step.
fn change<T>(
    bucket: &Bucket,
    product: &str,
    first: u32,
    change: impl Fn(&mut Shelf) -> Result<T, StockError>,
) -> Result<T, StockError> {
    bucket.update(product, |stored| {
        let mut shelf = shelf(stored, first)?;
        let answer = change(&mut shelf)?;
        Ok((shelf.to_bytes(), answer))
    })
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
