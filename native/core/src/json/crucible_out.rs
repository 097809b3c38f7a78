//! Writes Crucible JSON from the bytes of a message.

mod found;
mod maps;
mod parts;

use found::{Found, Values, find};

use super::crucible_tables::{CrucibleJson, Form, Key, Shape};
use super::entries::Entries;
use super::opaque_out::{
    Plain, enclose, put_bool, sort_entries, write_list, write_struct, write_value,
};
use super::text::{Fraction, put_base64, put_double, put_integer, put_string, put_timestamp};
use crate::MessageType;
use crate::rules::integer;
use crate::tables::{Cardinality, Field, Kind, Message, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, Reader, seconds_and_nanos};

impl MessageType {
    /// Appends the Crucible JSON of a message, on one line: the text that the Python package writes.
    ///
    /// # Errors
    ///
    /// The core is unsure: the bytes may be such a message or not, and the format may represent it
    /// or not. The output may have grown.
    ///
    /// ```
    /// use crucible_ir_core::Schema;
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// let mut text = Vec::new();
    /// stage.to_crucible_json(b"\x0a\x05embed", &mut text).unwrap();
    /// assert_eq!(text, br#"{"name":"embed","module":null,"options":null,"enabled":null}"#);
    /// ```
    pub fn to_crucible_json(&self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Unsure> {
        write(&self.tables, self.message(), data, out)
    }
}

fn write(tables: &Tables, message: &Message, data: &[u8], out: &mut Vec<u8>) -> R<()> {
    if u32::try_from(data.len()).is_err() {
        return Err(Unsure);
    }
    let entries = Entries::default();
    let style = Plain(tables.exponents);
    Writer {
        tables,
        out,
        entries,
        style,
    }
    .message(message, data, 0)
}

struct Writer<'a, 'o> {
    tables: &'a Tables,
    out: &'o mut Vec<u8>,
    entries: Entries<'a>,
    style: Plain,
}

impl<'a> Writer<'a, '_> {
    /// Appends a message.
    fn message(&mut self, message: &'a Message, data: &'a [u8], depth: u32) -> R<()> {
        match message.well_known {
            WellKnown::None => {}
            WellKnown::Struct => {
                return write_struct(self.style, self.out, &mut self.entries, data, depth);
            }
            WellKnown::Value => {
                return write_value(self.style, self.out, &mut self.entries, data, depth);
            }
            WellKnown::ListValue => {
                return write_list(self.style, self.out, &mut self.entries, data, depth);
            }
            WellKnown::Timestamp => return self.timestamp(data),
            WellKnown::Duration | WellKnown::Other => return Err(Unsure),
        }
        let table = message.crucible.as_ref().ok_or(Unsure)?;
        if depth > MAX_DEPTH {
            return Err(Unsure);
        }
        let start = self.out.len();
        let found = find(message, table, data)?;
        match table.shape {
            Shape::Object => self.members(message, table, &found, data, depth)?,
            Shape::List => {
                let [key] = &table.keys[..] else {
                    return Err(Unsure);
                };
                return self.list(field_of(message, key.field)?, &found, data, depth);
            }
            Shape::Choice => return self.choice(message, table, &found, data),
            Shape::Part => return self.part(message, table, &found, data, depth),
            Shape::Snapshot => self.snapshot(message, table, &found, data, depth)?,
        }
        enclose(self.out, start, b'{', b'}');
        Ok(())
    }

    fn timestamp(&mut self, data: &[u8]) -> R<()> {
        let (seconds, nanos) = seconds_and_nanos(data)?;
        put_timestamp(self.out, seconds, nanos, Fraction::Shortest)
    }

    /// Appends the members of an object, each with a comma before it.
    fn members(
        &mut self,
        message: &'a Message,
        table: &'a CrucibleJson,
        found: &Found,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let template = &table.template[..];
        let mut copied = 0;
        let mut keys = found.keys;
        while keys != 0 {
            let key = table
                .keys
                .get(keys.trailing_zeros() as usize)
                .ok_or(Unsure)?;
            keys &= keys - 1;
            let unset = match key.unset {
                Some((start, end)) => {
                    let text = template.get(start as usize..end as usize).ok_or(Unsure)?;
                    self.out
                        .extend_from_slice(&template[copied..start as usize]);
                    copied = end as usize;
                    text
                }
                None => {
                    self.out.extend_from_slice(&template[copied..]);
                    copied = template.len();
                    self.out.extend_from_slice(&key.label);
                    &[]
                }
            };
            let start = self.out.len();
            self.value(message, key, found, data, depth)?;
            if self.out.len() == start {
                self.out.extend_from_slice(unset);
            }
        }
        self.out.extend_from_slice(&template[copied..]);
        Ok(())
    }

