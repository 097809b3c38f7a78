//! Writes messages as JSON objects from their bytes.

use super::entries::Entries;
use super::opaque_out::{
    Style, enclose, put_bool, skip_unknown, sort_entries, write_list, write_struct, write_value,
};
use super::parts::{Part, Parts, has_wire_type, same_field};
use super::text::{
    Fraction, put_base64, put_duration, put_integer, put_member, put_quoted_integer, put_string,
    put_timestamp,
};
use crate::rules::integer;
use crate::tables::{Cardinality, Field, Kind, Message, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, Reader, WireType, seconds_and_nanos};

/// How messages are written.
pub(super) trait Form: Style {
    /// Whether the fields of a message are sorted by key; else by number.
    const BY_KEY: bool;

    /// Returns the key of a field with a comma before and a colon after it.
    fn key(field: &Field) -> &[u8];

    /// Appends a double of a field.
    fn put_double(self, out: &mut Vec<u8>, value: f64) -> R<()>;

    /// Appends a float of a field.
    fn put_float(self, out: &mut Vec<u8>, value: f32) -> R<()>;
}

/// Writes one message and those inside it.
pub(super) struct Writer<'a, 'o, F> {
    tables: &'a Tables,
    out: &'o mut Vec<u8>,
    entries: Entries<'a>,
    parts: Parts<'a>,
    /// Whether fields are sorted without a look at their order, since some were not in order. A
    /// message that is written twice for each level above it would take too long.
    sorts: bool,
    form: F,
}

impl<'a, 'o, F: Form> Writer<'a, 'o, F> {
    pub fn new(tables: &'a Tables, form: F, out: &'o mut Vec<u8>) -> Self {
        let (entries, parts) = (Entries::default(), Parts::default());
        Self {
            tables,
            out,
            entries,
            parts,
            sorts: F::BY_KEY,
            form,
        }
    }

    /// Appends a message.
    pub fn message(&mut self, message: &'a Message, data: &'a [u8], depth: u32) -> R<()> {
        match message.well_known {
            WellKnown::None => {}
            WellKnown::Struct => {
                return write_struct(self.form, self.out, &mut self.entries, data, depth);
            }
            WellKnown::Value => {
                return write_value(self.form, self.out, &mut self.entries, data, depth);
            }
            WellKnown::ListValue => {
                return write_list(self.form, self.out, &mut self.entries, data, depth);
            }
            WellKnown::Timestamp => {
                let (seconds, nanos) = seconds_and_nanos(data)?;
                return put_timestamp(self.out, seconds, nanos, Fraction::Threes);
            }
            WellKnown::Duration => {
                let (seconds, nanos) = seconds_and_nanos(data)?;
                return put_duration(self.out, seconds, nanos);
            }
            WellKnown::Other => return Err(Unsure),
        }
        if depth > MAX_DEPTH {
            return Err(Unsure);
        }
        let start = self.out.len();
        if self.sorts || !self.in_order(message, data, depth)? {
            self.sorts = true;
            self.out.truncate(start);
            self.sorted(message, data, depth)?;
        }
        enclose(self.out, start, b'{', b'}');
        Ok(())
    }

