//! Codes: digits of a URL's hash in base 62. Pure; knows no storage.

use sha2::{Digest, Sha256};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 7;

/// The codes that a URL can have, in the order in which to try them: windows of 7 digits over its
/// hash, which has 43. Two URLs with the same first code differ in the next ones.
pub(crate) fn candidates(url: &str) -> Vec<String> {
    let digits = base62(Sha256::digest(url).into());
    let text = |window: &[u8]| window.iter().map(|digit| char::from(*digit)).collect();
    digits.windows(LENGTH).map(text).collect()
}

/// Codes have 6 to 8 letters and digits: shorter or longer ones can be given out in the future.
pub(crate) fn is_valid(code: &str) -> bool {
    (6..=8).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// All digits of a number of 256 bits, most significant first, with leading zeros.
fn base62(mut number: [u8; 32]) -> Vec<u8> {
    // 62^43 > 2^256
    let mut digits = Vec::with_capacity(43);
    for _ in 0..43 {
        let mut rest = 0u16;
        for byte in &mut number {
            let value = rest * 256 + u16::from(*byte);
            *byte = u8::try_from(value / 62).expect("the rest is below 62");
            rest = value % 62;
        }
        digits.push(DIGITS[usize::from(rest)]);
    }
    digits.reverse();
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_known_numbers() {
        let text = |number| String::from_utf8(base62(number)).unwrap();
        let zeros = "0".repeat(43);
        assert_eq!(text([0; 32]), zeros);
        let mut number = [0; 32];
        number[31] = 61;
        assert_eq!(text(number), format!("{}z", &zeros[1..]));
        number[30] = 1;
        // 256 + 61 = 5 * 62 + 7
        assert_eq!(text(number), format!("{}57", &zeros[2..]));
        assert!(text([255; 32]).starts_with(|first| first != '0'));
    }

    #[test]
    fn a_url_has_the_same_codes_every_time_and_they_are_valid() {
        let codes = candidates("https://example.com/");
        assert_eq!(codes, candidates("https://example.com/"));
        assert_eq!(codes.len(), 37);
        assert!(codes.iter().all(|code| code.len() == 7 && is_valid(code)));
        assert_ne!(codes[0], candidates("https://example.com")[0]);
        assert_ne!(codes[0], codes[1]);
    }

    #[test]
    fn what_a_code_is() {
        let valid = ["abcdef", "ABC1234", "00000000"];
        let invalid = ["", "abcde", "abcdefghi", "abc def", "abc-def", "abcdé1"];
        assert!(valid.iter().all(|code| is_valid(code)));
        assert!(!invalid.iter().any(|code| is_valid(code)));
    }
}
