//! Knows prices and discounts. They come from the configuration: `price.PRODUCT = "29.99"`,
//! `discount.CODE = "10"` (percent), `currency = "EUR"`.

mod arithmetic;

aether_slice::slice!(deps = ["../wit/pricing"]);

use aether_slice::config;
use exports::order::pricing::prices::{Guest, Item, Money, Price, PricingError, Total};

struct Pricing;

const QUANTITY_MAX: u32 = 1000;

impl Guest for Pricing {
    fn get_price(product: String) -> Result<Price, PricingError> {
        let amount = unit_price(&product)?;
        Ok(Price { price: money(amount)?, product })
    }

    fn calculate_total(items: Vec<Item>, discount: Option<String>) -> Result<Total, PricingError> {
        let percent = discount.map_or(Ok(0), discount_percent)?;
        let mut lines = Vec::new();
        for item in items {
            if !(1..=QUANTITY_MAX).contains(&item.quantity) {
                return Err(PricingError::InvalidQuantity(item.quantity));
            }
            lines.push((unit_price(&item.product)?, item.quantity));
        }
        let sums = arithmetic::sums(&lines, percent).ok_or_else(too_large)?;
        Ok(Total {
            subtotal: money(sums.subtotal)?,
            discount: money(sums.discount)?,
            total: money(sums.total)?,
        })
    }
}

fn unit_price(product: &str) -> Result<u64, PricingError> {
    let key = format!("price.{product}");
    let text = setting(&key)?.ok_or_else(|| PricingError::UnknownProduct(product.to_owned()))?;
    let misconfigured = || PricingError::Misconfigured(format!("{key} is no price: {text:?}"));
    arithmetic::cents(&text).ok_or_else(misconfigured)
}

fn discount_percent(code: String) -> Result<u64, PricingError> {
    let key = format!("discount.{code}");
    let Some(text) = setting(&key)? else { return Err(PricingError::UnknownDiscount(code)) };
    let misconfigured = || PricingError::Misconfigured(format!("{key} is not 0 to 100: {text:?}"));
    text.parse().ok().filter(|percent| *percent <= 100).ok_or_else(misconfigured)
}

fn money(amount: u64) -> Result<Money, PricingError> {
    let currency = setting("currency")?.unwrap_or_else(|| "EUR".to_owned());
    Ok(Money { amount, currency })
}

fn setting(key: &str) -> Result<Option<String>, PricingError> {
    config::get(key).map_err(|error| PricingError::Misconfigured(error.to_string()))
}

fn too_large() -> PricingError {
    PricingError::Misconfigured("the prices add up to more than can be counted".to_owned())
}

export!(Pricing);
