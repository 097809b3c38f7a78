//! The fields of a message that are set, and their values.

use crate::json::crucible_tables::CrucibleJson;
use crate::json::parts::has_wire_type;
use crate::rules::integer;
use crate::tables::{Cardinality, Field, Kind, Message};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType, utf8};

/// The most fields of a message type that is not written as an object with a key for each field.
pub(super) const FEW: usize = 16;

/// The fields of a message that are set, of at most a number of them.
pub(super) struct Found<'a, const N: usize> {
    data: &'a [u8],
    /// The bits of the fields.
    pub(super) fields: u64,
    /// The bits of the positions of their keys.
    pub(super) keys: u64,
    /// The bits of the lists and maps with other fields between their values.
    scattered: u64,
    /// The position of the tag of the first value of each list and map, and of the last one of
    /// other fields.
    at: [u32; N],
}

impl<'a, const N: usize> Found<'a, N> {
    /// Returns a reader of the first value of a field.
    #[inline(always)]
    pub(super) fn reader(&self, field: &Field) -> R<Reader<'a>> {
        let mut reader = self.tag_reader(field)?;
        reader.tag()?;
        Ok(reader)
    }

    /// Returns a reader of the first tag of a field.
    #[inline(always)]
    fn tag_reader(&self, field: &Field) -> R<Reader<'a>> {
        let at = self.at[usize::from(field.index) % N];
        Ok(Reader::new(self.data.get(at as usize..).ok_or(Unsure)?))
    }

    /// Returns the values of a list, or the entries of a map.
    pub(super) fn values<'f>(&self, field: &'f Field) -> R<Values<'a, 'f>> {
        let mut values = Values::new(field, self.tag_reader(field)?);
        values.is_scattered = self.scattered & field.bit != 0;
        Ok(values)
    }

    #[inline(always)]
    pub(super) fn has(&self, field: &Field) -> bool {
        self.fields & field.bit != 0
    }
}

/// Finds the fields that are set. Of several values of a field that is no list, or of the members
/// of a oneof, the last counts; messages that protobuf would merge or replace are unsure.
pub(super) fn find<'a, const N: usize>(
    message: &Message,
    table: &CrucibleJson,
    data: &'a [u8],
) -> R<Found<'a, N>> {
    if message.fields.len() > N {
        return Err(Unsure);
    }
    let mut found = Found {
        data,
        fields: 0,
        keys: 0,
        scattered: 0,
        at: [0; N],
    };
    let (mut seen, mut last) = (0, 0);
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        let at = (data.len() - reader.rest().len()) as u32;
        let (number, wire_type) = reader.tag()?;
        let field = message.field(number);
        let Some(field) = field.filter(|field| has_wire_type(field, wire_type)) else {
            last = 0;
            reader.skip(wire_type)?;
            continue;
        };
        let is_unset;
        if field.cardinality == Cardinality::Singular {
            let replaced = seen & (field.bit | field.siblings);
            if replaced != 0 {
                replace(message, table, &mut found, replaced)?;
                seen &= !replaced;
            }
            let is_zero = skip_value(&mut reader, field.kind)?;
            is_unset = is_zero && table.zero_is_unset(field);
            found.at[usize::from(field.index) % N] = at;
        } else {
            if seen & field.bit != 0 && last != field.bit {
                found.scattered |= field.bit;
            }
            let is_packed = wire_type != field.kind.wire_type();
            let is_empty = if is_packed {
                reader.bytes()?.is_empty()
            } else {
                reader.skip(wire_type)?;
                false
            };
            // A packed list may be empty.
            is_unset = is_empty;
            if seen & field.bit == 0 {
                found.at[usize::from(field.index) % N] = at;
            }
        }
        seen |= field.bit;
        last = field.bit;
        if !is_unset {
            found.fields |= field.bit;
            found.keys |= table.bits.get(usize::from(field.index)).ok_or(Unsure)?;
        }
    }
    Ok(found)
}

/// Removes the fields that a later value replaces. protobuf parses them all the same.
#[cold]
fn replace<const N: usize>(
    message: &Message,
    table: &CrucibleJson,
    found: &mut Found<'_, N>,
    replaced: u64,
) -> R<()> {
    for field in message
        .fields
        .iter()
        .filter(|field| replaced & field.bit != 0)
    {
        match field.kind {
            Kind::Message => return Err(Unsure),
            Kind::String => drop(utf8(found.reader(field)?.bytes()?)?),
            _ => {}
        }
        found.fields &= !field.bit;
        found.keys &= !table.bits.get(usize::from(field.index)).ok_or(Unsure)?;
    }
    Ok(())
}

/// Skips a value, and returns whether it is zero or empty and not a message.
#[inline(always)]
fn skip_value(reader: &mut Reader<'_>, kind: Kind) -> R<bool> {
    Ok(match kind.wire_type() {
        WireType::Varint => {
            let raw = reader.varint()?;
            match kind {
                Kind::Uint64 => raw == 0,
                _ => integer(kind, raw) == 0,
            }
        }
        WireType::Fixed64 => reader.fixed64()? == 0,
        WireType::Fixed32 => reader.fixed32()? == 0,
        WireType::Bytes => reader.bytes()?.is_empty() && kind != Kind::Message,
        WireType::Group => return Err(Unsure),
    })
}

/// The values of a list, or the entries of a map.
pub(super) struct Values<'a, 'f> {
    field: &'f Field,
    is_scattered: bool,
    /// The rest of the message.
    pub(super) reader: Reader<'a>,
    /// The rest of a packed list.
    packed: Reader<'a>,
}

impl<'a, 'f> Values<'a, 'f> {
    /// Returns the values of a field from the position of a reader up to the next other field.
    #[inline(always)]
    pub(super) fn new(field: &'f Field, reader: Reader<'a>) -> Self {
        Values {
            field,
            is_scattered: false,
            reader,
            packed: Reader::new(&[]),
        }
    }

    /// Returns all values of a field of a message, whatever is between them.
    pub(super) fn all(field: &'f Field, data: &'a [u8]) -> Self {
        let mut values = Values::new(field, Reader::new(data));
        values.is_scattered = true;
        values
    }

    /// Returns the reader of the next value; `None` after the last one.
    #[inline(always)]
    pub(super) fn next(&mut self) -> R<Option<&mut Reader<'a>>> {
        while self.packed.is_empty() {
            if self.reader.is_empty() {
                return Ok(None);
            }
            let mut ahead = self.reader;
            let (number, wire_type) = ahead.tag()?;
            if number != self.field.number || !has_wire_type(self.field, wire_type) {
                if !self.is_scattered {
                    return Ok(None);
                }
                ahead.skip(wire_type)?;
                self.reader = ahead;
                continue;
            }
            self.reader = ahead;
            if wire_type == self.field.kind.wire_type() {
                return Ok(Some(&mut self.reader));
            }
            self.packed = Reader::new(self.reader.bytes()?);
        }
        Ok(Some(&mut self.packed))
    }
}
