use super::*;

fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    put(&mut out);
    String::from_utf8(out).unwrap()
}

fn string(data: &[u8]) -> R<String> {
    let mut out = Vec::new();
    put_string(&mut out, data)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn strings_are_escaped_where_json_requires_it() {
    assert_eq!(string(b"").unwrap(), r#""""#);
    assert_eq!(
        string("\" \\ / \x08\t\n\x0b\x0c\r\x1f\0 \x7f \u{85} \u{2028} é😀".as_bytes()).unwrap(),
        "\"\\\" \\\\ / \\b\\t\\n\\u000b\\f\\r\\u001f\\u0000 \x7f \u{85} \u{2028} é😀\"",
    );
}

#[test]
fn every_position_of_a_string_of_any_length_is_escaped() {
    let escapes = [
        (b'"', r#"\""#),
        (b'\\', r"\\"),
        (b'\n', r"\n"),
        (b'\x1f', r"\u001f"),
    ];
    for length in 1..50 {
        for position in 0..length {
            for (byte, escape) in escapes {
                let mut data = vec![b'a'; length];
                data[position] = byte;
                let (before, after) = ("a".repeat(position), "a".repeat(length - position - 1));
                assert_eq!(
                    string(&data).unwrap(),
                    format!("\"{before}{escape}{after}\"")
                );
            }
            // The neighbours of the bytes that are escaped, which must not be.
            for byte in [b' ', b'!', b'#', b'[', b']', b'\x7f'] {
                let mut data = vec![b'a'; length];
                data[position] = byte;
                let expected = format!("\"{}\"", std::str::from_utf8(&data).unwrap());
                assert_eq!(string(&data).unwrap(), expected);
            }
            let mut data = vec![b'a'; length];
            data[position] = 0xff;
            assert_eq!(string(&data), Err(Unsure));
        }
    }
}

#[test]
fn surrogates_and_overlong_characters_are_unsure() {
    for data in [
        &b"\xed\xa0\x80"[..],
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\x80",
    ] {
        assert_eq!(string(data), Err(Unsure));
    }
}

#[test]
fn doubles_have_the_format_of_orjson() {
    let double = |value: f64| text(|out| put_double(out, value, Exponents::Unsure).unwrap());
    let expected = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (2.0, "2.0"),
        (0.1, "0.1"),
        (-123456.75, "-123456.75"),
        (0.00001, "0.00001"),
        (0.0000015, "1.5e-6"),
        (5e-324, "5e-324"),
        (1e15, "1000000000000000.0"),
        (9999999999999998.0, "9999999999999998.0"),
        (f64::NAN, "\"NaN\""),
        (f64::INFINITY, "\"Infinity\""),
        (f64::NEG_INFINITY, "\"-Infinity\""),
    ];
    for (value, text) in expected {
        assert_eq!(double(value), text);
    }
}

#[test]
fn large_doubles_have_the_exponent_of_a_version_of_orjson() {
    for (value, bare, signed) in [
        (1e16, "1e16", "1e+16"),
        (-1.5e21, "-1.5e21", "-1.5e+21"),
        (
            f64::MAX,
            "1.7976931348623157e308",
            "1.7976931348623157e+308",
        ),
    ] {
        assert_eq!(
            text(|out| put_double(out, value, Exponents::Bare).unwrap()),
            bare
        );
        assert_eq!(
            text(|out| put_opaque_number(out, value, Exponents::Signed).unwrap()),
            signed
        );
        assert_eq!(
            put_double(&mut Vec::new(), value, Exponents::Unsure),
            Err(Unsure)
        );
        assert_eq!(
            put_opaque_number(&mut Vec::new(), value, Exponents::Unsure),
            Err(Unsure)
        );
    }
}

#[test]
fn floats_have_six_digits_or_as_many_as_identify_them() {
    for (value, expected) in [
        (0.1, "0.1"),
        (16777216.0, "16777216.0"),
        (8.141_593, "8.141593"),
        // %.6g of the smallest one is 1.4013e-45.
        (f32::from_bits(1), "1.4013e-45"),
        (f32::MAX, "3.4028235e+38"),
        (-0.0, "-0.0"),
        (f32::INFINITY, "\"Infinity\""),
    ] {
        assert_eq!(
            text(|out| put_float(out, value, Exponents::Signed).unwrap()),
            expected
        );
    }
}

#[test]
fn whole_numbers_of_opaque_json_are_integers_up_to_2_53() {
    let number = |value| text(|out| put_opaque_number(out, value, Exponents::Unsure).unwrap());
    assert_eq!(number(0.0), "0");
    assert_eq!(number(-0.0), "-0.0");
    assert_eq!(number(-7.0), "-7");
    assert_eq!(number(0.5), "0.5");
    assert_eq!(number(9_007_199_254_740_992.0), "9007199254740992");
    assert_eq!(number(9_007_199_254_740_994.0), "9007199254740994.0");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            put_opaque_number(&mut Vec::new(), value, Exponents::Signed),
            Err(Unsure)
        );
    }
}

