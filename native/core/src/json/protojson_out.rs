//! Writes ProtoJSON from the bytes of a message.

use std::cmp::Ordering;

use super::message_out::{Form, Writer};
use super::opaque_out::{Plain, Style};
use super::text::{put_double, put_float};
use crate::MessageType;
use crate::tables::{Field, Message, Tables};
use crate::unsure::{R, Unsure};

/// The keys of ProtoJSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Names {
    /// In lowerCamelCase, such as `modelRef`.
    #[default]
    Json,
    /// Those of the schema, such as `model_ref`.
    Original,
}

impl MessageType {
    /// Appends the ProtoJSON of a message on one line: byte for byte what `crucible_ir.to_json` of
    /// the Python package returns. The rules of the schema are not checked.
    ///
    /// # Errors
    ///
    /// The core is unsure: the bytes may be no such message, or ProtoJSON may not be able to write
    /// it. The output may have grown.
    ///
    /// ```
    /// use crucible_ir_core::{Names, Schema};
    ///
    /// let backend = Schema::built_in().message_type("crucible_ir.v1.BackendRef").unwrap();
    /// let mut text = Vec::new();
    /// backend.to_protojson(b"\x0a\x04gpt4\x22\x072025-01", Names::Json, &mut text).unwrap();
    /// assert_eq!(text, br#"{"id":"gpt4","modelVersion":"2025-01"}"#);
    /// ```
    pub fn to_protojson(&self, data: &[u8], names: Names, out: &mut Vec<u8>) -> Result<(), Unsure> {
        write(&self.tables, self.message(), data, names, out)
    }
}

/// Appends the ProtoJSON of a message.
pub(crate) fn write(
    tables: &Tables,
    message: &Message,
    data: &[u8],
    names: Names,
    out: &mut Vec<u8>,
) -> R<()> {
    let plain = Plain(tables.exponents);
    match names {
        Names::Json => Writer::new(tables, JsonNames(plain), out).message(message, data, 0),
        Names::Original => Writer::new(tables, OriginalNames(plain), out).message(message, data, 0),
    }
}

/// The names of ProtoJSON.
#[derive(Clone, Copy)]
struct JsonNames(Plain);

/// The names of ProtoJSON, for messages without unknown fields; others are unsure.
#[derive(Clone, Copy)]
pub(super) struct KnownFields(pub Plain);

/// The names of the schema.
#[derive(Clone, Copy)]
struct OriginalNames(Plain);

macro_rules! plain_form {
    ($form:ident, $key:ident, $skips_unknown:expr) => {
        impl Style for $form {
            #[inline(always)]
            fn put_number(self, out: &mut Vec<u8>, value: f64) -> R<()> {
                self.0.put_number(out, value)
            }

            #[inline(always)]
            fn order(one: &[u8], other: &[u8]) -> Ordering {
                Plain::order(one, other)
            }

            const SKIPS_UNKNOWN: bool = $skips_unknown;
        }

        impl Form for $form {
            const BY_KEY: bool = false;

            #[inline(always)]
            fn key(field: &Field) -> &[u8] {
                &field.$key
            }

            #[inline(always)]
            fn put_double(self, out: &mut Vec<u8>, value: f64) -> R<()> {
                put_double(out, value, self.0.0)
            }

            fn put_float(self, out: &mut Vec<u8>, value: f32) -> R<()> {
                put_float(out, value, self.0.0)
            }
        }
    };
}

