//! The properties that the core must have for every input; each fuzz target checks one function.
//!
//! The core may be unsure about any input. It never panics, and what it is certain about agrees
//! with its other functions.
//!
//! The first byte of an input selects the message type, and the rest is the document.

use std::sync::LazyLock;

use crucible_ir_core::{MessageType, Names, RecordFormat, RecordTask, Schema, Stop, Trust, Unsure};
use serde_json::Value;
use sha2::{Digest, Sha256};

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

/// ProtoJSON is read back as the same message.
pub fn to_protojson(input: &[u8]) {
    let Some((message_type, data)) = split(input) else {
        return;
    };
    let Some(read) = written_and_read(message_type, data, &PROTOJSON) else {
        return;
    };
    let mut original_names = Vec::new();
    message_type
        .to_protojson(data, Names::Original, &mut original_names)
        .expect("names do not matter");
    assert_eq!(
        result(message_type, &original_names, PROTOJSON.read),
        Some(read)
    );
}

/// Crucible JSON is read back as the same message, and it is that of what ProtoJSON is read as.
pub fn to_crucible_json(input: &[u8]) {
    let Some((message_type, data)) = split(input) else {
        return;
    };
    written_and_read(message_type, data, &CRUCIBLE_JSON);
    if let Some(read) = written_and_read(message_type, data, &PROTOJSON) {
        // The bytes may differ: Crucible JSON writes an unspecified enum value as unset.
        let [before, after] = [data, &read]
            .map(|each| result(message_type, each, CRUCIBLE_JSON.write))
            .map(|text| text.map(|text| String::from_utf8_lossy(&text).into_owned()));
        if before.is_some() {
            assert_eq!(before, after);
        }
    }
}

/// Canonical JSON is what another implementation makes of ProtoJSON, and the digest is its hash.
pub fn digest(input: &[u8]) {
    let Some((message_type, data)) = split(input) else {
        return;
    };
    let canonical = result(message_type, data, MessageType::to_canonical_json);
    let digest = message_type.digest(data).ok();
    let hash = |text: &Vec<u8>| {
        let hash = Sha256::digest(text);
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    };
    assert_eq!(digest, canonical.as_ref().map(hash));
    let Some(canonical) = canonical else {
        return;
    };
    if let Some(text) = result(message_type, data, PROTOJSON.write) {
        let expected = serde_json_canonicalizer::to_vec(&parsed(&text)).expect("it is JSON");
        assert_eq!(
            String::from_utf8_lossy(&canonical),
            String::from_utf8_lossy(&expected)
        );
    }
}

/// What is certainly ProtoJSON is JSON, and its message is one that a parser of protobuf accepts.
pub fn from_protojson(input: &[u8]) {
    read(input, &PROTOJSON);
}

/// As `from_protojson`, for Crucible JSON.
pub fn from_crucible_json(input: &[u8]) {
    read(input, &CRUCIBLE_JSON);
}

/// The records of a stream are found in their order, and each is left to the caller or written.
///
/// The second byte of an input selects the formats.
pub fn records(input: &[u8]) {
    let Some((message_type, [mode, piece @ ..])) = split(input) else {
        return;
    };
    let formats = [
        RecordFormat::Delimited,
        RecordFormat::JsonLines,
        RecordFormat::CrucibleJsonLines,
    ];
    let task = RecordTask {
        from: formats[usize::from(mode % 3)],
        to: formats.get(usize::from(mode / 3 % 4)).copied(),
        validate: mode & 0x40 != 0,
        leave_unknown: mode & 0x80 != 0,
        threads: 1,
        max_bytes: 512,
        max_empty: 8,
        empty: 0,
    };
    let found = message_type.records(&task, piece);
    assert!(found.offsets.is_sorted_by(|a, b| a < b));
    assert!(
        found
            .offsets
            .last()
            .is_none_or(|last| *last < found.end.max(1))
    );
    assert!(found.end <= piece.len());
    assert!(
        found
            .unsure
            .is_sorted_by(|a, b| a.index < b.index && a.at <= b.at)
    );
    for record in &found.unsure {
        assert!(found.offsets[record.index] <= record.message.start);
        assert!(record.message.end <= found.end);
    }
    // What was read is read again in the same way without the rest.
    let again = message_type.records(&task, &piece[..found.end]);
    assert_eq!(again.offsets, found.offsets);
    assert_eq!(again.output, found.output);
    if let Some(to) = task.to {
        // Every other record is in the output, which is a stream of its own.
        let task = RecordTask {
            from: to,
            to: None,
            validate: false,
            max_bytes: usize::MAX,
            max_empty: usize::MAX,
            ..task
        };
        let written = message_type.records(&task, &found.output.concat());
        assert_eq!(
            written.offsets.len(),
            found.offsets.len() - found.unsure.len()
        );
        assert_eq!(written.stop, Stop::End);
    }
}

