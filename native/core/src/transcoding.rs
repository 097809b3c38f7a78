//! Conversion between the formats, on top of their readers and writers.

use crate::json::protojson_out::Names;
use crate::{MessageType, Trust, Unsure};

/// A format of documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The wire format of protobuf.
    Binary,
    /// The JSON format of protobuf, with names in lowerCamelCase.
    ProtoJson,
    /// The JSON that Crucible's Elixir services read and write.
    CrucibleJson,
}

impl MessageType {
    /// Converts a message that satisfies every rule of the schema from one format to another, and
    /// returns it: binary with fields by number and sorted maps, or JSON on one line. JSON does not
    /// have the unknown fields of binary, and binary to binary stays as it is.
    ///
    /// # Errors
    ///
    /// The core is unsure: the input may be a valid message or not.
    ///
    /// ```
    /// use crucible_ir_core::{Format, Schema, Unsure};
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// let text = br#"{"enabled": false, "name": "embed"}"#;
    /// let binary = stage.transcode(text, Format::ProtoJson, Format::Binary)?;
    /// assert_eq!(binary, b"\x0a\x05embed\x20\x00");
    /// let crucible = stage.transcode(&binary, Format::Binary, Format::CrucibleJson)?;
    /// assert_eq!(crucible, br#"{"name":"embed","module":null,"options":null,"enabled":false}"#);
    /// // The name is required.
    /// assert_eq!(stage.transcode(b"{}", Format::ProtoJson, Format::Binary), Err(Unsure));
    /// # Ok::<(), Unsure>(())
    /// ```
    pub fn transcode(&self, data: &[u8], from: Format, to: Format) -> Result<Vec<u8>, Unsure> {
        let mut read = Vec::new();
        let binary = match from {
            Format::Binary => {
                self.check(data, Trust::Unparsed)?;
                data
            }
            Format::ProtoJson => {
                self.from_protojson(data, &mut read)?;
                self.check(&read, Trust::Parsed)?;
                &read
            }
            Format::CrucibleJson => {
                self.from_crucible_json(data, &mut read)?;
                self.check(&read, Trust::Parsed)?;
                &read
            }
        };
        let mut written = Vec::new();
        match (from, to) {
            (Format::Binary, Format::Binary) => written.extend_from_slice(data),
            (_, Format::Binary) => return Ok(read),
            (_, Format::ProtoJson) => self.to_protojson(binary, Names::Json, &mut written)?,
            (_, Format::CrucibleJson) => self.to_crucible_json(binary, &mut written)?,
        }
        Ok(written)
    }
}
