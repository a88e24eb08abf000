//! Where orders are kept: the bucket `orders`, which every slice of the application shares.

use aether_slice::cache::{Bucket, Error};

use crate::Order;

/// All orders.
pub struct Orders(Bucket);

impl Orders {
    /// Opens the store.
    pub fn open() -> Result<Self, Error> {
        Bucket::open("orders").map(Self)
    }

    /// The order with that id, if there is one.
    pub fn get(&self, id: &str) -> Result<Option<Order>, Error> {
        // An id that no order can have is not asked for: keys of the cache have a form.
        if id.is_empty() || id.len() > 64 {
            return Ok(None);
        }
        let Some(bytes) = self.0.get(id)? else { return Ok(None) };
        read(&bytes).map(Some)
    }

    /// Stores a new order; false if there is one with that id.
    pub fn add(&self, order: &Order) -> Result<bool, Error> {
        self.0.add(&order.id, write(order))
    }

    /// Removes an order; nothing happens if there is none.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        self.0.delete(id).map(drop)
    }

    /// Changes an order in one atomic step. None: there is no such order. An error of `change`
    /// leaves it as it was.
    pub fn update<T, E: From<Error>>(
        &self,
        id: &str,
        mut change: impl FnMut(&mut Order) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        if self.get(id)?.is_none() {
            return Ok(None);
        }
        self.0.update(id, |present| {
            let Some(bytes) = present else {
                return Err(Error::Conflict(format!("{id} vanished")).into());
            };
            let mut order = read(bytes)?;
            let answer = change(&mut order)?;
            Ok((write(&order), Some(answer)))
        })
    }
}

fn read(bytes: &[u8]) -> Result<Order, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Other(format!("a stored order: {error}")))
}

fn write(order: &Order) -> Vec<u8> {
    serde_json::to_vec(order).expect("an order has only strings, numbers and lists")
}
