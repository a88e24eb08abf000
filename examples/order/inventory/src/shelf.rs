//! The stock of one product and who has reserved what of it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Pieces are either available or reserved; only a reservation and its release move them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) available: u32,
    /// Order to quantity.
    reserved: BTreeMap<String, u32>,
}

impl Shelf {
    pub(crate) fn new(available: u32) -> Self {
        Self { available, reserved: BTreeMap::new() }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("a stored shelf: {error}"))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a shelf has only strings and numbers")
    }

    /// Sets pieces aside and returns how many the order has: what it had before if it comes again.
    /// An error is what is available, when that is too little.
    pub(crate) fn reserve(&mut self, order: &str, quantity: u32) -> Result<u32, u32> {
        if let Some(had) = self.reserved.get(order) {
            return Ok(*had);
        }
        self.available = self.available.checked_sub(quantity).ok_or(self.available)?;
        self.reserved.insert(order.to_owned(), quantity);
        Ok(quantity)
    }

    /// Puts an order's pieces back and returns how many they were.
    pub(crate) fn release(&mut self, order: &str) -> u32 {
        let quantity = self.reserved.remove(order).unwrap_or(0);
        self.available += quantity;
        quantity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_neither_made_nor_lost() {
        let mut shelf = Shelf::new(10);
        assert_eq!(shelf.reserve("a", 4), Ok(4));
        assert_eq!(shelf.reserve("a", 4), Ok(4), "the same order again");
        assert_eq!(shelf.reserve("a", 9), Ok(4), "an order has one reservation");
        assert_eq!(shelf.reserve("b", 7), Err(6));
        assert_eq!(shelf.reserve("b", 6), Ok(6));
        assert_eq!(shelf.reserve("c", 1), Err(0));
        assert_eq!(shelf.release("a"), 4);
        assert_eq!(shelf.release("a"), 0, "given back before");
        assert_eq!(shelf.release("never"), 0);
        assert_eq!(shelf.release("b"), 6);
        assert_eq!(shelf, Shelf::new(10));
    }

    #[test]
    fn a_shelf_survives_storage() {
        let mut shelf = Shelf::new(10);
        shelf.reserve("a", 4).unwrap();
        assert_eq!(Shelf::from_bytes(&shelf.to_bytes()), Ok(shelf));
        assert!(Shelf::from_bytes(b"nonsense").is_err());
    }
}