/// Tables that load can be used: whatever they say, the core does not panic.
pub fn tables(input: &[u8]) {
    let Ok(schema) = Schema::new(input) else {
        return;
    };
    let mut out = Vec::new();
    for message_type in schema.message_types() {
        for data in [
            &b""[..],
            b"\x0a\x05embed",
            b"\x08\x01",
            b"\x12\x02\x0a\x00\x22\x00",
        ] {
            let _ = message_type.check(data, Trust::Unparsed);
            for format in [&PROTOJSON, &CRUCIBLE_JSON] {
                let _ = (format.write)(&message_type, data, &mut out);
            }
            let _ = message_type.digest(data);
        }
        for text in [&br#"{"name": "embed", "id": 1}"#[..], b"{}"] {
            for format in [&PROTOJSON, &CRUCIBLE_JSON] {
                let _ = (format.read)(&message_type, text, &mut out);
            }
        }
        out.clear();
    }
}

/// A function of the core that converts a document and appends the result.
type Convert = fn(&MessageType, &[u8], &mut Vec<u8>) -> Result<(), Unsure>;

/// A text format.
struct Format {
    write: Convert,
    read: Convert,
}

const PROTOJSON: Format = Format {
    write: |message_type, data, out| message_type.to_protojson(data, Names::Json, out),
    read: MessageType::from_protojson,
};

const CRUCIBLE_JSON: Format = Format {
    write: MessageType::to_crucible_json,
    read: MessageType::from_crucible_json,
};

fn result(message_type: &MessageType, input: &[u8], convert: Convert) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    convert(message_type, input, &mut out).ok().map(|()| out)
}

fn parsed(text: &[u8]) -> Value {
    match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(text)),
    }
}

/// Writes a message as text, and returns the bytes that the core reads from it.
fn written_and_read(message_type: &MessageType, data: &[u8], format: &Format) -> Option<Vec<u8>> {
    let text = result(message_type, data, format.write)?;
    parsed(&text);
    let read = result(message_type, &text, format.read)
        .unwrap_or_else(|| panic!("unsure about {}", String::from_utf8_lossy(&text)));
    assert_eq!(result(message_type, &read, format.write), Some(text));
    if message_type.check(data, Trust::Parsed).is_ok() {
        assert_eq!(message_type.check(&read, Trust::Parsed), Ok(()));
    }
    Some(read)
}

fn read(input: &[u8], format: &Format) {
    let Some((message_type, text)) = split(input) else {
        return;
    };
    let Some(binary) = result(message_type, text, format.read) else {
        return;
    };
    // A byte order mark may come first.
    parsed(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    assert_eq!(
        message_type.check(&binary, Trust::Unparsed),
        message_type.check(&binary, Trust::Parsed),
        "protobuf parses what the core writes"
    );
    if let Some(read) = written_and_read(message_type, &binary, format) {
        assert_eq!(read, binary);
    }
}

/// Returns the message type and the document of an input.
fn split(input: &[u8]) -> Option<(&'static MessageType, &[u8])> {
    static TYPES: LazyLock<Vec<MessageType>> =
        LazyLock::new(|| Schema::built_in().message_types().collect());
    let (first, data) = input.split_first()?;
    Some((&TYPES[usize::from(*first) % TYPES.len()], data))
}

#[cfg(test)]
mod tests {
    use crucible_ir_core::BUILT_IN;

    use super::*;

    type Property = fn(&[u8]);

    /// Documents of every message type with a name, cut and with one byte changed.
    #[test]
    fn the_properties_are_true_of_changed_documents() {
        let binary = b"\x0a\x05embed\x12\x03abc\x20\x01";
        let json = br#"{"name": "\u00e9mb", "id": "a"}"#;
        let documents: [(Property, &[u8]); 8] = [
            (check, binary),
            (to_protojson, binary),
            (to_crucible_json, binary),
            (digest, binary),
            (from_protojson, json),
            (from_crucible_json, json),
            (records, b"\x00\x07\x0a\x05embed\x00\x02\x0a\x00"),
            (records, b"\x01{\"name\": \"a\"}\n\n{\"name\": 1}\n{}\n"),
        ];
        let types = Schema::built_in().message_types().count();
        for (property, document) in documents {
            for index in 0..types {
                let input = [&[index as u8], document].concat();
                for at in 1..input.len() {
                    property(&input[..at]);
                    let mut changed = input.clone();
                    for byte in [0x00, 0x22, 0x7f] {
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
        tables(BUILT_IN);
    }
}
