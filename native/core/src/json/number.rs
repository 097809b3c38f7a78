//! Numbers of JSON text: exact integers, and the nearest doubles.

use crate::unsure::{R, Unsure};

/// The most digits that certainly fit in 64 bits.
const MAX_DIGITS: usize = 19;
/// A double represents every integer up to this one exactly.
const MAX_EXACT_INTEGER: u64 = 1 << 53;
/// The powers of ten that a double represents exactly.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// A number of JSON text.
pub(crate) struct Number<'a> {
    text: &'a [u8],
    negative: bool,
    /// The digits as an integer, if they are exact.
    digits: u64,
    /// The power of ten by which the digits are multiplied.
    exponent: i32,
    exact: bool,
    whole: bool,
}

impl<'a> Number<'a> {
    /// Returns the number that is a whole text, such as that of a string.
    pub(crate) fn of(text: &'a [u8]) -> R<Self> {
        let number = Number::at_start(text)?;
        if number.text.len() == text.len() {
            Ok(number)
        } else {
            Err(Unsure)
        }
    }

    /// Returns the longest number at the start of a text.
    #[inline(always)]
    pub(crate) fn at_start(text: &'a [u8]) -> R<Self> {
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
        let negative = byte(0) == b'-';
        let start = usize::from(negative);
        let mut at = start;
        let mut digits = 0;
        if byte(at) == b'0' {
            at += 1;
        } else {
            at = read_digits(text, at, &mut digits);
        }
        let mut count = at - start;
        if count == 0 {
            return Err(Unsure);
        }
        if !matches!(byte(at), b'.' | b'e' | b'E') {
            let exact = count <= MAX_DIGITS;
            return Ok(Number {
                text: &text[..at],
                negative,
                digits,
                exponent: 0,
                exact,
                whole: true,
            });
        }
        let mut exponent = 0;
        if byte(at) == b'.' {
            let point = at + 1;
            at = read_digits(text, read_eights(text, point, &mut digits), &mut digits);
            if at == point {
                return Err(Unsure);
            }
            count += at - point;
            // The zero before the point is no digit that counts.
            count -= usize::from(byte(start) == b'0');
            exponent = i32::try_from(at - point).map_or(i32::MIN / 2, |places| -places);
        }
        if byte(at) | 0x20 == b'e' {
            at += 1;
            let below = byte(at) == b'-';
            at += usize::from(matches!(byte(at), b'+' | b'-'));
            let first = at;
            let mut power = 0;
            at = read_digits(text, first, &mut power);
            if at == first {
                return Err(Unsure);
            }
            let power = if at - first <= 8 {
                power as i32
            } else {
                i32::MAX / 2
            };
            exponent = exponent.saturating_add(if below { -power } else { power });
        }
        let exact = count <= MAX_DIGITS;
        Ok(Number {
            text: &text[..at],
            negative,
            digits,
            exponent,
            exact,
            whole: false,
        })
    }

    /// Returns whether the number has neither a point nor an exponent.
    #[inline(always)]
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns the text of the number.
    #[inline(always)]
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Returns the integer that the number equals, such as 1000 for `1e3`.
    #[inline(always)]
    pub(crate) fn int64(&self) -> R<i64> {
        let magnitude = self.magnitude()?;
        if self.negative {
            if magnitude > 1 << 63 {
                return Err(Unsure);
            }
            return Ok((magnitude as i64).wrapping_neg());
        }
        i64::try_from(magnitude).map_err(|_| Unsure)
    }

    /// Returns the integer that the number equals, in 32 bits.
    #[inline(always)]
    pub(crate) fn int32(&self) -> R<i32> {
        i32::try_from(self.int64()?).map_err(|_| Unsure)
    }

    /// Returns the integer that the number equals, without a sign.
    #[inline(always)]
    pub(crate) fn uint64(&self) -> R<u64> {
        let magnitude = self.magnitude()?;
        if self.negative && magnitude != 0 {
            Err(Unsure)
        } else {
            Ok(magnitude)
        }
    }

    /// Returns the integer that the number equals, in 32 bits without a sign.
    #[inline(always)]
    pub(crate) fn uint32(&self) -> R<u32> {
        u32::try_from(self.uint64()?).map_err(|_| Unsure)
    }

