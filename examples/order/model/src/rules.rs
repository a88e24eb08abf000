//! Which orders are accepted, and how an order gets its id. Pure.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::Item;

/// Different products in one order.
pub const PRODUCTS_MAX: usize = 50;
/// Pieces of one product in one order.
pub const QUANTITY_MAX: u32 = 1000;
const NAME_BYTES_MAX: usize = 64;

/// The rule that a list of items breaks.
pub fn check_items(items: &[Item]) -> Result<(), String> {
    if items.is_empty() || items.len() > PRODUCTS_MAX {
        return Err(format!("an order has 1 to {PRODUCTS_MAX} items, this one {}", items.len()));
    }
    let mut seen = BTreeSet::new();
    for item in items {
        check_name("product", &item.product)?;
        if !(1..=QUANTITY_MAX).contains(&item.quantity) {
            let (product, quantity) = (&item.product, item.quantity);
            return Err(format!(
                "the quantity of {product} is 1 to {QUANTITY_MAX}, not {quantity}"
            ));
        }
        if !seen.insert(&item.product) {
            return Err(format!("{} is there twice", item.product));
        }
    }
    Ok(())
}

/// The rule that the name of a product or customer breaks.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let form = format!("1 to {NAME_BYTES_MAX} letters, digits or -_.@");
        return Err(format!("a {what} is named with {form}, not {name:?}"));
    }
    Ok(())
}

/// The id of an order: the same for the same order in the same request, so that a call that is
/// repeated by the host does not place a second one.
pub fn order_id(
    request_id: &str,
    customer: &str,
    items: &[Item],
    discount: Option<&str>,
) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    part(request_id);
    part(customer);
    part(discount.unwrap_or_default());
    for item in items {
        part(&item.product);
        part(&item.quantity.to_string());
    }
    let hex: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("ord-{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &[(&str, u32)]) -> Vec<Item> {
        let item = |&(product, quantity): &(&str, u32)| Item { product: product.into(), quantity };
        list.iter().map(item).collect()
    }

    #[test]
    fn accepted_and_refused_items() {
        let check = |list: &[(&str, u32)]| check_items(&items(list));
        assert_eq!(check(&[("book", 1), ("lamp", QUANTITY_MAX)]), Ok(()));
        let refused = |list: &[(&str, u32)], rule: &str| {
            assert_eq!(check(list), Err(rule.to_owned()));
        };
        refused(&[], "an order has 1 to 50 items, this one 0");
        refused(&[("book", 0)], "the quantity of book is 1 to 1000, not 0");
        refused(&[("book", 1001)], "the quantity of book is 1 to 1000, not 1001");
        refused(&[("book", 1), ("book", 2)], "book is there twice");
        let form = "a product is named with 1 to 64 letters, digits or -_.@";
        refused(&[("a:b", 1)], &format!("{form}, not \"a:b\""));
        refused(&[("", 1)], &format!("{form}, not \"\""));
        let many: Vec<_> =
            (0..51).map(|i| Item { product: format!("p{i}"), quantity: 1 }).collect();
        assert_eq!(check_items(&many), Err("an order has 1 to 50 items, this one 51".to_owned()));
    }

    #[test]
    fn the_id_follows_request_and_content() {
        let base = order_id("r1", "ada", &items(&[("book", 1)]), None);
        assert_eq!(base, order_id("r1", "ada", &items(&[("book", 1)]), None));
        assert_eq!((base.len(), &base[..4]), (20, "ord-"));
        for other in [
            order_id("r2", "ada", &items(&[("book", 1)]), None),
            order_id("r1", "bob", &items(&[("book", 1)]), None),
            order_id("r1", "ada", &items(&[("book", 2)]), None),
            order_id("r1", "ada", &items(&[("book", 1)]), Some("SAVE10")),
            order_id("r1a", "da", &items(&[("book", 1)]), None),
        ] {
            assert_ne!(base, other);
        }
    }
}
