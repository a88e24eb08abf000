//! A price, typed: the host reads and writes the JSON. The logic is that of `price-http`.

aether_slice::slice!();

use exports::bench::price::quote::{Answer, Guest, Request};

struct Price;

impl Guest for Price {
    fn quote(request: Request) -> Answer {
        let discounted = request.coupon.as_deref() == Some("half");
        let cents = 1_995 * u64::from(request.quantity);
        let total_cents = if discounted { cents / 2 } else { cents };
        Answer { sku: request.sku, quantity: request.quantity, total_cents, discounted }
    }
}

export!(Price);
