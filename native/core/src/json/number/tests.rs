use super::*;

fn number(text: &str) -> Option<Number<'_>> {
    Number::of(text.as_bytes()).ok()
}

#[test]
fn integers() {
    for (text, expected) in [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0e999999999999", 0),
        ("7", 7),
        ("-12", -12),
        ("1e3", 1000),
        ("5.0", 5),
        ("1.50e1", 15),
        ("120e-1", 12),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("-9223372036854775.808e3", i64::MIN),
        ("9007199254740993.0", 9007199254740993),
        ("7.0000000000000000000000000", 7),
        ("70000000000000000000000e-22", 7),
        ("0.000000000000000000000012e24", 12),
        ("0.00000000000000000000000000", 0),
        ("-9223372036854775808.0", i64::MIN),
        ("100000000000000000000e-19", 10),
    ] {
        assert_eq!(
            number(text).and_then(|it| it.int64().ok()),
            Some(expected),
            "{text}"
        );
    }
    for text in [
        "1.5",
        "1e-1",
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "1e400",
    ] {
        assert_eq!(number(text).and_then(|it| it.int64().ok()), None, "{text}");
    }
}

#[test]
fn integers_of_other_types() {
    let largest = "18446744073709551615";
    assert_eq!(
        number(largest).and_then(|it| it.uint64().ok()),
        Some(u64::MAX)
    );
    for text in [
        "18446744073709551616",
        "99999999999999999999",
        "-1",
        "100000000000000000000",
    ] {
        assert_eq!(number(text).and_then(|it| it.uint64().ok()), None, "{text}");
    }
    assert_eq!(number("-0").and_then(|it| it.uint64().ok()), Some(0));
    assert_eq!(
        number("4294967295").and_then(|it| it.uint32().ok()),
        Some(u32::MAX)
    );
    assert_eq!(number("4294967296").and_then(|it| it.uint32().ok()), None);
    assert_eq!(
        number("-2147483648").and_then(|it| it.int32().ok()),
        Some(i32::MIN)
    );
    assert_eq!(number("2147483648").and_then(|it| it.int32().ok()), None);
}

#[test]
fn doubles() {
    for text in [
        "0",
        "1",
        "0.1",
        "-0.0",
        "1e22",
        "1e23",
        "123456789012345678",
        "5e-324",
        "1e-400",
        "0.1234567890123456789",
        "1.7976931348623157e308",
        "9007199254740993",
        "2.5e-7",
        "0.00000000000000000000000000000000001",
        "3.14159",
        "1E+2",
        "-1.5e-3",
        "1e-22",
        "1e-23",
        "9007199254740993e1",
        "123456789012345678901234567890",
    ] {
        let expected: f64 = text.parse().expect("a number");
        let got = number(text).and_then(|it| it.nearest().ok());
        assert_eq!(got.map(f64::to_bits), Some(expected.to_bits()), "{text}");
    }
    for text in ["1e309", "-1e400", "1e999999999999"] {
        assert_eq!(
            number(text).and_then(|it| it.nearest().ok()),
            None,
            "{text}"
        );
    }
    let zero = |text| {
        number(text)
            .and_then(|it| it.double().ok())
            .map(f64::to_bits)
    };
    assert_eq!(zero("-0"), Some(0.0_f64.to_bits()));
    assert_eq!(zero("-0.0"), Some((-0.0_f64).to_bits()));
}

#[test]
fn fractions_of_each_length() {
    // The digits of the fraction of the square root of two, and those below and above digits.
    let digits = "4142135623730950488016887242096980785696";
    for length in 1..=digits.len() {
        let text = format!("1.{}", &digits[..length]);
        let expected: f64 = text.parse().expect("a number");
        let got = number(&text).and_then(|it| it.nearest().ok());
        assert_eq!(got.map(f64::to_bits), Some(expected.to_bits()), "{text}");
        for other in ['/', ':', '0', '9'] {
            let text = text.clone() + &other.to_string();
            assert_eq!(number(&text).is_some(), other.is_ascii_digit(), "{text}");
        }
    }
    for text in [
        "0.99999999",
        "0.00000000",
        "0.12345678",
        "0.90000000",
        "7.00000009",
    ] {
        let expected: f64 = text.parse().expect("a number");
        assert_eq!(
            number(text).and_then(|it| it.nearest().ok()),
            Some(expected),
            "{text}"
        );
    }
}

#[test]
fn opaque_numbers() {
    let opaque = |text| number(text).and_then(|it| it.opaque().ok());
    assert_eq!(opaque("9007199254740992"), Some(9007199254740992.0));
    assert_eq!(opaque("-9007199254740992"), Some(-9007199254740992.0));
    assert_eq!(opaque("9007199254740993.0"), Some(9007199254740992.0));
    assert_eq!(opaque("1e300"), Some(1e300));
    for text in [
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551616",
        "1e309",
    ] {
        assert_eq!(opaque(text), None, "{text}");
    }
}

#[test]
fn texts_that_are_no_numbers() {
    for text in [
        "", "-", "+1", "01", "-01", ".5", "1.", "1.e3", "1e", "1e+", "0x1", "1_0", "NaN", "1 ",
    ] {
        assert!(number(text).is_none(), "{text}");
    }
}
