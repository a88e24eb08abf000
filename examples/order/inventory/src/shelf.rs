//! The stock of one product, as it is stored. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is left of a product. Pieces are out for an order exactly while its reservation stands in
/// an entry of its own, or the order is unsettled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) available: u32,
    /// Order to quantity: the pieces are out, and the reservation may stand or not. As a rule there
    /// are none between two calls; a call that was cut short leaves one behind.
    unsettled: BTreeMap<String, u32>,
}

impl Shelf {
    pub(crate) fn new(available: u32) -> Self {
        Self { available, unsettled: BTreeMap::new() }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("a stored shelf: {error}"))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a shelf has only strings and numbers")
    }

    /// Before a reservation is written: takes its pieces out, once, and returns how many they are.
    /// An error is what is available, when that is too little.
    pub(crate) fn take(&mut self, order: &str, quantity: u32) -> Result<u32, u32> {
        if let Some(taken) = self.unsettled.get(order) {
            return Ok(*taken);
        }
        self.available = self.available.checked_sub(quantity).ok_or(self.available)?;
        self.unsettled.insert(order.to_owned(), quantity);
        Ok(quantity)
    }

    /// After a reservation was written.
    pub(crate) fn settle(&mut self, order: &str) {
        self.unsettled.remove(order);
    }

    /// Before a reservation is removed.
    pub(crate) fn unsettle(&mut self, order: &str, quantity: u32) {
        self.unsettled.insert(order.to_owned(), quantity);
    }

    /// After a reservation was removed: puts its pieces back, once, and returns how many they are.
    pub(crate) fn put_back(&mut self, order: &str) -> u32 {
        let quantity = self.unsettled.remove(order).unwrap_or(0);
        self.available += quantity;
        quantity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bucket: a shelf and the reservations that stand.
    #[derive(Clone)]
    struct Store(Shelf, BTreeMap<String, u32>);

    impl Store {
        /// The steps of a reservation, cut short after so many.
        fn reserve(&mut self, order: &str, quantity: u32, steps: usize) {
            if self.1.contains_key(order) {
                return;
            }
            if steps > 0 && self.0.take(order, quantity).is_err() {
                return;
            }
            if steps > 1 {
                self.1.insert(order.to_owned(), quantity);
            }
            if steps > 2 {
                self.0.settle(order);
            }
        }

        fn release(&mut self, order: &str, steps: usize) {
            if let Some(quantity) = self.1.get(order) {
                if steps > 0 {
                    self.0.unsettle(order, *quantity);
                }
                if steps > 1 {
                    self.1.remove(order);
                }
            }
            if steps > 2 {
                self.0.put_back(order);
            }
        }
    }

    #[test]
    fn pieces_are_neither_made_nor_lost_wherever_a_call_is_cut_short() {
        for (first, second, third) in (0..64).map(|n| (n % 4, n / 4 % 4, n / 16)) {
            let mut store = Store(Shelf::new(10), BTreeMap::new());
            store.reserve("a", 4, first);
            store.reserve("a", 4, second);
            store.reserve("b", 3, 3);
            store.reserve("a", 4, 3);
            let at = format!("{first} {second} {third}");
            assert_eq!((store.0.available, store.1.len()), (3, 2), "{at}");
            store.release("a", first);
            store.release("a", third);
            store.release("a", 3);
            store.release("a", 3);
            store.release("never", 3);
            assert_eq!((store.0.available, store.1.len()), (7, 1), "{at}");
            store.release("b", 3);
            assert_eq!(store.0, Shelf::new(10), "{at}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_taken() {
        let mut shelf = Shelf::new(10);
        assert_eq!(shelf.take("a", 4), Ok(4));
        assert_eq!(shelf.take("b", 7), Err(6));
        assert_eq!(shelf.available, 6);
    }

    #[test]
    fn a_shelf_survives_storage() {
        let mut shelf = Shelf::new(10);
        shelf.take("a", 4).unwrap();
        assert_eq!(Shelf::from_bytes(&shelf.to_bytes()), Ok(shelf));
        assert!(Shelf::from_bytes(b"nonsense").is_err());
    }
}
