//! Timestamps and durations in JSON text.

use crate::unsure::{R, Unsure};

const SECONDS_PER_DAY: i64 = 86_400;
/// The first second of year 1 and the last of year 9999 in UTC, counted from 1970.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// The most seconds of a Duration: some ten thousand years.
const LONGEST_DURATION: i64 = 315_576_000_000;

/// The spellings of RFC 3339 that a dialect reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spelling {
    /// With `T` and `Z`.
    ProtoJson,
    /// With a space for the `T`, and with lower-case letters, as well.
    Any,
}

/// Returns the seconds since 1970 and the nanoseconds of an RFC 3339 text.
#[inline]
pub(crate) fn timestamp(text: &[u8], spelling: Spelling) -> R<(i64, i32)> {
    let (date, rest) = text.split_first_chunk::<19>().ok_or(Unsure)?;
    let separator = date[10];
    if date[4] != b'-' || date[7] != b'-' || date[13] != b':' || date[16] != b':' {
        return Err(Unsure);
    }
    if separator != b'T' && (spelling == Spelling::ProtoJson || !matches!(separator, b't' | b' ')) {
        return Err(Unsure);
    }
    let year = two_digits(date[0], date[1])? * 100 + two_digits(date[2], date[3])?;
    let month = two_digits(date[5], date[6])?;
    let day = two_digits(date[8], date[9])?;
    let hour = two_digits(date[11], date[12])?;
    let minute = two_digits(date[14], date[15])?;
    let second = two_digits(date[17], date[18])?;
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Unsure);
    }
    let days = days_since_1970(year, month, day)?;
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    let (nanos, zone) = fraction(rest)?;
    match zone {
        b"Z" => Ok((seconds, nanos)),
        b"z" if spelling == Spelling::Any => Ok((seconds, nanos)),
        &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return Err(Unsure);
            }
            let offset = hours * 3600 + minutes * 60;
            let seconds = if sign == b'+' {
                seconds - offset
            } else {
                seconds + offset
            };
            if SECONDS.contains(&seconds) {
                Ok((seconds, nanos))
            } else {
                Err(Unsure)
            }
        }
        _ => Err(Unsure),
    }
}

/// Returns the seconds and nanoseconds of a text such as `1.5s`.
pub(crate) fn duration(text: &[u8]) -> R<(i64, i32)> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=12).contains(&count) {
        return Err(Unsure);
    }
    let seconds = rest[..count]
        .iter()
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let (nanos, unit) = fraction(&rest[count..])?;
    if seconds > LONGEST_DURATION || unit != b"s" {
        return Err(Unsure);
    }
    Ok(if negative {
        (-seconds, -nanos)
    } else {
        (seconds, nanos)
    })
}

/// Returns the nanoseconds of a fraction of seconds, which may be missing, and what follows it.
#[inline(always)]
fn fraction(text: &[u8]) -> R<(i32, &[u8])> {
    let [b'.', rest @ ..] = text else {
        return Ok((0, text));
    };
    let (mut nanos, mut unit) = (0, 1_000_000_000);
    let mut count = 0;
    while let Some(byte @ b'0'..=b'9') = rest.get(count) {
        if count == 9 {
            return Err(Unsure);
        }
        unit /= 10;
        nanos += i32::from(byte - b'0') * unit;
        count += 1;
    }
    if count == 0 {
        Err(Unsure)
    } else {
        Ok((nanos, &rest[count..]))
    }
}

#[inline(always)]
fn two_digits(tens: u8, units: u8) -> R<i64> {
    let (tens, units) = (tens.wrapping_sub(b'0'), units.wrapping_sub(b'0'));
    if tens > 9 || units > 9 {
        Err(Unsure)
    } else {
        Ok(i64::from(tens * 10 + units))
    }
}

