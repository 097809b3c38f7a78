use super::*;

fn decode(text: &[u8]) -> Option<String> {
    let mut buffer = Vec::new();
    let mut scan = Scanner::new(text);
    let decoded = scan.string(&mut buffer).ok()?.to_vec();
    scan.end().ok()?;
    Some(String::from_utf8(decoded).expect("UTF-8"))
}

#[test]
fn strings() {
    for (text, expected) in [
        (r#""""#, ""),
        (r#""a""#, "a"),
        (r#""abcdefgh""#, "abcdefgh"),
        (
            r#""a long string of more than eight bytes""#,
            "a long string of more than eight bytes",
        ),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0041\u00e9\u20AC\ud83d\ude00\u0000""#, "Aé€😀\0"),
        (r#""é€😀 \u007f""#, "é€😀 \u{7f}"),
        ("\"\u{7f}\u{85}\u{2028}\"", "\u{7f}\u{85}\u{2028}"),
    ] {
        assert_eq!(decode(text.as_bytes()).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn ends_of_strings_at_each_offset() {
    for length in (0..40).chain(60..140) {
        let plain = "x".repeat(length);
        assert_eq!(
            decode(format!("\"{plain}\"").as_bytes()),
            Some(plain.clone())
        );
        assert_eq!(
            decode(format!("\"{plain}\\n\"  ").as_bytes()),
            Some(plain.clone() + "\n")
        );
        for control in 0..b' ' {
            let text = format!("\"{plain}{}{plain}\"", char::from(control));
            assert_eq!(decode(text.as_bytes()), None);
        }
        assert_eq!(decode(format!("\"{plain}").as_bytes()), None);
        let mut invalid = format!("\"{plain}").into_bytes();
        invalid.extend_from_slice(b"\xff and more text\"");
        assert_eq!(decode(&invalid), None);
    }
}

#[test]
fn strings_that_utf8_cannot_encode() {
    for text in [
        r#""\ud800""#,
        r#""\ud800 ""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\ud800\ud800""#,
        r#""\udc00""#,
        r#""\udc00\ud800""#,
    ] {
        assert_eq!(decode(text.as_bytes()), None, "{text}");
    }
    // A surrogate, an overlong form, and a character in two parts that a backslash divides.
    for bytes in [
        &b"\"\xed\xa0\x80\""[..],
        b"\"\xc0\x80\"",
        b"\"\xc3\\n\xa9\"",
        b"\"\xc3\"",
    ] {
        assert_eq!(decode(bytes), None, "{bytes:?}");
    }
}

#[test]
fn texts_that_are_no_strings() {
    for text in [
        "",
        "a",
        "\"",
        "\"\\",
        "\"\\\"",
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
    ] {
        assert_eq!(decode(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn white_space_and_byte_order_mark() {
    let mut scan = Scanner::new("\u{feff} \t\r\n{ }\n".as_bytes());
    assert_eq!(scan.next(), b'{');
    assert!(matches!(scan.open(b'{', b'}'), Ok(true)));
    assert!(scan.end().is_ok());
    for text in ["\u{b}", "\u{c}", "\0", "\u{a0}", "\u{feff}\u{feff}"] {
        assert!(Scanner::new(text.as_bytes()).end().is_err(), "{text:?}");
    }
}

#[test]
fn members() {
    let mut scan = Scanner::new(b"[ true , null,false ]");
    assert!(matches!(scan.open(b'[', b']'), Ok(false)));
    for (word, more) in [(&b"true"[..], true), (b"null", true), (b"false", false)] {
        assert!(scan.literal(word).is_ok());
        assert!(scan.more(b']').is_ok_and(|found| found == more));
    }
    assert!(scan.end().is_ok());
    for text in [&b"1"[..], b"}", b"]1", b""] {
        assert!(Scanner::new(text).more(b']').is_err() || text == b"]1");
    }
}
