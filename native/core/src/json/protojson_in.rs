//! ProtoJSON to protobuf's wire format.
//!
//! The result is the deterministic serialization of the message that the Python package reads.
//! Whatever that package rejects is unsure.

use super::input::{Input, Quoted};
use super::sink::{Entries, close, open, put_tag};
use super::times::Spelling;
use crate::MessageType;
use crate::tables::{Cardinality, Field, Kind, Message, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, WireType, put_varint};

/// The enum whose value is written as `null`.
const NULL_VALUE: &str = "google.protobuf.NullValue";

/// The most bytes of a message.
const MAX_BYTES: usize = i32::MAX as usize;

impl MessageType {
    /// Reads a message from its ProtoJSON and appends its bytes, as protobuf's deterministic
    /// serialization writes them. The rules of the schema are not checked.
    ///
    /// # Errors
    ///
    /// The core is unsure: the text may be the ProtoJSON of such a message or not. The output may
    /// have grown.
    ///
    /// ```
    /// use crucible_ir_core::Schema;
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// let mut bytes = Vec::new();
    /// stage.from_protojson(br#"{"name": "embed"}"#, &mut bytes).unwrap();
    /// assert_eq!(bytes, b"\x0a\x05embed");
    /// ```
    pub fn from_protojson(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Unsure> {
        read(&self.tables, self.message(), text, out)
    }
}

/// Reads a message from its ProtoJSON and appends its bytes.
pub(crate) fn read(tables: &Tables, message: &Message, text: &[u8], out: &mut Vec<u8>) -> R<()> {
    let start = out.len();
    out.reserve(text.len());
    let mut reader = Reader {
        tables,
        input: Input::new(text, out),
    };
    reader.input.scan.space();
    reader.message(message, 0)?;
    reader.input.scan.end()?;
    if out.len() - start > MAX_BYTES {
        Err(Unsure)
    } else {
        Ok(())
    }
}

struct Reader<'t, 'a, 'o> {
    tables: &'t Tables,
    input: Input<'a, 'o>,
}

impl<'t> Reader<'t, '_, '_> {
    /// Reads a message and writes its fields, given its depth below the root.
    #[inline(always)]
    fn message(&mut self, message: &'t Message, depth: u32) -> R<()> {
        if depth > MAX_DEPTH {
            return Err(Unsure);
        }
        match message.well_known {
            WellKnown::None => self.object(message, depth),
            WellKnown::Struct => self.input.opaque_struct(depth),
            WellKnown::Value => self.input.opaque_value(depth),
            WellKnown::ListValue => self.input.opaque_list(depth),
            WellKnown::Timestamp => self.input.timestamp(Spelling::ProtoJson),
            WellKnown::Duration => self.input.duration(),
            WellKnown::Other => Err(Unsure),
        }
    }

    fn object(&mut self, message: &'t Message, depth: u32) -> R<()> {
        if self.input.scan.open(b'{', b'}')? {
            return Ok(());
        }
        let start = self.input.out.len();
        let (mut given, mut set) = (0, 0);
        let (mut expected, mut last, mut ordered) = (0, 0, true);
        loop {
            let field = self.field(message, expected)?;
            expected = usize::from(field.index) + 1;
            // The same key again, or the other name of the field.
            if given & field.bit != 0 {
                return Err(Unsure);
            }
            given |= field.bit;
            if self.input.scan.peek() == b'n' && !self.reads_null(field)? {
                self.input.scan.literal(b"null")?;
            } else {
                if set & field.siblings != 0 {
                    return Err(Unsure);
                }
                set |= field.bit;
                ordered &= field.number > last;
                last = field.number;
                match field.cardinality {
                    Cardinality::Singular => self.singular(field, depth)?,
                    Cardinality::List => self.list(field, depth)?,
                    Cardinality::Map => self.map(field, depth)?,
                }
            }
            if !self.input.scan.more(b'}')? {
                break;
            }
        }
        if ordered {
            Ok(())
        } else {
            self.input.sorter.sort_fields(self.input.out, start)
        }
    }

