//! Canonical JSON (RFC 8785) from the bytes of a message, and its digest.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use super::message_out::{Form, Writer};
use super::opaque_out::Style;
use super::text::{put_integer, put_not_finite, shortened};
use crate::MessageType;
use crate::tables::{Field, Message, Tables};
use crate::unsure::{R, Unsure};

/// The prefix of every digest, which names the hash function.
const DIGEST_PREFIX: &str = "sha256:";

impl MessageType {
    /// Appends the canonical JSON of a message: its ProtoJSON, written as RFC 8785 requires.
    ///
    /// # Errors
    ///
    /// The core is unsure: the bytes may be no such message, JSON may not be able to write it, or it
    /// has unknown fields, which canonical JSON would lack. The output may have grown.
    pub fn to_canonical_json(&self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Unsure> {
        write(&self.tables, self.message(), data, out)
    }

    /// Returns the digest of a message: `sha256:` and the SHA-256 of its canonical JSON.
    ///
    /// # Errors
    ///
    /// As those of `to_canonical_json`.
    ///
    /// ```
    /// use crucible_ir_core::Schema;
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// // The SHA-256 of {"name":"a"}.
    /// assert_eq!(
    ///     stage.digest(b"\x0a\x01a").unwrap(),
    ///     "sha256:d9d719b27480b55cd4918020e7473e716ed3569c8adafe926cf9b10b4f8ef064"
    /// );
    /// ```
    pub fn digest(&self, data: &[u8]) -> Result<String, Unsure> {
        let mut text = Vec::with_capacity(data.len() * 2 + 64);
        self.to_canonical_json(data, &mut text)?;
        let mut digest = String::with_capacity(DIGEST_PREFIX.len() + 64);
        digest.push_str(DIGEST_PREFIX);
        for byte in Sha256::digest(&text) {
            for digit in [byte >> 4, byte & 15] {
                digest.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        Ok(digest)
    }
}

/// Appends the canonical JSON of a message.
pub(crate) fn write(tables: &Tables, message: &Message, data: &[u8], out: &mut Vec<u8>) -> R<()> {
    Writer::new(tables, Canonical, out).message(message, data, 0)
}

/// RFC 8785: the numbers of ECMAScript, and keys sorted by UTF-16 code unit.
#[derive(Clone, Copy)]
struct Canonical;

impl Style for Canonical {
    fn put_number(self, out: &mut Vec<u8>, value: f64) -> R<()> {
        if !value.is_finite() {
            return Err(Unsure);
        }
        put_number(out, value);
        Ok(())
    }

    fn order(one: &[u8], other: &[u8]) -> Ordering {
        utf16_order(one, other)
    }

    const SKIPS_UNKNOWN: bool = false;
}

impl Form for Canonical {
    const BY_KEY: bool = true;

    fn key(field: &Field) -> &[u8] {
        &field.json_key
    }

    fn put_double(self, out: &mut Vec<u8>, value: f64) -> R<()> {
        if value.is_finite() {
            put_number(out, value);
        } else {
            put_not_finite(out, value);
        }
        Ok(())
    }

    fn put_float(self, out: &mut Vec<u8>, value: f32) -> R<()> {
        self.put_double(out, shortened(value))
    }
}

/// Compares UTF-8 by UTF-16 code unit. Surrogates come before U+E000 to U+FFFF, whose UTF-8 begins
/// with 0xEE or 0xEF.
pub(crate) fn utf16_order(one: &[u8], other: &[u8]) -> Ordering {
    let unit = |byte: &u8| match byte {
        0xee | 0xef => byte | 0xf8,
        _ => *byte,
    };
    one.iter().map(unit).cmp(other.iter().map(unit))
}

/// Appends a finite number as ECMAScript's `Number::toString` writes it.
fn put_number(out: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < 1 << 53 {
        // Negative zero becomes 0.
        return put_integer(out, whole);
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    if (1e-5..1e15).contains(&value.abs()) {
        // A fraction in this range has no exponent.
        return out.extend_from_slice(text);
    }
    let (digits, point) = decimal(text);
    let count = digits.len() as i32;
    if value < 0.0 {
        out.push(b'-');
    }
    if (count..=21).contains(&point) {
        out.extend_from_slice(&digits);
        out.extend((count..point).map(|_| b'0'));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(point as usize);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else if (-5..=0).contains(&point) {
        out.extend_from_slice(b"0.");
        out.extend((point..0).map(|_| b'0'));
        out.extend_from_slice(&digits);
    } else {
        out.push(digits[0]);
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if point > 0 { b'+' } else { b'-' });
        put_integer(out, i64::from((point - 1).unsigned_abs()));
    }
}

/// Returns the digits of a decimal without leading and trailing zeros, and the position of the
/// point relative to the first one. The number must not be zero.
fn decimal(text: &[u8]) -> (Vec<u8>, i32) {
    let mut parts = text.split(|byte| *byte == b'e');
    let (mantissa, exponent) = (parts.next().unwrap_or_default(), parts.next());
    let exponent: i32 = exponent
        .and_then(|exponent| std::str::from_utf8(exponent).ok())
        .and_then(|exponent| exponent.parse().ok())
        .unwrap_or(0);
    let mantissa = mantissa.strip_prefix(b"-").unwrap_or(mantissa);
    let whole = mantissa
        .iter()
        .position(|byte| *byte == b'.')
        .unwrap_or(mantissa.len());
    let mut digits: Vec<u8> = mantissa
        .iter()
        .copied()
        .filter(u8::is_ascii_digit)
        .collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..leading);
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    (digits, whole as i32 - leading as i32 + exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    fn canonical(name: &str, data: &[u8]) -> R<String> {
        let name = format!("crucible_ir.v1.{name}");
        let mut out = Vec::new();
        Schema::built_in()
            .message_type(&name)
            .unwrap()
            .to_canonical_json(data, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The table of RFC 8785, appendix B.
    #[test]
    fn numbers_of_the_rfc() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut out = Vec::new();
            put_number(&mut out, f64::from_bits(bits));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    /// The example of RFC 8785, section 3.2.3.
    #[test]
    fn keys_are_sorted_by_utf_16_code_unit() {
        let sorted = ["\r", "1", "\u{80}", "ö", "€", "😀", "\u{fb33}"];
        let mut keys = sorted;
        keys.sort_unstable();
        assert_ne!(keys, sorted);
        keys.sort_by(|one, other| utf16_order(one.as_bytes(), other.as_bytes()));
        assert_eq!(keys, sorted);
        assert_eq!(utf16_order(b"a", b"aa"), Ordering::Less);
    }

    #[test]
    fn fields_are_sorted_by_key() {
        // id = "b", model_version = "1", profile = "": in another order than in the text.
        let data = b"\x22\x011\x0a\x01b\x12\x00";
        let expected = r#"{"id":"b","modelVersion":"1","profile":""}"#;
        assert_eq!(canonical("BackendRef", data).unwrap(), expected);
    }

    #[test]
    fn unknown_fields_anywhere_are_unsure() {
        assert_eq!(
            canonical("StageDef", b"\x0a\x01s").unwrap(),
            r#"{"name":"s"}"#
        );
        // Field 127 of the message, of its Struct, of an entry, and of a Value.
        for data in [
            &b"\x0a\x01s\xf8\x07\x01"[..],
            b"\x1a\x03\xf8\x07\x01",
            b"\x1a\x0a\x0a\x08\x0a\x00\x12\x01\x08\xf8\x07\x01",
            b"\x1a\x0b\x0a\x09\x0a\x00\x12\x05\x08\x00\xf8\x07\x01",
            // The number of a field with the wire type of another.
            b"\x08\x01",
        ] {
            assert_eq!(canonical("StageDef", data), Err(Unsure));
        }
    }
}
