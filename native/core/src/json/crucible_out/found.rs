//! The fields of a message that are set, and their values.

use crate::json::crucible_tables::CrucibleJson;
use crate::json::parts::has_wire_type;
use crate::rules::integer;
use crate::tables::{Cardinality, Field, Kind, MAX_FIELDS, Message};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType, utf8};

/// The fields of a message that are set.
pub(super) struct Found {
    /// The bits of the fields.
    pub(super) fields: u64,
    /// The bits of the positions of their keys.
    pub(super) keys: u64,
    /// The bits of the lists and maps with other fields between their values.
    scattered: u64,
    /// The position of the tag of the first value of each list and map, and of the last one of
    /// other fields.
    at: [u32; MAX_FIELDS],
}

impl Found {
    /// Returns a reader of the first value of a field.
    #[inline(always)]
    pub(super) fn reader<'a>(&self, field: &Field, data: &'a [u8]) -> R<Reader<'a>> {
        let mut reader = self.tag_reader(field, data)?;
        reader.tag()?;
        Ok(reader)
    }

    /// Returns a reader of the first tag of a field.
    #[inline(always)]
    fn tag_reader<'a>(&self, field: &Field, data: &'a [u8]) -> R<Reader<'a>> {
        let at = self.at[usize::from(field.index) % MAX_FIELDS];
        Ok(Reader::new(data.get(at as usize..).ok_or(Unsure)?))
    }

    #[inline(always)]
    pub(super) fn has(&self, field: &Field) -> bool {
        self.fields & field.bit != 0
    }
}

/// Finds the fields that are set. Of several values of a field that is no list, or of the members
/// of a oneof, the last counts; messages that protobuf would merge or replace are unsure.
pub(super) fn find(message: &Message, table: &CrucibleJson, data: &[u8]) -> R<Found> {
    let mut found = Found {
        fields: 0,
        keys: 0,
        scattered: 0,
        at: [0; MAX_FIELDS],
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
                replace(message, table, data, &mut found, replaced)?;
                seen &= !replaced;
            }
            let is_zero = skip_value(&mut reader, field.kind)?;
            is_unset = is_zero && (!field.presence || table.vocabularies & field.bit != 0);
            found.at[usize::from(field.index) % MAX_FIELDS] = at;
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
                found.at[usize::from(field.index) % MAX_FIELDS] = at;
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
fn replace(
    message: &Message,
    table: &CrucibleJson,
    data: &[u8],
    found: &mut Found,
    replaced: u64,
) -> R<()> {
    for field in message
        .fields
        .iter()
        .filter(|field| replaced & field.bit != 0)
    {
        match field.kind {
            Kind::Message => return Err(Unsure),
            Kind::String => drop(utf8(found.reader(field, data)?.bytes()?)?),
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
    })
}

/// The values of a list, or the entries of a map.
pub(super) struct Values<'a, 'f> {
    field: &'f Field,
    is_scattered: bool,
    reader: Reader<'a>,
    /// The rest of a packed list.
    packed: Reader<'a>,
}

impl<'a, 'f> Values<'a, 'f> {
    #[inline]
    pub(super) fn new(field: &'f Field, found: &Found, data: &'a [u8]) -> R<Self> {
        Ok(Values {
            field,
            is_scattered: found.scattered & field.bit != 0,
            reader: found.tag_reader(field, data)?,
            packed: Reader::new(&[]),
        })
    }

    /// Returns the reader of the next value; `None` after the last one.
    #[inline]
    pub(super) fn next(&mut self) -> R<Option<&mut Reader<'a>>> {
        while self.packed.is_empty() {
            if self.reader.is_empty() {
                return Ok(None);
            }
            let (number, wire_type) = self.reader.tag()?;
            if number != self.field.number || !has_wire_type(self.field, wire_type) {
                if !self.is_scattered {
                    return Ok(None);
                }
                self.reader.skip(wire_type)?;
            } else if wire_type == self.field.kind.wire_type() {
                return Ok(Some(&mut self.reader));
            } else {
                self.packed = Reader::new(self.reader.bytes()?);
            }
        }
        Ok(Some(&mut self.packed))
    }
}
