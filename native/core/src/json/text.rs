//! JSON text of single values, byte for byte as the Python package writes it with orjson.

use crate::unsure::{R, Unsure};
use crate::wire::utf8;

/// The first and the last second that RFC 3339 can write, counted from 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// The most seconds of a Duration.
const LONGEST_DURATION: i64 = 315_576_000_000;
const NANOS_PER_SECOND: i32 = 1_000_000_000;

/// From here on, numbers have a positive exponent.
const FIRST_EXPONENT: f64 = 1e16;
/// Every integer up to this one is a double.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// How numbers of 1e16 and more are written in JSON: versions of orjson, with which the Python
/// package writes JSON, differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Exponents {
    /// The core is unsure about these numbers.
    #[default]
    Unsure,
    /// `1e16`, as orjson writes it up to version 3.11.
    Bare,
    /// `1e+16`, as orjson writes it from version 3.12 on.
    Signed,
}

/// Appends a string in quotes. Bytes that are not UTF-8 are unsure.
#[inline]
pub(crate) fn put_string(out: &mut Vec<u8>, text: &[u8]) -> R<()> {
    out.push(b'"');
    put_content(out, text)?;
    out.push(b'"');
    Ok(())
}

/// Appends a string as the key of another member of an object, with a comma before it and a colon
/// after it.
#[inline]
pub(crate) fn put_member(out: &mut Vec<u8>, key: &[u8]) -> R<()> {
    out.extend_from_slice(b",\"");
    put_content(out, key)?;
    out.extend_from_slice(b"\":");
    Ok(())
}

#[inline(always)]
fn put_content(out: &mut Vec<u8>, text: &[u8]) -> R<()> {
    let (is_special, is_high) = scan(text);
    if is_high {
        utf8(text)?;
    }
    if is_special {
        put_escaped(out, text);
    } else {
        put_plain(out, text);
    }
    Ok(())
}

/// Returns whether a string has bytes to escape, and whether it has bytes beyond ASCII.
///
/// The last step reads some bytes again, instead of the rest byte by byte.
#[inline(always)]
fn scan(text: &[u8]) -> (bool, bool) {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let Some(last) = text.last_chunk() {
        let (mut special, mut all) = (special_bits(word(last)), word(last));
        for chunk in text.as_chunks().0 {
            special |= special_bits(word(chunk));
            all |= word(chunk);
        }
        return (special & HIGH_BITS != 0, all & HIGH_BITS != 0);
    }
    let word = if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        half(first) | half(last) << 32
    } else {
        // Spaces need no escapes.
        text.iter()
            .fold(SPACES, |word, byte| word << 8 | u64::from(*byte))
    };
    (special_bits(word) & HIGH_BITS != 0, word & HIGH_BITS != 0)
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;
const SPACES: u64 = 0x2020_2020_2020_2020;

/// Sets the high bit of a byte that must be escaped, in a word of eight bytes. A borrow between
/// bytes can only set that of a byte above one whose bit is set.
#[inline(always)]
fn special_bits(word: u64) -> u64 {
    let below_space = word.wrapping_sub(SPACES);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (below_space | quote | backslash) & !word
}

/// Appends bytes. Short ones are copied in two chunks that overlap: copies of a known size need no
/// call.
#[inline(always)]
fn put_plain(out: &mut Vec<u8>, text: &[u8]) {
    let end = out.len() + text.len();
    if text.len() > 32 {
        out.extend_from_slice(text);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        out.extend_from_slice(first);
        out.truncate(end - 16);
        out.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last);
    } else {
        for byte in text {
            out.push(*byte);
        }
    }
}

#[inline(never)]
fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\x08' => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\x0c' => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..b' ' => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}

/// Appends an integer.
#[inline]
pub(crate) fn put_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an integer in quotes, as ProtoJSON writes those of 64 bits.
#[inline]
pub(crate) fn put_quoted_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.push(b'"');
    put_integer(out, value);
    out.push(b'"');
}

/// Appends a double: a number, or the string for NaN or an infinity.
pub(crate) fn put_double(out: &mut Vec<u8>, value: f64, exponents: Exponents) -> R<()> {
    if value.is_finite() {
        return put_finite(out, value, exponents);
    }
    put_not_finite(out, value);
    Ok(())
}

/// Appends the string for NaN or an infinity.
pub(crate) fn put_not_finite(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(if value.is_nan() {
        b"\"NaN\""
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    });
}

