//! Projections: the values of some fields of messages, without message objects.

use crate::rules::{check_known, integer};
use crate::tables::{Cardinality, Field, Kind, Message, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType, seconds_and_nanos};

/// A value of a field at the root of a message.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// The field is not set; one without presence is zero or empty.
    Unset,
    /// A string in UTF-8, bytes, or an encoded message.
    Bytes(&'a [u8]),
    /// An integer, an enum value or a bool.
    Integer(i64),
    /// A double or float.
    Number(f64),
    /// The microseconds since 1970 of a google.protobuf.Timestamp, rounded down.
    Microseconds(i64),
}

/// Some fields of a message type, in a chosen order.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The column of each field by its index.
    column_of: Vec<Option<usize>>,
    columns: usize,
}

impl Projection {
    /// Returns the projection on the fields with some names; `None` if one is not a single value.
    pub(crate) fn new(message: &Message, names: &[&str]) -> Option<Self> {
        let mut column_of = vec![None; message.fields.len()];
        for (column, name) in names.iter().enumerate() {
            let field = message
                .fields
                .iter()
                .find(|field| *field.name == *name.as_bytes())?;
            if field.cardinality != Cardinality::Singular || field.kind == Kind::Uint64 {
                return None;
            }
            column_of[usize::from(field.index)] = Some(column);
        }
        Some(Self {
            column_of,
            columns: names.len(),
        })
    }

    /// The number of its fields.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the values of a message that the core has checked.
    pub(crate) fn row<'a>(
        &self,
        tables: &Tables,
        message: &Message,
        data: &'a [u8],
        row: &mut Vec<Value<'a>>,
    ) -> R<()> {
        row.clear();
        row.resize(self.columns, Value::Unset);
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let Some(field) = message.field(number) else {
                reader.skip(wire_type)?;
                continue;
            };
            if field.siblings != 0 {
                // The last member of a oneof counts.
                for (index, column) in self.column_of.iter().enumerate() {
                    if let Some(column) = column
                        && field.siblings & 1 << index != 0
                    {
                        row[*column] = Value::Unset;
                    }
                }
            }
            match self.column_of[usize::from(field.index)] {
                Some(column) if wire_type == field.kind.wire_type() => {
                    let value = read(tables, field, &mut reader)?;
                    row[column] = if is_unset(field, value) {
                        Value::Unset
                    } else {
                        value
                    };
                }
                Some(_) => return Err(Unsure),
                None => reader.skip(wire_type)?,
            }
        }
        Ok(())
    }
}

fn read<'a>(tables: &Tables, field: &Field, reader: &mut Reader<'a>) -> R<Value<'a>> {
    Ok(match field.kind {
        Kind::String | Kind::Bytes => Value::Bytes(reader.bytes()?),
        Kind::Message => {
            let data = reader.bytes()?;
            if tables.message_of(field).well_known == WellKnown::Timestamp {
                let (seconds, nanos) = seconds_and_nanos(data)?;
                let whole = seconds.checked_mul(1_000_000).ok_or(Unsure)?;
                let micros = i64::from(nanos).div_euclid(1000);
                Value::Microseconds(whole.checked_add(micros).ok_or(Unsure)?)
            } else {
                Value::Bytes(data)
            }
        }
        Kind::Double => Value::Number(f64::from_bits(reader.fixed64()?)),
        Kind::Float => Value::Number(f64::from(f32::from_bits(reader.fixed32()?))),
        Kind::Fixed64 | Kind::Sfixed64 => Value::Integer(reader.fixed64()? as i64),
        Kind::Fixed32 => Value::Integer(i64::from(reader.fixed32()?)),
        Kind::Sfixed32 => Value::Integer(i64::from(reader.fixed32()? as i32)),
        kind => Value::Integer(integer(kind, reader.varint()?)),
    })
}

fn is_unset(field: &Field, value: Value<'_>) -> bool {
    !field.presence
        && match value {
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Integer(number) => number == 0,
            Value::Number(number) => number.to_bits() == 0,
            Value::Unset | Value::Microseconds(_) => false,
        }
}

/// A message split into the messages of one of its lists and the rest.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The encoded messages of the list.
    pub items: Vec<&'a [u8]>,
    /// The encoded other fields.
    pub rest: Vec<u8>,
}

/// Splits a message that is certainly valid and has no unknown fields, the messages inside included.
pub(crate) fn split<'a>(
    tables: &Tables,
    message: &Message,
    list: &Field,
    data: &'a [u8],
) -> R<Parts<'a>> {
    check_known(tables, message, data)?;
    let mut parts = Parts {
        items: Vec::new(),
        rest: Vec::new(),
    };
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        let field = reader.rest();
        let (number, wire_type) = reader.tag()?;
        if number == list.number && wire_type == WireType::Bytes {
            parts.items.push(reader.bytes()?);
        } else {
            reader.skip(wire_type)?;
            parts
                .rest
                .extend_from_slice(&field[..field.len() - reader.rest().len()]);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    #[test]
    fn a_request_is_split_into_its_events_and_the_rest() {
        let request = Schema::built_in()
            .message_type("crucible_ir.exchange.v1.IngestRequest")
            .unwrap();
        // The batch 5, and an event with the id "a", the type thumbs and a vote.
        let event = b"\x0a\x01a\x30\x01\x72\x02\x08\x01";
        let mut data = b"\x08\x05\x12".to_vec();
        data.push(event.len() as u8);
        data.extend_from_slice(event);
        let parts = request.split("events", &data).unwrap();
        assert_eq!(parts.items, [event]);
        assert_eq!(parts.rest, b"\x08\x05");
        let events = request.message_type_of("events").unwrap();
        let projection = events
            .projection(&["id", "feedback_type", "latency_ms"])
            .unwrap();
        let mut row = Vec::new();
        events
            .project(&projection, parts.items[0], &mut row)
            .unwrap();
        assert_eq!(row, [Value::Bytes(b"a"), Value::Integer(1), Value::Unset]);
    }

    #[test]
    fn the_last_value_and_the_last_member_of_a_oneof_count() {
        let events = Schema::built_in()
            .message_type("crucible_ir.v1.FeedbackEvent")
            .unwrap();
        let names = ["id", "feedback_type", "custom_feedback_type"];
        let projection = events.projection(&names).unwrap();
        let mut row = Vec::new();
        let data = b"\x0a\x01a\x30\x01\x3a\x01x\x0a\x01b";
        events.project(&projection, data, &mut row).unwrap();
        assert_eq!(row, [Value::Bytes(b"b"), Value::Unset, Value::Bytes(b"x")]);
    }

    #[test]
    fn what_is_not_certainly_valid_is_not_split() {
        let request = Schema::built_in()
            .message_type("crucible_ir.exchange.v1.IngestRequest")
            .unwrap();
        // No event, an unknown field, and an event without an id.
        for data in [&b""[..], b"\xf8\x07\x01\x12\x03\x0a\x01a", b"\x12\x00"] {
            assert!(request.split("events", data).is_err());
        }
        assert!(request.split("batch_id", b"\x12\x03\x0a\x01a").is_err());
        assert!(request.message_type_of("batch_id").is_none());
    }
}
