//! Base64 in JSON strings, in the standard and the URL-safe alphabet.

use crate::unsure::{R, Unsure};

/// What a byte outside the alphabets is in the table.
const NONE: u8 = u8::MAX;
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NONE; 256];
    let mut index = 0;
    while index < alphabet.len() {
        values[alphabet[index] as usize] = index as u8;
        index += 1;
    }
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
}

/// Appends the bytes of a base64 text, which may lack its padding.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) -> R<()> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let bare = &text[..text.len() - padding];
    if padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return Err(Unsure);
    }
    let (groups, rest) = bare.as_chunks::<4>();
    out.reserve(bare.len() / 4 * 3 + 2);
    for group in groups {
        let bits = bits(group)?;
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    match *rest {
        [] => {}
        [a, b] => {
            let bits = bits(&[a, b, b'A', b'A'])?;
            if bits & 0xffff != 0 {
                return Err(Unsure);
            }
            out.push((bits >> 16) as u8);
        }
        [a, b, c] => {
            let bits = bits(&[a, b, c, b'A'])?;
            if bits & 0xff != 0 {
                return Err(Unsure);
            }
            out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8]);
        }
        _ => return Err(Unsure),
    }
    Ok(())
}

#[inline(always)]
fn bits(group: &[u8; 4]) -> R<u32> {
    let [a, b, c, d] = group.map(|byte| VALUES[usize::from(byte)]);
    if (a | b | c | d) > 63 {
        return Err(Unsure);
    }
    Ok(u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> R<Vec<u8>> {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out)?;
        Ok(out)
    }

    #[test]
    fn texts_of_rfc_4648() {
        for (text, expected) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            let bare = text.trim_end_matches('=');
            assert_eq!(decoded(text), Ok(expected.into()), "{text}");
            assert_eq!(decoded(bare), Ok(expected.into()), "{bare}");
        }
    }

    #[test]
    fn both_alphabets() {
        assert_eq!(decoded("+/-_"), Ok(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn texts_that_are_no_base64() {
        for text in [
            "=", "==", "Z", "Z===", "Zg=", "Zm9v=", "Zm9v==", "Zg==Zg==", "Zm 9v", "Zm9é",
        ] {
            assert_eq!(decoded(text), Err(Unsure), "{text}");
        }
        // The last bits are not zero.
        for text in ["Zh==", "Zm9="] {
            assert_eq!(decoded(text), Err(Unsure), "{text}");
        }
    }
}