/// Returns the days from 1970 to a date of the proleptic Gregorian calendar from year 1 on.
#[inline(always)]
fn days_since_1970(year: i64, month: i64, day: i64) -> R<i64> {
    /// The days of a common year before each month.
    const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if year < 1 || !(1..=12).contains(&month) || day < 1 {
        return Err(Unsure);
    }
    let before = BEFORE[month as usize - 1];
    let length = BEFORE[month as usize] - before + i64::from(is_leap && month == 2);
    if day > length {
        return Err(Unsure);
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 + i64::from(is_leap && month > 2);
    // 1970-01-01 is day 719,162 counted from 0001-01-01 as day 0.
    Ok(past * 365 + leap_days + before + day - 1 - 719_162)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(i64, i32)> {
        timestamp(text.as_bytes(), Spelling::ProtoJson).ok()
    }

    #[test]
    fn timestamps() {
        // GNU date gave the seconds.
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("0001-01-01T00:00:00Z", (-62_135_596_800, 0)),
            (
                "9999-12-31T23:59:59.999999999Z",
                (253_402_300_799, 999_999_999),
            ),
            ("2000-02-29T12:34:56Z", (951_827_696, 0)),
            ("1900-03-01T00:00:00Z", (-2_203_891_200, 0)),
            ("2025-12-26T12:00:00.5Z", (1_766_750_400, 500_000_000)),
            ("2025-12-26T12:00:00.000000001+01:30", (1_766_745_000, 1)),
            ("2025-12-26T12:00:00-00:00", (1_766_750_400, 0)),
            ("1969-12-31T23:59:59.25-23:59", (86_339, 250_000_000)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_timestamps() {
        for text in [
            "",
            "2025-12-26",
            "2025-12-26T12:00:00",
            "2025-12-26T12:00Z",
            "2025-12-26T12:00:00.Z",
            "2025-12-26T12:00:00.1234567890Z",
            "2025-12-26T12:00:00,5Z",
            "2025-12-26T24:00:00Z",
            "2025-12-26T12:60:00Z",
            "2025-12-26T12:00:60Z",
            "2025-02-29T12:00:00Z",
            "1900-02-29T12:00:00Z",
            "2025-04-31T12:00:00Z",
            "2025-13-01T12:00:00Z",
            "2025-00-01T12:00:00Z",
            "2025-01-00T12:00:00Z",
            "0000-01-01T12:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2025-12-26T12:00:00+24:00",
            "2025-12-26T12:00:00+01:60",
            "2025-12-26T12:00:00+0100",
            "2025-12-26T12:00:00ZZ",
            "2025-12-26t12:00:00Z",
            "2025-12-26 12:00:00Z",
            "2025-12-26T12:00:00z",
            "+025-12-26T12:00:00Z",
            "2025-12-26T12:00:00Z ",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn other_spellings() {
        for text in [
            "2025-12-26t12:00:00z",
            "2025-12-26 12:00:00Z",
            "2025-12-26T12:00:00z",
        ] {
            let expected = Ok((1_766_750_400, 0));
            assert_eq!(
                timestamp(text.as_bytes(), Spelling::Any),
                expected,
                "{text}"
            );
        }
        assert_eq!(
            timestamp(b"2025-12-26_12:00:00Z", Spelling::Any),
            Err(Unsure)
        );
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = -719_162;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Ok(days) = days_since_1970(year, month, day) {
                        assert_eq!(days, expected);
                        expected += 1;
                    }
                }
            }
        }
        // 9999-12-31 is the last day.
        assert_eq!(expected, 253_402_300_799 / SECONDS_PER_DAY + 1);
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("0s", (0, 0)),
            ("1.5s", (1, 500_000_000)),
            ("-1.000000001s", (-1, -1)),
            ("-0.5s", (0, -500_000_000)),
            ("000315576000s", (315_576_000, 0)),
            ("315576000000.999999999s", (315_576_000_000, 999_999_999)),
        ] {
            assert_eq!(duration(text.as_bytes()), Ok(expected), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "1.s",
            ".5s",
            "+1s",
            "1S",
            "1.0000000000s",
            "315576000001s",
        ] {
            assert_eq!(duration(text.as_bytes()), Err(Unsure), "{text}");
        }
    }
}
