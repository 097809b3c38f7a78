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
