//! The fields of a message, sorted as they are written.

use crate::tables::{Cardinality, Field, Kind, Message};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType, utf8};

/// The value of a field, or consecutive values of a list or map.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// The index of the field.
    pub index: u8,
    /// The position of the field in the output.
    rank: u8,
    /// The tag and the value; for a list or map, maybe several.
    pub data: &'a [u8],
}

/// A stack of the parts of the messages that are being written, one within another.
#[derive(Default)]
pub(super) struct Parts<'a> {
    stack: Vec<Part<'a>>,
}

/// The most fields of a message type.
const MAX_FIELDS: usize = u64::BITS as usize;

impl<'a> Parts<'a> {
    /// Adds the parts of a message, sorted by key or by number. It returns the position of the
    /// first one.
    ///
    /// A field or oneof with one value has one part, for its last value. A message before the last
    /// value, which protobuf merges or replaces, is unsure.
    pub fn collect(
        &mut self,
        message: &Message,
        data: &'a [u8],
        by_key: bool,
        skips_unknown: bool,
    ) -> R<usize> {
        let first = self.stack.len();
        let mut seen = 0;
        // The positions of the parts of the fields that were seen.
        let mut positions = [0; MAX_FIELDS];
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let from = reader.rest();
            let (number, wire_type) = reader.tag()?;
            let field = message.field(number);
            let Some(field) = field.filter(|field| has_wire_type(field, wire_type)) else {
                if !skips_unknown {
                    return Err(Unsure);
                }
                reader.skip(wire_type)?;
                continue;
            };
            reader.skip(wire_type)?;
            let is_singular = field.cardinality == Cardinality::Singular;
            if !is_singular {
                while let Some(wire_type) = same_field(field, &mut reader)? {
                    reader.skip(wire_type)?;
                }
            }
            let data = &from[..from.len() - reader.rest().len()];
            let rank = if by_key { field.rank } else { field.index };
            let part = Part {
                index: field.index,
                rank,
                data,
            };
            let replaced = if is_singular {
                seen & (field.bit | field.siblings)
            } else {
                0
            };
            if replaced == 0 {
                positions[usize::from(field.index)] = self.stack.len();
                self.stack.push(part);
            } else {
                // One of them was seen: the field, or another member of its oneof.
                let position = positions[replaced.trailing_zeros() as usize];
                check_replaced(message, self.stack[position])?;
                positions[usize::from(field.index)] = position;
                self.stack[position] = part;
                seen &= !replaced;
            }
            seen |= field.bit;
        }
        let parts = &mut self.stack[first..];
        if !parts.is_sorted_by_key(|part| part.rank) {
            parts.sort_by_key(|part| part.rank);
        }
        Ok(first)
    }

    /// Returns a part by its position.
    #[inline(always)]
    pub fn get(&self, position: usize) -> Option<Part<'a>> {
        self.stack.get(position).copied()
    }

    /// Removes the parts from a position on.
    #[inline(always)]
    pub fn finish(&mut self, first: usize) {
        self.stack.truncate(first);
    }
}

/// Checks the value of a field that a later value replaces: protobuf parses it all the same.
/// Messages are unsure.
fn check_replaced(message: &Message, part: Part<'_>) -> R<()> {
    let field = message.fields.get(usize::from(part.index)).ok_or(Unsure)?;
    match field.kind {
        Kind::Message => Err(Unsure),
        Kind::String => {
            let mut reader = Reader::new(part.data);
            reader.tag()?;
            utf8(reader.bytes()?).map(drop)
        }
        _ => Ok(()),
    }
}

/// Returns whether a field can have values of a wire type. Other values are unknown fields.
#[inline(always)]
pub(super) fn has_wire_type(field: &Field, wire_type: WireType) -> bool {
    let expected = field.kind.wire_type();
    wire_type == expected
        // A list of numbers may be packed. For other types, this is the wire type itself.
        || (wire_type == WireType::Bytes && field.cardinality == Cardinality::List)
}

/// Reads the tag of the next value if it is one of the same field, and returns its wire type.
#[inline(always)]
pub(super) fn same_field(field: &Field, reader: &mut Reader<'_>) -> R<Option<WireType>> {
    if reader.is_empty() {
        return Ok(None);
    }
    let mut ahead = *reader;
    let (number, wire_type) = ahead.tag()?;
    if number != field.number || !has_wire_type(field, wire_type) {
        return Ok(None);
    }
    *reader = ahead;
    Ok(Some(wire_type))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use crate::wire::put_varint;
    use crate::{Names, Schema, Unsure};

    /// Returns the ProtoJSON of a message, unless it takes too long.
    fn json(name: &'static str, data: Vec<u8>) -> Result<String, Unsure> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let type_ = Schema::built_in().message_type(name).unwrap();
            let mut out = Vec::new();
            let result = type_.to_protojson(&data, Names::Json, &mut out);
            let text = result.map(|()| String::from_utf8(out).unwrap());
            // Nobody listens after the timeout.
            let _ = sender.send(text);
        });
        receiver.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn messages_out_of_order_at_every_level_are_not_written_twice_for_each_level() {
        // BackendRef: fallback = 7 before id = 1.
        let (mut data, mut expected) = (Vec::new(), "{}".to_owned());
        for _ in 0..60 {
            let mut outer = vec![0x3a];
            put_varint(&mut outer, data.len() as u64);
            outer.append(&mut data);
            outer.extend_from_slice(b"\x0a\x01b");
            data = outer;
            expected = format!(r#"{{"id":"b","fallback":{expected}}}"#);
        }
        assert_eq!(json("crucible_ir.v1.BackendRef", data), Ok(expected));
    }

    #[test]
    fn a_oneof_may_change_often() {
        // ToolChoice: mode = 1, name = 2.
        let data = b"\x08\x01\x12\x01f".repeat(100_000);
        let expected = Ok(r#"{"name":"f"}"#.to_owned());
        assert_eq!(json("crucible_ir.v1.ToolChoice", data), expected);
    }

    #[test]
    fn the_parts_of_a_list_keep_their_order() {
        // Tags between the values of the id, which is field 1.
        let type_ = Schema::built_in()
            .message_type("crucible_ir.v1.Experiment")
            .unwrap();
        let tags = type_
            .message()
            .fields
            .iter()
            .find(|field| &*field.name == b"tags")
            .unwrap();
        let mut data = Vec::new();
        for text in [b"\x01b", b"\x01a", b"\x01c"] {
            data.extend_from_slice(&tags.tag);
            data.extend_from_slice(text);
            data.extend_from_slice(b"\x0a\x01x");
        }
        let expected = Ok(r#"{"id":"x","tags":["b","a","c"]}"#.to_owned());
        assert_eq!(json("crucible_ir.v1.Experiment", data), expected);
    }
}
