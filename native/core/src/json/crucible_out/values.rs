//! Single values, and the items of lists.

use super::Writer;
use super::found::Values;
use crate::json::opaque_out::{enclose, put_bool};
use crate::json::text::{Fraction, put_base64, put_double, put_integer, put_string, put_timestamp};
use crate::rules::integer;
use crate::tables::{Field, Kind};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, seconds_and_nanos};

impl<'a> Writer<'a, '_> {
    /// Appends one value; returns whether it is zero or empty and not a message.
    #[inline]
    pub(super) fn single(
        &mut self,
        field: &'a Field,
        reader: &mut Reader<'a>,
        depth: u32,
    ) -> R<bool> {
        Ok(match field.kind {
            Kind::String => {
                let text = reader.bytes()?;
                put_string(self.out, text)?;
                text.is_empty()
            }
            Kind::Message => {
                let message = self.tables.message_of(field);
                self.message(message, reader.bytes()?, depth + 1)?;
                false
            }
            Kind::Double => {
                let bits = reader.fixed64()?;
                put_double(self.out, f64::from_bits(bits), self.style.0)?;
                // A negative zero is not unset.
                bits == 0
            }
            Kind::Bool | Kind::Enum | Kind::Int32 | Kind::Int64 | Kind::Sint32 | Kind::Sint64 => {
                let value = integer(field.kind, reader.varint()?);
                match field.kind {
                    Kind::Bool => put_bool(self.out, value != 0),
                    Kind::Enum => self.put_enum(field, value as i32)?,
                    _ => put_integer(self.out, value),
                }
                value == 0
            }
            _ => self.rare(field, reader)?,
        })
    }

    /// Appends one value of a type that few fields have.
    #[inline(never)]
    fn rare(&mut self, field: &Field, reader: &mut Reader<'_>) -> R<bool> {
        match field.kind {
            Kind::Bytes => {
                let data = reader.bytes()?;
                put_base64(self.out, data);
                Ok(data.is_empty())
            }
            Kind::Uint32 => self.unsigned(u64::from(reader.varint()? as u32)),
            Kind::Uint64 => self.unsigned(reader.varint()?),
            Kind::Fixed32 => self.unsigned(u64::from(reader.fixed32()?)),
            Kind::Fixed64 => self.unsigned(reader.fixed64()?),
            Kind::Sfixed32 => {
                let value = reader.fixed32()? as i32;
                put_integer(self.out, value);
                Ok(value == 0)
            }
            Kind::Sfixed64 => {
                let value = reader.fixed64()? as i64;
                put_integer(self.out, value);
                Ok(value == 0)
            }
            // Python does not write 32-bit floats in this format as their shortest text.
            _ => Err(Unsure),
        }
    }

    fn unsigned(&mut self, value: u64) -> R<bool> {
        put_integer(self.out, value);
        Ok(value == 0)
    }

    /// Appends the short name of an enum value, and `null` for UNSPECIFIED.
    #[inline]
    pub(super) fn put_enum(&mut self, field: &Field, number: i32) -> R<()> {
        match self.tables.enum_of(field).short_names.quoted(number) {
            Some(name) => self.out.extend_from_slice(name),
            None if number == 0 => self.out.extend_from_slice(b"null"),
            None => return Err(Unsure),
        }
        Ok(())
    }

    /// Appends a list; returns whether it is empty.
    #[inline]
    pub(super) fn list(
        &mut self,
        field: &'a Field,
        items: &mut Values<'a, '_>,
        depth: u32,
    ) -> R<bool> {
        let start = self.out.len();
        while let Some(reader) = items.next()? {
            self.out.push(b',');
            self.single(field, reader, depth)?;
        }
        let is_empty = self.out.len() == start;
        enclose(self.out, start, b'[', b']');
        Ok(is_empty)
    }

    /// Appends the names of one list of an open vocabulary, each with a comma before it.
    pub(super) fn names(&mut self, field: &'a Field, names: &mut Values<'a, '_>) -> R<()> {
        while let Some(reader) = names.next()? {
            if field.kind == Kind::String {
                self.out.push(b',');
                put_string(self.out, reader.bytes()?)?;
                continue;
            }
            let number = reader.varint()? as i32;
            // UNSPECIFIED is left out of lists.
            if number != 0 {
                self.out.push(b',');
                self.put_enum(field, number)?;
            }
        }
        Ok(())
    }

    pub(super) fn timestamp(&mut self, data: &[u8]) -> R<()> {
        let (seconds, nanos) = seconds_and_nanos(data)?;
        put_timestamp(self.out, seconds, nanos, Fraction::Shortest)
    }
}
