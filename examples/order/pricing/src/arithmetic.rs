//! Sums of money in cents. Pure; overflow is an answer, not an accident.

/// What a list of items costs. `total` is `subtotal - discount`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) subtotal: u64,
    pub(crate) discount: u64,
    pub(crate) total: u64,
}

/// Adds up pairs of unit price and quantity and takes a discount of 0 to 100 percent off, rounded
/// down to whole cents. None: more than can be counted.
pub(crate) fn sums(lines: &[(u64, u32)], percent: u64) -> Option<Sums> {
    let mut subtotal = 0u64;
    for (price, quantity) in lines {
        subtotal = subtotal.checked_add(price.checked_mul(u64::from(*quantity))?)?;
    }
    let discount = u64::try_from(u128::from(subtotal) * u128::from(percent) / 100).ok()?;
    Some(Sums { subtotal, discount, total: subtotal.checked_sub(discount)? })
}

/// Cents of a price such as `29.99` or `30`.
pub(crate) fn cents(price: &str) -> Option<u64> {
    let (whole, cents) = price.split_once('.').unwrap_or((price, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(cents) || cents.len() != 2 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        for (text, expected) in [
            ("29.99", Some(2999)),
            ("0.05", Some(5)),
            ("30", Some(3000)),
            ("29.9", None),
            ("29.999", None),
            (".99", None),
            ("-1.00", None),
            ("1,00", None),
            ("", None),
            ("184467440737095516.16", None),
        ] {
            assert_eq!(cents(text), expected, "{text}");
        }
    }

    #[test]
    fn discounts_round_down_and_overflow_is_seen() {
        let check = |lines: &[(u64, u32)], percent, expected: Option<(u64, u64, u64)>| {
            let expected =
                expected.map(|(subtotal, discount, total)| Sums { subtotal, discount, total });
            assert_eq!(sums(lines, percent), expected);
        };
        check(&[], 10, Some((0, 0, 0)));
        check(&[(2999, 2), (4999, 1)], 0, Some((10997, 0, 10997)));
        check(&[(2999, 2), (4999, 1)], 10, Some((10997, 1099, 9898)));
        check(&[(999, 1)], 100, Some((999, 999, 0)));
        check(&[(u64::MAX, 1)], 20, Some((u64::MAX, u64::MAX / 5, u64::MAX - u64::MAX / 5)));
        check(&[(u64::MAX, 2)], 0, None);
        check(&[(u64::MAX, 1), (1, 1)], 0, None);
    }
}
