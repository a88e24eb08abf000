//! Base64 of RFC 4648, with padding: how bytes stand in JSON. Knows nothing else.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const NONE: u8 = 0xff;
/// The value of each character; `NONE` where it has none.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut i = 0;
    while i < 64 {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values
};

pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    let mut chunks = bytes.chunks_exact(3);
    for chunk in &mut chunks {
        out.extend_from_slice(&quad([chunk[0], chunk[1], chunk[2]]));
    }
    match *chunks.remainder() {
        [a] => out.extend_from_slice(&[quad([a, 0, 0])[0], quad([a, 0, 0])[1], b'=', b'=']),
        [a, b] => {
            let [first, second, third, _] = quad([a, b, 0]);
            out.extend_from_slice(&[first, second, third, b'=']);
        }
        _ => {}
    }
}

fn quad([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63])
}

/// None where `text` is not base64. What was appended to `out` before is to be dropped then.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|c| **c == b'=').count();
    let (whole, last) = text.split_at(text.len() - if padding == 0 { 0 } else { 4 });
    out.reserve(text.len() / 4 * 3);
    for chunk in whole.chunks_exact(4) {
        out.extend_from_slice(&triple([chunk[0], chunk[1], chunk[2], chunk[3]])?);
    }
    if let [a, b, c, _] = *last {
        let third = if padding == 2 { b'A' } else { c };
        let bytes = triple([a, b, third, b'A'])?;
        let (kept, dropped) = bytes.split_at(3 - padding);
        if dropped.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(())
}

fn triple(chars: [u8; 4]) -> Option<[u8; 3]> {
    let values = chars.map(|c| VALUES[usize::from(c)]);
    if values.contains(&NONE) {
        return None;
    }
    let bits = values.iter().fold(0_u32, |bits, value| bits << 6 | u32::from(*value));
    let [_, a, b, c] = bits.to_be_bytes();
    Some([a, b, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc() {
        let vectors = ["", "", "f", "Zg==", "fo", "Zm8=", "foo", "Zm9v", "foob", "Zm9vYg=="];
        for pair in vectors.chunks(2) {
            let (mut text, mut bytes) = (Vec::new(), Vec::new());
            encode(pair[0].as_bytes(), &mut text);
            assert_eq!(text, pair[1].as_bytes());
            decode(&text, &mut bytes).unwrap();
            assert_eq!(bytes, pair[0].as_bytes());
        }
    }

    #[test]
    fn what_is_not_base64() {
        for text in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zm 9", "Zg==Zg==", "Zm\n9"]
        {
            assert_eq!(decode(text.as_bytes(), &mut Vec::new()), None, "{text}");
        }
    }
}