plain_form!(JsonNames, json_key, Plain::SKIPS_UNKNOWN);
plain_form!(OriginalNames, name_key, Plain::SKIPS_UNKNOWN);
plain_form!(KnownFields, json_key, false);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Exponents, Schema};

    fn json(name: &str, data: &[u8]) -> R<String> {
        let name = format!("crucible_ir.v1.{name}");
        let mut out = Vec::new();
        Schema::built_in()
            .message_type(&name)
            .unwrap()
            .to_protojson(data, Names::Json, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// Returns the bytes of a field with a length.
    fn field(number: u8, data: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, data.len() as u8];
        out.extend_from_slice(data);
        out
    }

    /// Returns a Struct in field 3 of a StageDef with some entries.
    fn options(entries: &[&[u8]]) -> Vec<u8> {
        let entries: Vec<u8> = entries.iter().flat_map(|entry| field(1, entry)).collect();
        field(3, &entries)
    }

    #[test]
    fn fields_may_have_any_order() {
        let expected = Ok(r#"{"name":"s","enabled":true}"#.to_owned());
        assert_eq!(json("StageDef", b"\x0a\x01s\x20\x01"), expected);
        assert_eq!(json("StageDef", b"\x20\x01\x0a\x01s"), expected);
        // The last scalar counts.
        assert_eq!(
            json("StageDef", b"\x0a\x01a\x20\x00\x20\x01\x0a\x01s"),
            expected
        );
        assert_eq!(json("StageDef", b""), Ok("{}".to_owned()));
        // A zero without presence counts as unset.
        assert_eq!(json("StageDef", b"\x0a\x01a\x0a\x00"), Ok("{}".to_owned()));
        assert_eq!(
            json("StageDef", b"\x20\x00"),
            Ok(r#"{"enabled":false}"#.to_owned())
        );
    }

    #[test]
    fn original_names() {
        let backend = Schema::built_in()
            .message_type("crucible_ir.v1.BackendRef")
            .unwrap();
        let mut out = Vec::new();
        backend
            .to_protojson(b"\x22\x011", Names::Original, &mut out)
            .unwrap();
        assert_eq!(out, br#"{"model_version":"1"}"#);
    }

    #[test]
    fn the_last_member_of_a_oneof_counts() {
        // ToolChoice: mode = 1, name = 2.
        let first = json("ToolChoice", b"\x08\x01").unwrap();
        let second = json("ToolChoice", b"\x12\x01f").unwrap();
        assert_eq!(json("ToolChoice", b"\x12\x01f\x08\x01").unwrap(), first);
        assert_eq!(json("ToolChoice", b"\x08\x01\x12\x01f").unwrap(), second);
        assert_eq!(
            json("ToolChoice", b"\x12\x01g\x08\x01\x12\x01f").unwrap(),
            second
        );
        // The value that does not count is parsed as well.
        assert_eq!(json("ToolChoice", b"\x12\x01\xff\x08\x01"), Err(Unsure));
        // ContentPart: text = 1, image = 2, whose bytes are truncated.
        assert_eq!(
            json("ContentPart", b"\x12\x02\x12\x01\x0a\x00"),
            Err(Unsure)
        );
    }

    #[test]
    fn messages_with_one_place_are_unsure_if_they_are_given_twice() {
        // BackendRef.fallback = 7, a BackendRef.
        let inside = b"\x3a\x03\x0a\x01b";
        let expected = r#"{"fallback":{"id":"b"}}"#;
        assert_eq!(json("BackendRef", inside).unwrap(), expected);
        assert_eq!(
            json("BackendRef", &[&inside[..], inside].concat()),
            Err(Unsure)
        );
    }

    #[test]
    fn opaque_json_is_sorted_and_equal_keys_are_unsure() {
        let data = options(&[
            b"\x0a\x01b\x12\x02\x08\x00",
            b"\x0a\x03\xef\xbf\xbd\x12\x02\x20\x01",
            b"\x0a\x04\xf0\x9f\x98\x80\x12\x02\x2a\x00",
            b"\x0a\x01a\x12\x02\x32\x00",
        ]);
        // By code point, which differs from RFC 8785.
        let expected = "{\"options\":{\"a\":[],\"b\":null,\"\u{fffd}\":true,\"😀\":{}}}";
        assert_eq!(json("StageDef", &data).unwrap(), expected);
        let entry = b"\x0a\x01a\x12\x02\x32\x00";
        assert_eq!(json("StageDef", &options(&[entry, entry])), Err(Unsure));
    }

    #[test]
    fn entries_with_unknown_fields_are_shown() {
        // Field 3 of an entry is unknown.
        let hidden = b"\x0a\x01a\x12\x02\x08\x00\x18\x01";
        let expected = r#"{"options":{"a":null}}"#;
        assert_eq!(json("StageDef", &options(&[hidden])).unwrap(), expected);
    }

    #[test]
    fn values_without_a_kind_or_with_two_are_unsure() {
        for value in [&b""[..], b"\x08\x00\x20\x01", b"\xf8\x07\x01"] {
            let entry = field(2, value);
            assert_eq!(json("StageDef", &options(&[&entry])), Err(Unsure));
        }
        // An entry without a value has one without a kind.
        assert_eq!(json("StageDef", &options(&[b"\x0a\x01a"])), Err(Unsure));
        let unknown = field(2, b"\xf8\x07\x01\x08\x00\xf8\x07\x01");
        let expected = r#"{"options":{"":null}}"#;
        assert_eq!(json("StageDef", &options(&[&unknown])).unwrap(), expected);
    }

    #[test]
    fn unknown_fields_and_groups_are_left_out() {
        assert_eq!(
            json("StageDef", b"\xf8\x07\x01\x0a\x01s\xfa\x07\x01x").unwrap(),
            r#"{"name":"s"}"#
        );
        // The number of a string with a varint.
        assert_eq!(json("StageDef", b"\x08\x01").unwrap(), "{}");
        assert_eq!(json("StageDef", b"\xfb\x07\xfc\x07").unwrap(), "{}");
        // A group without its end.
        assert_eq!(json("StageDef", b"\xfb\x07"), Err(Unsure));
    }

    #[test]
    fn nested_messages_are_unsure_before_the_limit_of_python() {
        let nested = |levels: usize| {
            let mut data = Vec::new();
            for _ in 0..levels {
                let mut outer = vec![0x3a];
                crate::wire::put_varint(&mut outer, data.len() as u64);
                outer.append(&mut data);
                data = outer;
            }
            data
        };
        let expected = r#"{"fallback":"#.repeat(90) + "{}" + &"}".repeat(90);
        assert_eq!(json("BackendRef", &nested(90)).unwrap(), expected);
        assert_eq!(json("BackendRef", &nested(91)), Err(Unsure));
        assert_eq!(json("BackendRef", &nested(1_000)), Err(Unsure));
    }

    #[test]
    fn large_numbers_depend_on_the_setting_of_the_schema() {
        // MetricsSnapshot.values = {"m": 1e16}.
        let data = [b"\x0a\x0c\x0a\x01m\x11".as_slice(), &1e16f64.to_le_bytes()].concat();
        for (exponents, expected) in [
            (Exponents::Unsure, Err(Unsure)),
            (Exponents::Bare, Ok(r#"{"values":{"m":1e16}}"#)),
            (Exponents::Signed, Ok(r#"{"values":{"m":1e+16}}"#)),
        ] {
            let schema = Schema::with_exponents(crate::BUILT_IN, exponents).unwrap();
            let snapshot = schema
                .message_type("crucible_ir.v1.MetricsSnapshot")
                .unwrap();
            let mut out = Vec::new();
            let result = snapshot.to_protojson(&data, Names::Json, &mut out);
            assert_eq!(
                result.map(|()| std::str::from_utf8(&out).unwrap()),
                expected
            );
        }
    }
}