    /// Returns the double nearest to a number of JSON, in which an integer has no negative zero.
    #[inline(always)]
    pub(crate) fn double(&self) -> R<f64> {
        if !self.whole {
            return self.nearest();
        }
        let magnitude = if self.exact {
            self.digits as f64
        } else {
            self.nearest_by_text()?.abs()
        };
        Ok(if self.negative && magnitude != 0.0 {
            -magnitude
        } else {
            magnitude
        })
    }

    /// Returns the double nearest to a number in a string, in which `-0` is the negative zero.
    #[inline(always)]
    pub(crate) fn nearest(&self) -> R<f64> {
        if self.exact && self.digits <= MAX_EXACT_INTEGER {
            // Both operands are exact, so that the result is rounded once.
            let magnitude = self.digits as f64;
            let power = POWERS_OF_TEN.get(self.exponent.unsigned_abs() as usize);
            if let Some(power) = power {
                let number = if self.exponent < 0 {
                    magnitude / power
                } else {
                    magnitude * power
                };
                return Ok(if self.negative { -number } else { number });
            }
        }
        self.nearest_by_text()
    }

    /// Returns the double of a number in opaque JSON, whose integers must be exact.
    #[inline(always)]
    pub(crate) fn opaque(&self) -> R<f64> {
        if self.whole && (!self.exact || self.digits > MAX_EXACT_INTEGER) {
            return Err(Unsure);
        }
        self.double()
    }

    #[inline(never)]
    fn nearest_by_text(&self) -> R<f64> {
        let text = std::str::from_utf8(self.text).map_err(|_| Unsure)?;
        let number: f64 = text.parse().map_err(|_| Unsure)?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(Unsure)
        }
    }

    #[inline(always)]
    fn magnitude(&self) -> R<u64> {
        if self.whole && self.exact {
            Ok(self.digits)
        } else {
            self.exact_magnitude()
        }
    }

    #[inline(never)]
    fn exact_magnitude(&self) -> R<u64> {
        let (digits, exponent) = if self.exact {
            (self.digits, self.exponent)
        } else {
            self.long_digits()?
        };
        if digits == 0 {
            return Ok(0);
        }
        let power = 10_u64.checked_pow(exponent.unsigned_abs()).ok_or(Unsure)?;
        if exponent >= 0 {
            digits.checked_mul(power).ok_or(Unsure)
        } else if digits.is_multiple_of(power) {
            Ok(digits / power)
        } else {
            Err(Unsure)
        }
    }

    /// Returns the digits of a number with many of them, without the zeros at their end, and the
    /// exponent.
    fn long_digits(&self) -> R<(u64, i32)> {
        let (mut digits, mut zeros) = (0_u64, 0);
        let places = self
            .text
            .iter()
            .take_while(|byte| !matches!(byte, b'e' | b'E'));
        for digit in places.filter(|byte| byte.is_ascii_digit()) {
            zeros += 1;
            if *digit != b'0' {
                let power = 10_u64
                    .checked_pow(if digits == 0 { 0 } else { zeros })
                    .ok_or(Unsure)?;
                let digit = u64::from(digit - b'0');
                digits = digits
                    .checked_mul(power)
                    .and_then(|it| it.checked_add(digit))
                    .ok_or(Unsure)?;
                zeros = 0;
            }
        }
        let zeros = i32::try_from(zeros).map_err(|_| Unsure)?;
        Ok((digits, self.exponent.saturating_add(zeros)))
    }
}

/// Reads decimal digits and returns the position after them; the value wraps around.
#[inline(always)]
fn read_digits(text: &[u8], start: usize, value: &mut u64) -> usize {
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// Reads groups of eight decimal digits, of which fractions often have some, as `read_digits` does.
#[inline(always)]
fn read_eights(text: &[u8], start: usize, value: &mut u64) -> usize {
    const SIXES: u64 = 0x0606_0606_0606_0606;
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let mut at = start;
    while let Some(bytes) = text.get(at..at + 8) {
        let mut word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        // The digits are 0x30 to 0x39, and no byte carries into the next one if all are below.
        if word & UPPER != ZEROS || (word + SIXES) & UPPER != ZEROS {
            break;
        }
        // The first digit is the lowest byte: join neighbours to two, four and eight digits.
        word -= ZEROS;
        word = (word * 10 + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
        word = (word * 100 + (word >> 16)) & 0x0000_ffff_0000_ffff;
        word = (word * 10_000 + (word >> 32)) & 0xffff_ffff;
        *value = value.wrapping_mul(100_000_000).wrapping_add(word);
        at += 8;
    }
    at
}

#[cfg(test)]
mod tests;
