//! Crucible JSON in the public interface; the bytes are encoded by hand.

use crucible_ir_core::{MessageType, Schema};

fn message(name: &str) -> MessageType {
    let name = format!("crucible_ir.v1.{name}");
    Schema::built_in()
        .message_type(&name)
        .expect("a message type")
}

fn read(name: &str, text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    message(name)
        .from_crucible_json(text.as_bytes(), &mut out)
        .ok()?;
    Some(out)
}

fn write(name: &str, data: impl AsRef<[u8]>) -> Option<String> {
    let mut out = Vec::new();
    message(name)
        .to_crucible_json(data.as_ref(), &mut out)
        .ok()?;
    Some(String::from_utf8(out).expect("UTF-8"))
}

/// A field with a length.
fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&[number << 3 | 2, content.len() as u8][..], content].concat()
}

/// An entry of a map of doubles.
fn entry(key: &str, value: f64) -> Vec<u8> {
    [&field(1, key)[..], &[2 << 3 | 1], &value.to_le_bytes()].concat()
}

#[test]
fn missing_keys_take_their_defaults() {
    // The default of `enabled` is true.
    let enabled = [&field(1, "a")[..], b"\x20\x01"].concat();
    assert_eq!(read("StageDef", r#"{"name": "a"}"#), Some(enabled));
    for text in [
        r#"{"name":"a","enabled":null}"#,
        r#" { "enabled" : null , "module" : null , "name" : "\u0061" } "#,
    ] {
        assert_eq!(read("StageDef", text), Some(field(1, "a")), "{text}");
    }
}

#[test]
fn one_key_of_an_open_vocabulary_is_two_fields() {
    let text = r#"{"name":"a","provider":"huggingface","split":"train[:10%]"}"#;
    let split = field(5, "train[:10%]");
    let known = [&field(1, "a")[..], b"\x10\x02", &split].concat();
    assert_eq!(read("DatasetRef", text), Some(known));
    let text = text.replace("huggingface", "mine");
    let custom = [field(1, "a"), field(3, "mine"), split].concat();
    assert_eq!(read("DatasetRef", &text), Some(custom));
}

#[test]
fn numbers_of_a_pair_are_in_the_map() {
    let text = r#"{"values_b":"x","b":1,"a":"NaN","c":[]}"#;
    let mut expected = field(1, entry("a", f64::NAN));
    expected.extend(field(1, entry("b", 1.0)));
    let list = [field(1, "c"), field(2, b"\x32\x00")].concat();
    let string = [field(1, "values_b"), field(2, field(3, "x"))].concat();
    expected.extend(field(5, [field(1, list), field(1, string)].concat()));
    assert_eq!(read("MetricsSnapshot", text), Some(expected));
    assert_eq!(read("MetricsSnapshot", "[]"), Some(vec![]));
    for text in [
        r#"{"a":1,"a":"x"}"#,
        r#"{"a":"x","a":1}"#,
        r#"{"a":1,"a":1}"#,
        "[1]",
        "null",
    ] {
        assert_eq!(read("MetricsSnapshot", text), None, "{text}");
    }
}

#[test]
fn fields_of_a_snapshot_are_among_its_metrics() {
    let numbers = [field(1, entry("loss", 0.5)), field(1, entry("step", 1.0))].concat();
    let text = r#"{"epoch":2,"loss":0.5,"step":1.0}"#;
    let epoch = [&[3 << 3 | 1][..], &2.0_f64.to_le_bytes()].concat();
    assert_eq!(
        read("MetricsSnapshot", text),
        Some([numbers, epoch].concat())
    );
    let text = r#"{"time":"1970-01-01 00:00:01z","step":7}"#;
    let expected = [&b"\x10\x07"[..], &field(4, b"\x08\x01")].concat();
    assert_eq!(read("MetricsSnapshot", text), Some(expected));
    for text in [
        r#"{"step":1,"step":2}"#,
        r#"{"step":1,"step":1.5}"#,
        r#"{"step":1.5,"step":1}"#,
    ] {
        assert_eq!(read("MetricsSnapshot", text), None, "{text}");
    }
}

#[test]
fn the_type_of_a_part_is_its_kind() {
    let text = r#"{"signature":"s","text":"t","type":"text","metadata":null}"#;
    let expected = [field(1, "t"), field(5, "s")].concat();
    assert_eq!(read("ContentPart", text), Some(expected));
    let text = r#"{"type":"file","signature":"s","file_id":"f"}"#;
    let expected = [field(5, "s"), field(8, field(3, "f"))].concat();
    assert_eq!(read("ContentPart", text), Some(expected));
    let other = field(1, [field(1, "type"), field(2, field(3, "video"))].concat());
    assert_eq!(
        read("ContentPart", r#"{"type":"video"}"#),
        Some(field(9, other))
    );
    for text in [
        r#"{"type":"text"}"#,
        r#"{"type":"text","text":null}"#,
        r#"{"type":"text","text":"t","type":"text"}"#,
        r#"{"type":"text","text":"t","url":"u"}"#,
        r#"{"type":"Text","text":"t"}"#,
        r#"{"type":"tool-result"}"#,
        r#"{"type":"imgae"}"#,
        r#"{"text":"t"}"#,
        r#"{"type":1}"#,
    ] {
        assert_eq!(read("ContentPart", text), None, "{text}");
    }
}

#[test]
fn a_choice_is_a_name_or_an_object() {
    assert_eq!(read("ToolChoice", r#""none""#), Some(b"\x08\x02".into()));
    assert_eq!(read("ToolChoice", r#"{"name":"f"}"#), Some(field(2, "f")));
    assert_eq!(read("ToolChoice", "null"), Some(vec![]));
    for text in [
        r#""unspecified""#,
        "{}",
        r#"{"name":"f","mode":"none"}"#,
        "[]",
        "1",
    ] {
        assert_eq!(read("ToolChoice", text), None, "{text}");
    }
}

#[test]
fn content_is_a_string_or_a_list() {
    for (content, expected) in [
        (r#""""#, field(2, "")),
        ("[]", field(3, "")),
        (
            r#"[{"type":"text","text":"t"}]"#,
            field(3, field(1, field(1, "t"))),
        ),
        ("null", vec![]),
    ] {
        let text = format!(r#"{{"content":{content}}}"#);
        assert_eq!(read("Message", &text), Some(expected), "{text}");
    }
    for content in ["{}", "1", "[null]", r#"["t"]"#] {
        assert_eq!(
            read("Message", &format!(r#"{{"content":{content}}}"#)),
            None,
            "{content}"
        );
    }
}

#[test]
fn objects_that_mean_unset() {
    let metadata = |value: &str| read("Completion", &format!(r#"{{"metadata":{value}}}"#));
    for value in ["{}", "[]", "null"] {
        assert_eq!(metadata(value), Some(vec![]), "{value}");
    }
    let options = |value: &str| {
        let text = format!(r#"{{"name":"","enabled":null,"options":{value}}}"#);
        read("StageDef", &text)
    };
    assert_eq!(options("{}"), Some(field(3, "")));
    assert_eq!(options("[]"), Some(field(3, "")));
}

#[test]
fn deep_nesting_is_unsure() {
    for depth in [20, 200, 100_000] {
        let content = format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let text = format!(r#"{{"name":"a","options":{content}}}"#);
        assert_eq!(read("StageDef", &text).is_some(), depth == 20, "{depth}");
        for text in [content, "[".repeat(depth)] {
            assert_eq!(
                read("MetricsSnapshot", &text).is_some(),
                depth == 20 && text.len() > 20
            );
        }
    }
}

#[test]
fn unset_fields_have_keys() {
    let text = r#"{"name":"a","module":null,"options":{},"enabled":false}"#;
    let data = [field(1, "a"), field(3, ""), b"\x20\x00".into()].concat();
    assert_eq!(write("StageDef", &data).as_deref(), Some(text));
    // The order of the fields, unknown fields and replaced values do not matter.
    let others = [
        b"\x20\x01\x50\x07\x20\x00"[..].into(),
        field(3, ""),
        field(1, "x"),
    ]
    .concat();
    let others = [others, field(1, "a")].concat();
    assert_eq!(write("StageDef", others).as_deref(), Some(text));
    // A required string is empty, and the fields of a message have no keys.
    let empty = r#"{"name":"","module":null,"options":null,"enabled":null}"#;
    assert_eq!(write("StageDef", "").as_deref(), Some(empty));
    assert_eq!(write("Message", "").as_deref(), Some("{}"));
    // An invalid string, also of an unset value, and a message that would be merged.
    assert_eq!(write("StageDef", b"\x0a\x01\xff"), None);
    assert_eq!(write("StageDef", b"\x0a\x01\xff\x0a\x01a"), None);
    assert_eq!(
        write("StageDef", [field(3, ""), field(3, "")].concat()),
        None
    );
}

#[test]
fn names_of_enums_are_short() {
    let role = |number: u8| write("Message", [1 << 3, number]);
    assert_eq!(role(2).as_deref(), Some(r#"{"role":"user"}"#));
    assert_eq!(role(0).as_deref(), Some("{}"));
    assert_eq!(role(100), None);
    assert_eq!(
        write("ToolChoice", b"\x08\x02").as_deref(),
        Some(r#""none""#)
    );
    assert_eq!(
        write("ToolChoice", field(2, "f")).as_deref(),
        Some(r#"{"name":"f"}"#)
    );
    assert_eq!(write("ToolChoice", "").as_deref(), Some("null"));
}

#[test]
fn lists_of_an_open_vocabulary_are_joined() {
    // The formats of OutputSpec are the fields 3 and 4; packed, empty, and one by one.
    for (data, formats) in [
        (field(2, [2, 0, 1]), r#"["json","markdown"]"#),
        (
            [
                field(2, []),
                field(3, "x"),
                b"\x10\x02".into(),
                field(3, "y"),
            ]
            .concat(),
            r#"["json","x","y"]"#,
        ),
        (field(2, [0]), "[]"),
        (vec![], "[]"),
    ] {
        let text = write("OutputSpec", data).expect("a text");
        assert!(text.contains(&format!(r#""formats":{formats},"#)), "{text}");
    }
}

#[test]
fn a_snapshot_is_one_object() {
    let number = |key: &str, value: f64| field(1, entry(key, value));
    let opaque = |key: &str, value: &[u8]| field(1, [field(1, key), field(2, value)].concat());
    let epoch = [&[3 << 3 | 1][..], &2.0_f64.to_le_bytes()].concat();
    let data = [
        number("loss", 1.0),
        number("a", f64::NAN),
        b"\x10\x07".into(),
        epoch.clone(),
        field(4, b"\x08\x01\x10\x80\xca\xb5\xee\x01"),
        field(
            5,
            [opaque("note", &field(3, "x")), opaque("best", b"\x20\x01")].concat(),
        ),
    ]
    .concat();
    let text = concat!(
        r#"{"step":7,"epoch":2,"time":"1970-01-01T00:00:01.5Z","#,
        r#""a":"NaN","loss":1.0,"best":true,"note":"x"}"#,
    );
    assert_eq!(write("MetricsSnapshot", data).as_deref(), Some(text));
    let numbers = r#"{"epoch":2.0,"step":3.0}"#;
    let data = [number("step", 3.0), number("epoch", 2.0)].concat();
    assert_eq!(write("MetricsSnapshot", data).as_deref(), Some(numbers));
    assert_eq!(
        write("MetricsSnapshot", field(5, "")).as_deref(),
        Some("{}")
    );
    // What would be read as another message.
    for data in [
        [number("epoch", 2.0), epoch].concat(),
        field(
            5,
            opaque("n", &[&[2 << 3 | 1][..], &1.0_f64.to_le_bytes()].concat()),
        ),
        field(5, opaque("n", &field(3, "Infinity"))),
        field(5, opaque("time", &field(3, "2025-01-01T00:00:00Z"))),
        [number("a", 1.0), field(5, opaque("a", b"\x20\x01"))].concat(),
        b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".into(),
    ] {
        assert_eq!(write("MetricsSnapshot", &data), None, "{data:?}");
    }
}

#[test]
fn a_part_has_its_kind() {
    let other = |kind: &str| {
        field(
            9,
            field(1, [field(1, "type"), field(2, field(3, kind))].concat()),
        )
    };
    for (data, text) in [
        (
            [field(5, "s"), field(1, "t")].concat(),
            r#"{"type":"text","text":"t","signature":"s"}"#,
        ),
        (field(8, field(3, "f")), r#"{"type":"file","file_id":"f"}"#),
        (field(7, ""), r#"{"type":"reasoning"}"#),
        (
            field(2, field(2, "hi")),
            r#"{"type":"image","base64":"aGk="}"#,
        ),
        (other("video"), r#"{"type":"video"}"#),
    ] {
        assert_eq!(write("ContentPart", &data).as_deref(), Some(text));
        let mut parsed = Vec::new();
        message("ContentPart")
            .from_crucible_json(text.as_bytes(), &mut parsed)
            .expect("a part");
        assert_eq!(write("ContentPart", parsed).as_deref(), Some(text));
    }
    for data in [
        vec![],
        field(5, "s"),
        other("text"),
        other("Tool-Result"),
        other("vidéo"),
        [other("video"), field(5, "s")].concat(),
        field(9, ""),
    ] {
        assert_eq!(write("ContentPart", &data), None, "{data:?}");
    }
}

#[test]
fn deeply_nested_messages_are_unsure() {
    let nested = |depth: usize| {
        let mut data = Vec::new();
        for _ in 0..depth {
            let mut outer = vec![7 << 3 | 2];
            let mut length = data.len();
            while length >= 0x80 {
                outer.push(length as u8 | 0x80);
                length >>= 7;
            }
            outer.push(length as u8);
            outer.append(&mut data);
            data = outer;
        }
        data
    };
    assert!(write("BackendRef", nested(50)).is_some());
    assert!(write("BackendRef", nested(100)).is_none());
    assert!(write("BackendRef", nested(2_000)).is_none());
}