    /// Appends the fields of a message if they are in the order of their numbers and each has one
    /// place; returns if they are.
    fn in_order(&mut self, message: &'a Message, data: &'a [u8], depth: u32) -> R<bool> {
        let (mut next, mut seen) = (0, 0);
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let field = message.field(number);
            let Some(field) = field.filter(|field| has_wire_type(field, wire_type)) else {
                skip_unknown::<F>(&mut reader, wire_type)?;
                continue;
            };
            if field.index < next || seen & field.siblings != 0 {
                return Ok(false);
            }
            next = field.index + 1;
            seen |= field.bit;
            if field.cardinality == Cardinality::Singular {
                self.singular(field, &mut reader, depth)?;
            } else {
                self.repeated(field, wire_type, &mut reader, depth)?;
            }
        }
        Ok(true)
    }

    /// Appends a field with one value.
    #[inline]
    fn singular(&mut self, field: &'a Field, reader: &mut Reader<'a>, depth: u32) -> R<()> {
        let start = self.out.len();
        self.out.extend_from_slice(F::key(field));
        let is_zero = self.value(field, reader, depth)?;
        if is_zero && !field.presence {
            // It counts as unset.
            self.out.truncate(start);
        }
        Ok(())
    }

    /// Appends the items of a list, or the entries of a map, up to another field.
    fn repeated(
        &mut self,
        field: &'a Field,
        wire_type: WireType,
        reader: &mut Reader<'a>,
        depth: u32,
    ) -> R<()> {
        let start = self.out.len();
        self.out.extend_from_slice(F::key(field));
        let items = self.out.len();
        if field.cardinality == Cardinality::Map {
            let first = self.entries.start();
            self.add_entries(field, reader)?;
            self.write_entries(field, first, depth)?;
            enclose(self.out, items, b'{', b'}');
        } else {
            self.items(field, wire_type, reader, depth)?;
            self.finish_list(start, items);
        }
        Ok(())
    }

    /// Encloses the items of a list, or removes its key if there are none.
    fn finish_list(&mut self, start: usize, items: usize) {
        if self.out.len() == items {
            self.out.truncate(start);
        } else {
            enclose(self.out, items, b'[', b']');
        }
    }

    /// Appends consecutive items of a list, each with a comma before it.
    fn items(
        &mut self,
        field: &'a Field,
        mut wire_type: WireType,
        reader: &mut Reader<'a>,
        depth: u32,
    ) -> R<()> {
        loop {
            if wire_type == field.kind.wire_type() {
                self.out.push(b',');
                self.value(field, reader, depth)?;
            } else {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    self.out.push(b',');
                    self.value(field, &mut packed, depth)?;
                }
            }
            match same_field(field, reader)? {
                Some(found) => wire_type = found,
                None => return Ok(()),
            }
        }
    }

    /// Collects consecutive entries of a map.
    fn add_entries(&mut self, field: &Field, reader: &mut Reader<'a>) -> R<()> {
        let (key, value) = self.tables.message_of(field).entry().ok_or(Unsure)?;
        if key.kind != Kind::String {
            return Err(Unsure);
        }
        loop {
            self.entries.add(reader.bytes()?, value.kind.wire_type())?;
            if same_field(field, reader)?.is_none() {
                return Ok(());
            }
        }
    }

    /// Appends the collected entries of a map, each with a comma before it.
    fn write_entries(&mut self, field: &'a Field, first: usize, depth: u32) -> R<()> {
        let (_, value) = self.tables.message_of(field).entry().ok_or(Unsure)?;
        sort_entries::<F>(&mut self.entries, first)?;
        let mut index = first;
        while let Some(entry) = self.entries.get(index) {
            put_member(self.out, entry.key)?;
            // The entry is a message, and counts as a level.
            self.value(value, &mut Reader::new(entry.value), depth + 1)?;
            index += 1;
        }
        self.entries.finish(first);
        Ok(())
    }

    /// Appends one value, and returns whether it is zero or empty and not a message.
    #[inline]
    fn value(&mut self, field: &'a Field, reader: &mut Reader<'a>, depth: u32) -> R<bool> {
        match field.kind {
            Kind::String => {
                let text = reader.bytes()?;
                put_string(self.out, text)?;
                Ok(text.is_empty())
            }
            Kind::Message => {
                let message = self.tables.message_of(field);
                self.message(message, reader.bytes()?, depth + 1)?;
                Ok(false)
            }
            Kind::Bytes => {
                let data = reader.bytes()?;
                put_base64(self.out, data);
                Ok(data.is_empty())
            }
            Kind::Double => {
                let bits = reader.fixed64()?;
                self.form.put_double(self.out, f64::from_bits(bits))?;
                // A negative zero is not unset.
                Ok(bits == 0)
            }
            Kind::Float => {
                let bits = reader.fixed32()?;
                self.form.put_float(self.out, f32::from_bits(bits))?;
                Ok(bits == 0)
            }
            Kind::Fixed64 => {
                let value = reader.fixed64()?;
                put_quoted_integer(self.out, value);
                Ok(value == 0)
            }
            Kind::Sfixed64 => {
                let value = reader.fixed64()? as i64;
                put_quoted_integer(self.out, value);
                Ok(value == 0)
            }
            Kind::Fixed32 => {
                let value = reader.fixed32()?;
                put_integer(self.out, value);
                Ok(value == 0)
            }
            Kind::Sfixed32 => {
                let value = reader.fixed32()? as i32;
                put_integer(self.out, value);
                Ok(value == 0)
            }
            Kind::Uint64 => {
                let value = reader.varint()?;
                put_quoted_integer(self.out, value);
                Ok(value == 0)
            }
            kind => {
                let value = integer(kind, reader.varint()?);
                match kind {
                    Kind::Bool => put_bool(self.out, value != 0),
                    Kind::Enum => self.put_enum(field, value as i32),
                    Kind::Int64 | Kind::Sint64 => put_quoted_integer(self.out, value),
                    _ => put_integer(self.out, value),
                }
                Ok(value == 0)
            }
        }
    }

    #[inline]
    fn put_enum(&mut self, field: &Field, number: i32) {
        let enumeration = self.tables.enum_of(field);
        match enumeration.value(number) {
            _ if enumeration.is_null => self.out.extend_from_slice(b"null"),
            Some(value) => self.out.extend_from_slice(&value.quoted),
            None => put_integer(self.out, number),
        }
    }

    /// Appends the fields of a message in the order of the output, whatever their order.
    fn sorted(&mut self, message: &'a Message, data: &'a [u8], depth: u32) -> R<()> {
        let first = self
            .parts
            .collect(message, data, F::BY_KEY, F::SKIPS_UNKNOWN)?;
        let mut at = first;
        while let Some(part) = self.parts.get(at) {
            let field = message.fields.get(usize::from(part.index)).ok_or(Unsure)?;
            let is_scattered = self
                .parts
                .get(at + 1)
                .is_some_and(|next| next.index == part.index);
            if is_scattered {
                at = self.scattered(field, at, depth)?;
                continue;
            }
            let mut reader = Reader::new(part.data);
            let (_, wire_type) = reader.tag()?;
            if field.cardinality == Cardinality::Singular {
                self.singular(field, &mut reader, depth)?;
            } else {
                self.repeated(field, wire_type, &mut reader, depth)?;
            }
            at += 1;
        }
        self.parts.finish(first);
        Ok(())
    }

    /// Appends a list or map whose items are in several parts, from one part on; returns the
    /// position after the last part.
    fn scattered(&mut self, field: &'a Field, mut at: usize, depth: u32) -> R<usize> {
        let start = self.out.len();
        self.out.extend_from_slice(F::key(field));
        let items = self.out.len();
        let first = self.entries.start();
        let is_part = |part: &Part<'_>| part.index == field.index;
        while let Some(part) = self.parts.get(at).filter(is_part) {
            let mut reader = Reader::new(part.data);
            let (_, wire_type) = reader.tag()?;
            if field.cardinality == Cardinality::Map {
                self.add_entries(field, &mut reader)?;
            } else {
                self.items(field, wire_type, &mut reader, depth)?;
            }
            at += 1;
        }
        if field.cardinality == Cardinality::Map {
            self.write_entries(field, first, depth)?;
            enclose(self.out, items, b'{', b'}');
        } else {
            self.finish_list(start, items);
        }
        Ok(at)
    }
}