    /// Appends the value of a key, or nothing if it is written like that of unset fields.
    #[inline]
    fn value(
        &mut self,
        message: &'a Message,
        key: &Key,
        found: &Found,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let field = field_of(message, key.field)?;
        match key.form {
            Form::Value => {}
            Form::Vocabulary | Form::StringOr => {
                let second = field_of(message, key.second)?;
                let set = if found.has(field) { field } else { second };
                return self.single(set, &mut found.reader(set, data)?, depth);
            }
            Form::VocabularyList => return self.vocabulary_list(message, key, found, data),
            Form::Pair => {
                let start = self.out.len();
                self.pair(message, key, found, data, depth)?;
                if self.out.len() > start {
                    enclose(self.out, start, b'{', b'}');
                }
                return Ok(());
            }
        }
        match field.cardinality {
            Cardinality::Singular => self.single(field, &mut found.reader(field, data)?, depth),
            Cardinality::List => self.list(field, found, data, depth),
            Cardinality::Map => {
                let start = self.out.len();
                let first = self.map_entries(field, found, data)?;
                self.write_entries(field, first, depth)?;
                enclose(self.out, start, b'{', b'}');
                Ok(())
            }
        }
    }

    /// Appends one value.
    #[inline]
    fn single(&mut self, field: &'a Field, reader: &mut Reader<'a>, depth: u32) -> R<()> {
        match field.kind {
            Kind::String => put_string(self.out, reader.bytes()?)?,
            Kind::Message => {
                let message = self.tables.message_of(field);
                self.message(message, reader.bytes()?, depth + 1)?;
            }
            Kind::Bytes => put_base64(self.out, reader.bytes()?),
            Kind::Double => put_double(self.out, f64::from_bits(reader.fixed64()?), self.style.0)?,
            // Python does not write 32-bit floats in this format as their shortest text.
            Kind::Float => return Err(Unsure),
            Kind::Fixed64 => put_integer(self.out, reader.fixed64()?),
            Kind::Sfixed64 => put_integer(self.out, reader.fixed64()? as i64),
            Kind::Fixed32 => put_integer(self.out, reader.fixed32()?),
            Kind::Sfixed32 => put_integer(self.out, reader.fixed32()? as i32),
            Kind::Uint64 => put_integer(self.out, reader.varint()?),
            kind => {
                let value = integer(kind, reader.varint()?);
                match kind {
                    Kind::Bool => put_bool(self.out, value != 0),
                    Kind::Enum => self.put_enum(field, value as i32)?,
                    _ => put_integer(self.out, value),
                }
            }
        }
        Ok(())
    }

    /// Appends the short name of an enum value, and `null` for UNSPECIFIED.
    #[inline]
    fn put_enum(&mut self, field: &Field, number: i32) -> R<()> {
        match self.tables.enum_of(field).short_names.quoted(number) {
            Some(name) => self.out.extend_from_slice(name),
            None if number == 0 => self.out.extend_from_slice(b"null"),
            None => return Err(Unsure),
        }
        Ok(())
    }

    /// Appends a list.
    fn list(&mut self, field: &'a Field, found: &Found, data: &'a [u8], depth: u32) -> R<()> {
        let start = self.out.len();
        if found.has(field) {
            let mut values = Values::new(field, found, data)?;
            while let Some(reader) = values.next()? {
                self.out.push(b',');
                self.single(field, reader, depth)?;
            }
        }
        enclose(self.out, start, b'[', b']');
        Ok(())
    }

    /// Appends the names of both lists of an open vocabulary, or nothing if there are none.
    fn vocabulary_list(
        &mut self,
        message: &'a Message,
        key: &Key,
        found: &Found,
        data: &'a [u8],
    ) -> R<()> {
        let start = self.out.len();
        for index in [key.field, key.second] {
            let field = field_of(message, index)?;
            if !found.has(field) {
                continue;
            }
            let mut values = Values::new(field, found, data)?;
            while let Some(reader) = values.next()? {
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
        }
        if self.out.len() > start {
            enclose(self.out, start, b'[', b']');
        }
        Ok(())
    }

    /// Collects the entries of a map in the order of their keys; returns the position of the first.
    fn map_entries(&mut self, field: &'a Field, found: &Found, data: &'a [u8]) -> R<usize> {
        let (key, value) = self.tables.entry_of(field).ok_or(Unsure)?;
        if key.kind != Kind::String || value.kind == Kind::Message {
            return Err(Unsure);
        }
        let first = self.entries.start();
        let mut values = Values::new(field, found, data)?;
        while let Some(reader) = values.next()? {
            self.entries.add(reader.bytes()?, value.kind.wire_type())?;
        }
        sort_entries::<Plain>(&mut self.entries, first)?;
        Ok(first)
    }

    /// Appends the collected entries of a map, each with a comma before it.
    fn write_entries(&mut self, field: &'a Field, first: usize, depth: u32) -> R<()> {
        let (_, value) = self.tables.entry_of(field).ok_or(Unsure)?;
        let mut index = first;
        while let Some(entry) = self.entries.get(index) {
            self.out.push(b',');
            put_string(self.out, entry.key)?;
            self.out.push(b':');
            self.single(value, &mut Reader::new(entry.value), depth + 1)?;
            index += 1;
        }
        self.entries.finish(first);
        Ok(())
    }
}

#[inline(always)]
fn field_of(message: &Message, index: u8) -> R<&Field> {
    message.fields.get(usize::from(index)).ok_or(Unsure)
}
