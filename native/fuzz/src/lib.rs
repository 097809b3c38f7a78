//! The properties that the core must have for every input; each fuzz target checks one function.
//!
//! The core may be unsure about any input. It never panics, and what it is certain about agrees
//! with its other functions.
//!
//! The first byte of an input selects the message type, and the rest is the document.

use crucible_ir_core::{MessageType, Schema, Trust, Unsure};

/// Defines the program of a fuzz target, which calls a function with each input.
#[macro_export]
macro_rules! target {
    ($property:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $property(data));

        #[cfg(not(fuzzing))]
        fn main() {}
    };
}

/// A message that is certainly valid needs no further checks once a parser has accepted it.
pub fn check(input: &[u8]) {
    let Some((message_type, data)) = split(input) else {
        return;
    };
    if message_type.check(data, Trust::Unparsed).is_ok() {
        assert!(message_type.check(data, Trust::Parsed).is_ok());
    }
}

/// What is certainly ProtoJSON is JSON, and its message is one that a parser of protobuf accepts.
pub fn from_protojson(input: &[u8]) {
    read(input, MessageType::from_protojson);
}

/// Tables that load can be used: whatever they say, the core does not panic.
pub fn tables(input: &[u8]) {
    let Ok(schema) = Schema::new(input) else {
        return;
    };
    let mut out = Vec::new();
    for message_type in schema.message_types() {
        for data in [&b""[..], b"\x0a\x05embed", b"\x08\x01"] {
            let _ = message_type.check(data, Trust::Unparsed);
        }
        for text in [&br#"{"name": "embed", "id": 1}"#[..], b"{}"] {
            let _ = message_type.from_protojson(text, &mut out);
        }
    }
}

/// A function of the core that converts a document and appends the result.
type Convert = fn(&MessageType, &[u8], &mut Vec<u8>) -> Result<(), Unsure>;

fn read(input: &[u8], from_json: Convert) {
    let Some((message_type, text)) = split(input) else {
        return;
    };
    let mut binary = Vec::new();
    if from_json(&message_type, text, &mut binary).is_err() {
        return;
    }
    // A byte order mark may come first.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value = serde_json::from_slice::<serde_json::Value>(text);
    assert!(value.is_ok(), "{value:?}");
    assert_eq!(
        message_type.check(&binary, Trust::Unparsed),
        message_type.check(&binary, Trust::Parsed),
        "what the core writes is parsed"
    );
}

/// Returns the message type and the document of an input.
fn split(input: &[u8]) -> Option<(MessageType, &[u8])> {
    let (first, data) = input.split_first()?;
    let types = Schema::built_in().message_types();
    let message_type = types.cycle().nth(usize::from(*first))?;
    Some((message_type, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents of every message type with a name, cut and with one byte changed.
    #[test]
    fn the_properties_are_true_of_changed_documents() {
        let documents: [(fn(&[u8]), &[u8]); 2] = [
            (check, b"\x0a\x05embed\x12\x03abc\x20\x01"),
            (from_protojson, br#"{"name": "\u00e9mb", "id": "a"}"#),
        ];
        let types = Schema::built_in().message_types().count();
        for (property, document) in documents {
            for index in 0..types {
                let input = [&[index as u8], document].concat();
                for at in 1..input.len() {
                    property(&input[..at]);
                    let mut changed = input.clone();
                    for byte in [0x00, 0x22, 0x30, 0x7f, 0x80, 0xff] {
                        changed[at] = byte;
                        property(&changed);
                    }
                }
                property(&input);
            }
        }
    }

    #[test]
    fn the_tables_of_the_schema_load() {
        tables(crucible_ir_core::BUILT_IN);
    }
}
