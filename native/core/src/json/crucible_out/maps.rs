//! Objects whose numbers are in a map and whose other values are opaque, and snapshots of metrics.

use super::found::{FEW, Values, find};
use super::{Writer, field_of};
use crate::json::crucible_tables::CrucibleJson;
use crate::json::crucible_words::{is_not_finite, may_be_time};
use crate::json::opaque_out::{Plain, enclose, sort_entries, write_struct};
use crate::json::text::{put_integer, put_opaque_number, put_string};
use crate::tables::{Field, Kind, Message};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType};

impl<'a> Writer<'a, '_> {
    /// Appends a map.
    pub(super) fn map(
        &mut self,
        field: &'a Field,
        entries: &mut Values<'a, '_>,
        depth: u32,
    ) -> R<()> {
        let (start, first) = (self.out.len(), self.entries.start());
        self.add_entries(field, entries)?;
        self.write_entries(field, first, depth)?;
        enclose(self.out, start, b'{', b'}');
        Ok(())
    }

    /// Collects the entries of a map.
    pub(super) fn add_entries(&mut self, field: &Field, entries: &mut Values<'a, '_>) -> R<()> {
        let (key, value) = self.tables.entry_of(field).ok_or(Unsure)?;
        if key.kind != Kind::String || value.kind == Kind::Message {
            return Err(Unsure);
        }
        while let Some(reader) = entries.next()? {
            self.entries.add(reader.bytes()?, value.kind.wire_type())?;
        }
        Ok(())
    }

    /// Appends the collected entries of a map, sorted by key and each with a comma before it.
    fn write_entries(&mut self, field: &Field, first: usize, depth: u32) -> R<()> {
        let (_, value) = self.tables.entry_of(field).ok_or(Unsure)?;
        sort_entries::<Plain>(&mut self.entries, first)?;
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

    /// Appends the members of a pair, each with a comma before it: the numbers that were collected
    /// from a position on, and the content of the Struct with the other values.
    pub(super) fn pair(
        &mut self,
        numbers: &Field,
        first: usize,
        others: Option<&'a [u8]>,
        depth: u32,
    ) -> R<()> {
        let Some(content) = others else {
            return self.write_entries(numbers, first, depth);
        };
        let entries = (first..).map_while(|index| self.entries.get(index));
        let mut taken: Vec<&[u8]> = entries.map(|entry| entry.key).collect();
        self.write_entries(numbers, first, depth)?;
        taken.sort_unstable();
        self.others(&taken, content, depth)
    }

    /// Appends the values of a pair that are not numbers, each with a comma before it. A number
    /// among them is unsure, and so is a key that a number has.
    fn others(&mut self, taken: &[&[u8]], content: &'a [u8], depth: u32) -> R<()> {
        let first = self.struct_entries(content)?;
        for entry in (first..).map_while(|index| self.entries.get(index)) {
            let is_number = match opaque_kind(entry.value)? {
                OpaqueKind::Number => true,
                OpaqueKind::Text(text) => is_not_finite(text),
                OpaqueKind::Other => false,
            };
            if is_number || taken.binary_search(&entry.key).is_ok() {
                return Err(Unsure);
            }
        }
        self.entries.finish(first);
        let start = self.out.len();
        write_struct(self.style, self.out, &mut self.entries, content, depth + 1)?;
        // The brackets are those of the pair.
        self.out.pop();
        if self.out.len() == start + 1 {
            self.out.pop();
        } else {
            self.out[start] = b',';
        }
        Ok(())
    }

    /// Collects the entries of a Struct; returns the position of the first.
    pub(super) fn struct_entries(&mut self, content: &'a [u8]) -> R<usize> {
        let first = self.entries.start();
        let mut reader = Reader::new(content);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Bytes) => self.entries.add(reader.bytes()?, WireType::Bytes)?,
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(first)
    }

    /// Appends the members of a snapshot, each with a comma before it.
    pub(super) fn snapshot(
        &mut self,
        message: &'a Message,
        table: &'a CrucibleJson,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let (pair, own) = table.keys.split_last().ok_or(Unsure)?;
        let (numbers, others) = (
            field_of(message, pair.field)?,
            field_of(message, pair.second)?,
        );
        let first = self.entries.start();
        // Most snapshots have only numbers, or start with them.
        let mut entries = Values::new(numbers, Reader::new(data));
        self.add_entries(numbers, &mut entries)?;
        let found = find::<FEW>(message, table, entries.reader.rest())?;
        if found.has(numbers) {
            self.add_entries(numbers, &mut found.values(numbers)?)?;
        }
        for key in own {
            let field = field_of(message, key.field)?;
            if !found.has(field) {
                continue;
            }
            self.out.extend_from_slice(&key.label);
            let mut reader = found.reader(field)?;
            match field.kind {
                Kind::Int32 => {
                    let value = reader.varint()? as i32;
                    if value < 0 {
                        return Err(Unsure);
                    }
                    put_integer(self.out, value);
                }
                Kind::Double => {
                    let value = f64::from_bits(reader.fixed64()?);
                    if !(0.0..f64::INFINITY).contains(&value) {
                        return Err(Unsure);
                    }
                    put_opaque_number(self.out, value, self.style.0)?;
                }
                _ => self.timestamp(reader.bytes()?)?,
            }
        }
        let own_field = |name: &[u8]| {
            let key = own.iter().find(|key| *key.name == *name)?;
            message.fields.get(usize::from(key.field))
        };
        // Python looks at entries with unknown fields apart.
        let have_unknown = self.entries.have_unknown(first);
        let mut entries = (first..).map_while(|index| self.entries.get(index));
        if (have_unknown || found.fields & !(numbers.bit | others.bit) != 0)
            && entries.any(|entry| {
                own_field(entry.key).is_some_and(|field| have_unknown || found.has(field))
            })
        {
            return Err(Unsure);
        }
        let mut content = None;
        if found.has(others) {
            let data = found.reader(others)?.bytes()?;
            let first = self.struct_entries(data)?;
            for entry in (first..).map_while(|index| self.entries.get(index)) {
                let Some(field) = own_field(entry.key) else {
                    continue;
                };
                // Numbers are unsure in any case.
                let is_time = matches!(opaque_kind(entry.value)?, OpaqueKind::Text(text)
                    if field.kind == Kind::Message && may_be_time(text));
                if is_time || found.has(field) {
                    return Err(Unsure);
                }
            }
            self.entries.finish(first);
            content = Some(data);
        }
        self.pair(numbers, first, content, depth)
    }
}

/// The kind of a google.protobuf.Value.
pub(super) enum OpaqueKind<'a> {
    Number,
    Text(&'a [u8]),
    Other,
}

/// Returns the kind of an encoded Value, which has a length before it. The last kind counts, and
/// writing the value is unsure if there are several.
pub(super) fn opaque_kind(value: &[u8]) -> R<OpaqueKind<'_>> {
    let mut kind = OpaqueKind::Other;
    let mut reader = Reader::new(Reader::new(value).bytes()?);
    while !reader.is_empty() {
        match reader.tag()? {
            (2, wire_type) => {
                reader.skip(wire_type)?;
                kind = OpaqueKind::Number;
            }
            (3, WireType::Bytes) => kind = OpaqueKind::Text(reader.bytes()?),
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    Ok(kind)
}
