use super::*;
use crate::Schema;

fn read(name: &str, text: &str) -> R<Vec<u8>> {
    let message = Schema::built_in()
        .message_type(&format!("crucible_ir.v1.{name}"))
        .expect("a message type");
    let mut out = Vec::new();
    message.from_protojson(text.as_bytes(), &mut out)?;
    Ok(out)
}

/// Checks the bytes of a StageDef, whose fields are name = 1, module = 2 and options = 3.
fn stage(text: &str, expected: &[u8]) {
    assert_eq!(read("StageDef", text).as_deref(), Ok(expected), "{text}");
}

#[test]
fn keys_in_any_order_and_of_both_names() {
    stage(r#"{"name":"a","module":"b"}"#, b"\x0a\x01a\x12\x01b");
    stage(
        "\u{feff} {\n\"module\" :\t\"b\" , \"name\":\"a\"\r} ",
        b"\x0a\x01a\x12\x01b",
    );
    stage(r#"{"\u006eame":"a","module":null}"#, b"\x0a\x01a");
    let expected = Ok(b"\x22\x01v".to_vec());
    assert_eq!(read("BackendRef", r#"{"modelVersion":"v"}"#), expected);
    assert_eq!(read("BackendRef", r#"{"model_version":"v"}"#), expected);
}

#[test]
fn zero_without_presence_is_left_out() {
    stage(r#"{"name":"","options":{}}"#, b"\x1a\x00");
}

#[test]
fn opaque_json() {
    stage(
        r#"{"options":{"b":1,"a":null,"ab":[true,"x",{}]}}"#,
        b"\x1a\x30\
          \x0a\x15\x0a\x02ab\x12\x0f\x32\x0d\x0a\x02\x20\x01\x0a\x03\x1a\x01x\x0a\x02\x2a\x00\
          \x0a\x07\x0a\x01a\x12\x02\x08\x00\
          \x0a\x0e\x0a\x01b\x12\x09\x11\x00\x00\x00\x00\x00\x00\xf0\x3f",
    );
}

#[test]
fn every_kind_of_field() {
    // protobuf's Python library gave the bytes.
    let cases: [(&str, &str, &[u8]); 7] = [
        (
            "TrainingConfig",
            r#"{"learningRate":"1e-3","seed":"-5","epochs":3.0}"#,
            b"\x20\x031\xfc\xa9\xf1\xd2MbP?x\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ),
        (
            "DatasetRef",
            r#"{"provider":"DATASET_PROVIDER_HUGGINGFACE","customProvider":null,"split":77}"#,
            b"\x10\x02\x20M",
        ),
        (
            "Experiment",
            r#"{"tags":["a",""],"createdAt":"1970-01-01T00:00:00Z","metadata":null,
                "outputs":[{"formats":["OUTPUT_FORMAT_JSON",0]},{}]}"#,
            b"2\x01a2\x00R\x04\x12\x02\x02\x00R\x00Z\x00",
        ),
        (
            "TrainingRun",
            r#"{"metricsHistory":[{"values":{"b":0,"a":-0.0,"ab":"NaN"}}]}"#,
            b"*+\
              \n\r\n\x02ab\x11\x00\x00\x00\x00\x00\x00\xf8\x7f\
              \n\x0c\n\x01a\x11\x00\x00\x00\x00\x00\x00\x00\x80\
              \n\x0c\n\x01b\x11\x00\x00\x00\x00\x00\x00\x00\x00",
        ),
        ("ImageContent", r#"{"base64":"-_8="}"#, b"\x12\x02\xfb\xff"),
        (
            "FeedbackEvent",
            r#"{"feedbackValue":null,"timestamp":"2025-03-01T12:00:00.25+01:00"}"#,
            b"B\x02\x08\x00b\x0b\x08\xb0\xd1\x8b\xbe\x06\x10\x80\xe5\x9aw",
        ),
        (
            "Document",
            r#"{"stageDef":{}, "experiment": null}"#,
            b"\x62\x00",
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(read(name, text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn values_that_python_rejects() {
    for (name, text) in [
        ("ImageContent", r#"{"url":"u","base64":""}"#),
        ("TrainingConfig", r#"{"epochs":1.5}"#),
        ("TrainingConfig", r#"{"epochs":2147483648}"#),
        ("TrainingConfig", r#"{"seed":9223372036854775808}"#),
        ("TrainingConfig", r#"{"learningRate":1e400}"#),
        ("TrainingConfig", r#"{"learningRate":"nan"}"#),
        ("DatasetRef", r#"{"provider":"huggingface"}"#),
        ("DatasetRef", r#"{"provider":"2"}"#),
        ("Experiment", r#"{"tags":["a",null]}"#),
        ("Experiment", r#"{"tags":["\ud800"]}"#),
        ("Experiment", r#"{"outputs":[null]}"#),
        ("Experiment", r#"{"outputs":{}}"#),
        ("Experiment", r#"{"createdAt":"2025-01-01"}"#),
        (
            "TrainingRun",
            r#"{"metricsHistory":[{"values":{"a":0,"b":0,"a":1}}]}"#,
        ),
        (
            "TrainingRun",
            r#"{"metricsHistory":[{"values":{"a":null}}]}"#,
        ),
    ] {
        assert_eq!(read(name, text), Err(Unsure), "{text}");
    }
}

#[test]
fn texts_that_python_rejects() {
    for text in [
        "",
        "null",
        "[]",
        r#"{"name":"a",}"#,
        r#"{"name":"a"} x"#,
        r#"{"name":"a","name":"a"}"#,
        r#"{"name":null,"name":"a"}"#,
        r#"{"unknown":1}"#,
        r#"{"name":1}"#,
        r#"{"options":{"a":1,"a":2}}"#,
        r#"{"options":{"b":1,"a":1,"\u0062":2}}"#,
        r#"{"options":{"a":9007199254740993}}"#,
        r#"{"options":{"a":NaN}}"#,
        r#"{"options":[]}"#,
    ] {
        assert_eq!(read("StageDef", text), Err(Unsure), "{text}");
    }
    let both = r#"{"modelVersion":null,"model_version":"v"}"#;
    assert_eq!(read("BackendRef", both), Err(Unsure));
}

#[test]
fn deep_nesting_ends() {
    for (start, end) in [("[", "]"), (r#"{"a":"#, "}"), ("[", "")] {
        let text = format!(
            r#"{{"options":{{"a":{}1{}}}}}"#,
            start.repeat(100_000),
            end.repeat(100_000)
        );
        assert_eq!(read("StageDef", &text), Err(Unsure));
    }
}