    /// Reads a key and the colon after it, and returns its field; the expected one is tried first.
    #[inline(always)]
    fn field(&mut self, message: &'t Message, expected: usize) -> R<&'t Field> {
        if let Some(field) = message.fields.get(expected)
            && self.input.scan.eat_key(&field.json_name)
        {
            return Ok(field);
        }
        let key = self.input.scan.string(&mut self.input.buffer)?;
        let field = message.field_of_key(key).ok_or(Unsure)?;
        self.input.scan.colon()?;
        Ok(field)
    }

    /// Returns whether `null` is a value of a field and does not leave it unset.
    #[inline(never)]
    fn reads_null(&self, field: &Field) -> R<bool> {
        match (field.cardinality, field.kind) {
            (Cardinality::Singular, Kind::Message) => {
                Ok(self.tables.message_of(field).well_known == WellKnown::Value)
            }
            (Cardinality::Singular, Kind::Enum)
                if *self.tables.enum_of(field).name == *NULL_VALUE =>
            {
                Err(Unsure)
            }
            _ => Ok(false),
        }
    }

    #[inline(always)]
    fn singular(&mut self, field: &'t Field, depth: u32) -> R<()> {
        let start = self.input.out.len();
        put_tag(self.input.out, &field.tag);
        let is_zero = self.value(field, depth + 1)?;
        if is_zero && !field.presence {
            self.input.out.truncate(start);
        }
        Ok(())
    }

    /// Reads one value of a field and writes it without a tag, given the depth of its message.
    /// Returns whether it is zero; messages never are.
    #[inline(always)]
    fn value(&mut self, field: &'t Field, depth: u32) -> R<bool> {
        match field.kind {
            Kind::Message => {
                let start = open(self.input.out);
                self.message(self.tables.message_of(field), depth)?;
                close(self.input.out, start);
                Ok(false)
            }
            Kind::Enum => {
                let number = self.enumeration(field)?;
                put_varint(self.input.out, i64::from(number) as u64);
                Ok(number == 0)
            }
            kind => self.input.scalar(kind, Quoted::Yes),
        }
    }

    #[inline(always)]
    fn enumeration(&mut self, field: &Field) -> R<i32> {
        if self.input.scan.peek() != b'"' {
            return self.input.scan.number()?.int32();
        }
        let name = self.input.scan.string(&mut self.input.buffer)?;
        self.tables.enum_of(field).number(name).ok_or(Unsure)
    }

    fn list(&mut self, field: &'t Field, depth: u32) -> R<()> {
        if self.input.scan.open(b'[', b']')? {
            return Ok(());
        }
        if field.packed {
            put_varint(
                self.input.out,
                u64::from(field.number << 3 | WireType::Bytes as u32),
            );
            let start = open(self.input.out);
            loop {
                self.value(field, depth + 1)?;
                if !self.input.scan.more(b']')? {
                    break;
                }
            }
            close(self.input.out, start);
            return Ok(());
        }
        loop {
            put_tag(self.input.out, &field.tag);
            self.value(field, depth + 1)?;
            if !self.input.scan.more(b']')? {
                return Ok(());
            }
        }
    }

    fn map(&mut self, field: &'t Field, depth: u32) -> R<()> {
        if self.input.scan.open(b'{', b'}')? {
            return Ok(());
        }
        let (key, value) = self.tables.message_of(field).entry().ok_or(Unsure)?;
        if key.kind != Kind::String || value.cardinality != Cardinality::Singular {
            return Err(Unsure);
        }
        let mut entries = Entries::new(self.input.out);
        loop {
            put_tag(self.input.out, &field.tag);
            let start = open(self.input.out);
            let key_length = self.input.map_key()?;
            let key_end = self.input.out.len();
            put_tag(self.input.out, &value.tag);
            // The entry of a map is a message, and counts as a level.
            self.value(value, depth + 2)?;
            let key_end = key_end + close(self.input.out, start);
            entries.add(self.input.out, key_end - key_length..key_end);
            if !self.input.scan.more(b'}')? {
                return entries.finish(self.input.out, &mut self.input.sorter);
            }
        }
    }
}

#[cfg(test)]
mod tests;