#[test]
fn timestamps_are_rfc_3339() {
    let time =
        |seconds, nanos| text(|out| put_timestamp(out, seconds, nanos, Fraction::Threes).unwrap());
    assert_eq!(time(0, 0), "\"1970-01-01T00:00:00Z\"");
    assert_eq!(time(-1, 0), "\"1969-12-31T23:59:59Z\"");
    assert_eq!(time(951_782_400, 0), "\"2000-02-29T00:00:00Z\"");
    assert_eq!(time(951_868_800, 0), "\"2000-03-01T00:00:00Z\"");
    assert_eq!(time(-2_203_891_200, 0), "\"1900-03-01T00:00:00Z\"");
    assert_eq!(time(-2_203_891_201, 0), "\"1900-02-28T23:59:59Z\"");
    assert_eq!(
        time(-62_135_596_800, 500_000_000),
        "\"0001-01-01T00:00:00.500Z\""
    );
    assert_eq!(
        time(253_402_300_799, 999_999_999),
        "\"9999-12-31T23:59:59.999999999Z\""
    );
    assert_eq!(time(0, 1_000), "\"1970-01-01T00:00:00.000001Z\"");
    let shortest = |nanos| text(|out| put_timestamp(out, 0, nanos, Fraction::Shortest).unwrap());
    assert_eq!(shortest(500_000_000), "\"1970-01-01T00:00:00.5Z\"");
    assert_eq!(shortest(10), "\"1970-01-01T00:00:00.00000001Z\"");
    for (seconds, nanos) in [
        (-62_135_596_801, 0),
        (253_402_300_800, 0),
        (0, -1),
        (0, 1_000_000_000),
        (i64::MIN, 0),
    ] {
        let result = put_timestamp(&mut Vec::new(), seconds, nanos, Fraction::Threes);
        assert_eq!(result, Err(Unsure));
    }
}

#[test]
fn durations_are_seconds() {
    let duration = |seconds, nanos| text(|out| put_duration(out, seconds, nanos).unwrap());
    assert_eq!(duration(0, 0), "\"0s\"");
    assert_eq!(duration(1, 500_000_000), "\"1.500s\"");
    assert_eq!(duration(0, -1), "\"-0.000000001s\"");
    assert_eq!(
        duration(-315_576_000_000, -999_999_999),
        "\"-315576000000.999999999s\""
    );
    for (seconds, nanos) in [
        (1, -1),
        (-1, 1),
        (315_576_000_001, 0),
        (0, 1_000_000_000),
        (i64::MIN, 0),
        (0, i32::MIN),
    ] {
        assert_eq!(put_duration(&mut Vec::new(), seconds, nanos), Err(Unsure));
    }
}

#[test]
fn base64_of_rfc_4648() {
    for (data, expected) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(
            text(|out| put_base64(out, data.as_bytes())),
            format!("\"{expected}\"")
        );
    }
    assert_eq!(text(|out| put_base64(out, b"\xfb\xff\xfe")), "\"+//+\"");
}
