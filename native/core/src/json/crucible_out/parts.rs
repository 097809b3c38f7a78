//! Content parts, whose type is the name of a kind, and the choice of a tool.

use super::found::{FEW, find};
use super::maps::{OpaqueKind, opaque_kind};
use super::{Writer, field_of};
use crate::json::crucible_tables::{CrucibleJson, Shape};
use crate::json::crucible_words::is_other_kind;
use crate::json::opaque_out::{enclose, write_struct};
use crate::json::text::put_string;
use crate::tables::{Kind, Message};
use crate::unsure::{R, Unsure};
use crate::wire::MAX_DEPTH;

impl<'a> Writer<'a, '_> {
    /// Appends the choice of a tool.
    pub(super) fn choice(
        &mut self,
        message: &'a Message,
        table: &CrucibleJson,
        data: &'a [u8],
    ) -> R<()> {
        let found = find::<FEW>(message, table, data)?;
        let [mode, name] = &table.keys[..] else {
            return Err(Unsure);
        };
        let (mode_field, name_field) = (
            field_of(message, mode.field)?,
            field_of(message, name.field)?,
        );
        if found.has(name_field) {
            let start = self.out.len();
            self.out.extend_from_slice(&name.label);
            put_string(self.out, found.reader(name_field)?.bytes()?)?;
            enclose(self.out, start, b'{', b'}');
        } else if found.has(mode_field) {
            let number = found.reader(mode_field)?.varint()? as i32;
            self.put_enum(mode_field, number)?;
        } else {
            self.out.extend_from_slice(b"null");
        }
        Ok(())
    }

    /// Appends a content part.
    pub(super) fn part(
        &mut self,
        message: &'a Message,
        table: &'a CrucibleJson,
        data: &'a [u8],
        depth: u32,
    ) -> R<()> {
        let found = find::<FEW>(message, table, data)?;
        let other = field_of(message, table.other)?;
        if found.has(other) {
            // Such a part contains its signature and metadata.
            if found.fields != other.bit {
                return Err(Unsure);
            }
            let content = found.reader(other)?.bytes()?;
            let first = self.struct_entries(content)?;
            let mut kinds = (first..)
                .map_while(|index| self.entries.get(index))
                .filter(|entry| *entry.key == *b"type");
            let (kind, second) = (kinds.next().ok_or(Unsure)?, kinds.next());
            self.entries.finish(first);
            match opaque_kind(kind.value)? {
                OpaqueKind::Text(kind) if second.is_none() && is_other_kind(table, kind) => {
                    return write_struct(
                        self.style,
                        self.out,
                        &mut self.entries,
                        content,
                        depth + 1,
                    );
                }
                _ => return Err(Unsure),
            }
        }
        let mut kinds = table.kinds.iter();
        let key = kinds
            .find(|key| {
                message
                    .fields
                    .get(usize::from(key.field))
                    .is_some_and(|f| found.has(f))
            })
            .ok_or(Unsure)?;
        let field = field_of(message, key.field)?;
        self.out.extend_from_slice(b"{\"type\":\"");
        self.out.extend_from_slice(&key.name);
        self.out.push(b'"');
        let mut reader = found.reader(field)?;
        if field.kind == Kind::Message {
            let inside = self.tables.message_of(field);
            let table = inside.crucible.as_ref().ok_or(Unsure)?;
            let content = reader.bytes()?;
            if table.shape != Shape::Object || depth + 1 > MAX_DEPTH {
                return Err(Unsure);
            }
            self.members(inside, table, content, depth + 1)?;
        } else {
            self.out.extend_from_slice(&key.label);
            self.single(field, &mut reader, depth)?;
        }
        for key in &table.keys {
            let field = field_of(message, key.field)?;
            if found.has(field) {
                self.out.extend_from_slice(&key.label);
                self.single(field, &mut found.reader(field)?, depth)?;
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}