fn put_finite(out: &mut Vec<u8>, value: f64, exponents: Exponents) -> R<()> {
    if value.abs() >= FIRST_EXPONENT {
        return put_large(out, value, exponents);
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    Ok(())
}

#[cold]
fn put_large(out: &mut Vec<u8>, value: f64, exponents: Exponents) -> R<()> {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let (digits, exponent) = text.split_once("e+").ok_or(Unsure)?;
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(match exponents {
        Exponents::Unsure => return Err(Unsure),
        Exponents::Bare => b"e",
        Exponents::Signed => b"e+",
    });
    out.extend_from_slice(exponent.as_bytes());
    Ok(())
}

/// Appends a 32-bit float with six digits, or as many more as identify it.
pub(crate) fn put_float(out: &mut Vec<u8>, value: f32, exponents: Exponents) -> R<()> {
    put_double(out, shortened(value), exponents)
}

/// Returns the double that is nearest to the shortest decimal of at least six digits for a float.
pub(crate) fn shortened(value: f32) -> f64 {
    let exact = f64::from(value);
    if !value.is_finite() {
        return exact;
    }
    let decimals = (5..9).filter_map(|digits| format!("{exact:.digits$e}").parse::<f64>().ok());
    let identifies = |decimal: &f64| (*decimal as f32).to_bits() == value.to_bits();
    decimals.into_iter().find(identifies).unwrap_or(exact)
}

/// Appends a number of opaque JSON: whole numbers up to 2^53 as integers. NaN and the infinities,
/// which opaque JSON cannot write, are unsure.
#[inline]
pub(crate) fn put_opaque_number(out: &mut Vec<u8>, value: f64, exponents: Exponents) -> R<()> {
    let whole = value as i64;
    if whole as f64 == value && value.abs() <= LARGEST_EXACT {
        // Integers have no negative zero.
        if whole != 0 || value.is_sign_positive() {
            put_integer(out, whole);
            return Ok(());
        }
    }
    if value.is_finite() {
        put_finite(out, value, exponents)
    } else {
        Err(Unsure)
    }
}

/// Appends bytes as base64 in quotes, in the standard alphabet with padding.
pub(crate) fn put_base64(out: &mut Vec<u8>, data: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |a: u8, b: u8, c: u8| {
        let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
    };
    out.reserve(data.len().div_ceil(3) * 4 + 2);
    out.push(b'"');
    let (groups, rest) = data.as_chunks::<3>();
    for [a, b, c] in groups {
        out.extend_from_slice(&group(*a, *b, *c));
    }
    match *rest {
        [a] => {
            out.extend_from_slice(&group(a, 0, 0)[..2]);
            out.extend_from_slice(b"==");
        }
        [a, b] => {
            out.extend_from_slice(&group(a, b, 0)[..3]);
            out.push(b'=');
        }
        _ => {}
    }
    out.push(b'"');
}

/// How many digits of fractional seconds are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fraction {
    /// None, three, six or nine.
    Threes,
    /// As few as possible.
    #[cfg_attr(not(test), allow(dead_code, reason = "Crucible JSON writes it"))]
    Shortest,
}

/// Appends a Timestamp as RFC 3339 text in quotes. One outside the years 1 to 9999 is unsure.
pub(crate) fn put_timestamp(
    out: &mut Vec<u8>,
    seconds: i64,
    nanos: i32,
    fraction: Fraction,
) -> R<()> {
    if !SECONDS.contains(&seconds) || !(0..NANOS_PER_SECOND).contains(&nanos) {
        return Err(Unsure);
    }
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400) as u32;
    let mut text = *b"\"0000-00-00T00:00:00";
    for (at, value) in [
        (1, year / 100),
        (3, year % 100),
        (6, month),
        (9, day),
        (12, second / 3600),
        (15, second / 60 % 60),
        (18, second % 60),
    ] {
        text[at] += (value / 10) as u8;
        text[at + 1] += (value % 10) as u8;
    }
    out.extend_from_slice(&text);
    put_fraction(out, nanos, fraction);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

/// Returns the year, month and day of a day that is counted from 1970-01-01, from year 1 on.
fn date(days: i64) -> (u32, u32, u32) {
    // Counted from 0000-03-01, so that a leap day is the last day of its year.
    let days = (days + 719_468) as u32;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March to July, August to December, and January and February: 153 days in five months.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + u32::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day)
}

/// Appends a point and the digits of nanoseconds, if there are any.
fn put_fraction(out: &mut Vec<u8>, nanos: i32, fraction: Fraction) {
    if nanos == 0 {
        return;
    }
    let mut text = *b".000000000";
    let mut rest = nanos.unsigned_abs();
    for digit in text[1..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let zeros = text
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let dropped = if fraction == Fraction::Threes {
        zeros / 3 * 3
    } else {
        zeros
    };
    out.extend_from_slice(&text[..text.len() - dropped]);
}

/// Appends a Duration such as `"1.500s"`. One out of range, or with two signs, is unsure.
pub(crate) fn put_duration(out: &mut Vec<u8>, seconds: i64, nanos: i32) -> R<()> {
    let mixed = (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0);
    let in_range = seconds.unsigned_abs() <= LONGEST_DURATION as u64
        && nanos.unsigned_abs() < NANOS_PER_SECOND as u32;
    if mixed || !in_range {
        return Err(Unsure);
    }
    out.push(b'"');
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    put_integer(out, seconds.unsigned_abs());
    put_fraction(out, nanos, Fraction::Threes);
    out.extend_from_slice(b"s\"");
    Ok(())
}

#[cfg(test)]
mod tests;
