//! Writes Crucible JSON from the bytes of a message.

mod found;
mod maps;
mod parts;
mod values;

use found::{Found, Values, find};

use super::crucible_tables::{CrucibleJson, Form, Key, Shape};
use super::entries::Entries;
use super::opaque_out::{Plain, enclose, write_list, write_struct, write_value};
use super::parts::has_wire_type;
use crate::MessageType;
use crate::tables::{Cardinality, Field, MAX_FIELDS, Message, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, Reader};

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
        gathers: false,
    }
    .message(message, data, 0)
}

struct Writer<'a, 'o> {
    tables: &'a Tables,
    out: &'o mut Vec<u8>,
    entries: Entries<'a>,
    style: Plain,
    /// Whether fields are found before they are written, since some were not in order. A message
    /// that is written twice for each level above it would take too long.
    gathers: bool,
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
        match table.shape {
            Shape::Object => self.members(message, table, data, depth)?,
            Shape::Snapshot => self.snapshot(message, table, data, depth)?,
            Shape::Part => return self.part(message, table, data, depth),
            Shape::List => return self.only_list(message, table, data, depth),
            Shape::Choice => return self.choice(message, table, data),
        }
        enclose(self.out, start, b'{', b'}');
        Ok(())
    }

    /// Appends the members of an object, each with a comma before it.
    fn members(
        &mut self,
        message: &'a Message,
        table: &'a CrucibleJson,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let start = self.out.len();
        if self.gathers || !self.in_order(message, table, data, depth)? {
            self.gathers = true;
            self.out.truncate(start);
            self.gathered(message, table, data, depth)?;
        }
        Ok(())
    }

    /// Appends the members of an object if the fields of the message are in the order of their keys
    /// and each has one place; returns if they are.
    fn in_order(
        &mut self,
        message: &'a Message,
        table: &'a CrucibleJson,
        data: &'a [u8],
        depth: u32,
    ) -> R<bool> {
        let template = &table.template[..];
        let (mut copied, mut next, mut seen) = (0, 0, 0);
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let from = reader;
            let (number, wire_type) = reader.tag()?;
            let field = message.field(number);
            let Some(field) = field.filter(|field| has_wire_type(field, wire_type)) else {
                reader.skip(wire_type)?;
                continue;
            };
            let position = table.position_of(field);
            if position < next || seen & field.siblings != 0 {
                return Ok(false);
            }
            next = position + 1;
            seen |= field.bit;
            let key = table.keys.get(position).ok_or(Unsure)?;
            let start = self.out.len();
            let end = self.label(template, copied, key)?;
            let is_unset = match (key.form, field.cardinality) {
                (Form::Pair, _) => {
                    let values = self.out.len();
                    let (numbers, mut others) = (field_of(message, key.field)?, None);
                    let first = self.entries.start();
                    if field.index == key.field {
                        let mut entries = Values::new(field, from);
                        self.add_entries(field, &mut entries)?;
                        reader = entries.reader;
                    } else {
                        others = Some(reader.bytes()?);
                    }
                    self.pair(numbers, first, others, depth)?;
                    self.finish(values, b'{', b'}')
                }
                (Form::VocabularyList, _) => {
                    let values = self.out.len();
                    let mut names = Values::new(field, from);
                    self.names(field, &mut names)?;
                    if field.index != key.second {
                        let second = field_of(message, key.second)?;
                        names = Values::new(second, names.reader);
                        self.names(second, &mut names)?;
                    }
                    reader = names.reader;
                    self.finish(values, b'[', b']')
                }
                (_, Cardinality::Singular) => {
                    let is_zero = self.single(field, &mut reader, depth)?;
                    is_zero && table.zero_is_unset(field)
                }
                (_, Cardinality::List) => {
                    let mut items = Values::new(field, from);
                    let is_empty = self.list(field, &mut items, depth)?;
                    reader = items.reader;
                    is_empty
                }
                (_, Cardinality::Map) => {
                    let mut entries = Values::new(field, from);
                    self.map(field, &mut entries, depth)?;
                    reader = entries.reader;
                    false
                }
            };
            if is_unset {
                self.out.truncate(start);
            } else {
                copied = end;
            }
        }
        self.out.extend_from_slice(&template[copied..]);
        Ok(true)
    }

    /// Appends the members of a template from a position up to the value of a key, or all of them
    /// and the key; returns the position after the value.
    #[inline(always)]
    fn label(&mut self, template: &[u8], copied: usize, key: &Key) -> R<usize> {
        match key.unset {
            Some((start, end)) => {
                let text = template.get(copied..start as usize).ok_or(Unsure)?;
                self.out.extend_from_slice(text);
                Ok(end as usize)
            }
            None => {
                self.out
                    .extend_from_slice(template.get(copied..).ok_or(Unsure)?);
                self.out.extend_from_slice(&key.label);
                Ok(template.len())
            }
        }
    }

    /// Appends the members of an object, whatever the order of the fields.
    #[inline(never)]
    fn gathered(
        &mut self,
        message: &'a Message,
        table: &'a CrucibleJson,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let found = find::<MAX_FIELDS>(message, table, data)?;
        let template = &table.template[..];
        let mut copied = 0;
        for (position, key) in table.keys.iter().enumerate() {
            if found.keys & 1 << position == 0 {
                continue;
            }
            let start = self.out.len();
            let end = self.label(template, copied, key)?;
            if self.found_value(message, key, &found, depth)? {
                self.out.truncate(start);
            } else {
                copied = end;
            }
        }
        self.out.extend_from_slice(&template[copied..]);
        Ok(())
    }

    /// Appends the value of a key; returns whether it is written like that of unset fields.
    fn found_value(
        &mut self,
        message: &'a Message,
        key: &Key,
        found: &Found<'a, MAX_FIELDS>,
        depth: u32,
    ) -> R<bool> {
        let (field, second) = (
            field_of(message, key.field)?,
            field_of(message, key.second)?,
        );
        let start = self.out.len();
        match (key.form, field.cardinality) {
            (Form::Pair, _) => {
                let first = self.entries.start();
                if found.has(field) {
                    self.add_entries(field, &mut found.values(field)?)?;
                }
                let others = match found.has(second) {
                    true => Some(found.reader(second)?.bytes()?),
                    false => None,
                };
                self.pair(field, first, others, depth)?;
                return Ok(self.finish(start, b'{', b'}'));
            }
            (Form::VocabularyList, _) => {
                for field in [field, second] {
                    if found.has(field) {
                        self.names(field, &mut found.values(field)?)?;
                    }
                }
                return Ok(self.finish(start, b'[', b']'));
            }
            (_, Cardinality::Singular) => {
                let set = if found.has(field) { field } else { second };
                self.single(set, &mut found.reader(set)?, depth)?;
            }
            (_, Cardinality::List) => {
                self.list(field, &mut found.values(field)?, depth)?;
            }
            (_, Cardinality::Map) => self.map(field, &mut found.values(field)?, depth)?,
        }
        Ok(false)
    }

    /// Encloses what was appended from a position on; returns whether it was nothing.
    #[inline(always)]
    fn finish(&mut self, start: usize, open: u8, close: u8) -> bool {
        let is_empty = self.out.len() == start;
        if !is_empty {
            enclose(self.out, start, open, close);
        }
        is_empty
    }

    /// Appends a message that is written as the list in its only field.
    fn only_list(
        &mut self,
        message: &'a Message,
        table: &CrucibleJson,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let [key] = &table.keys[..] else {
            return Err(Unsure);
        };
        let field = field_of(message, key.field)?;
        let mut items = Values::all(field, data);
        self.list(field, &mut items, depth).map(drop)
    }
}

#[inline(always)]
fn field_of(message: &Message, index: u8) -> R<&Field> {
    message.fields.get(usize::from(index)).ok_or(Unsure)
}
