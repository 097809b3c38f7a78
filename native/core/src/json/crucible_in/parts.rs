//! Content parts, whose type is the name of a kind, and the choice of a tool.

use super::{Order, Reader, field_of};
use crate::json::crucible_tables::{CrucibleJson, Key, MAX_BESIDE, Shape};
use crate::json::crucible_words::is_other_kind;
use crate::json::scan::Scanner;
use crate::json::sink::{close, open, put_tag};
use crate::tables::{Kind, Message};
use crate::unsure::{R, Unsure};
use crate::wire::MAX_DEPTH;

/// The members of a part that are not those of its kind, which are read after those.
pub(super) struct Beside<'p, 'a> {
    table: &'p CrucibleJson,
    /// The positions of the values of the keys of the table, then that of the type.
    values: [Option<Scanner<'a>>; MAX_BESIDE + 1],
}

impl Beside<'_, '_> {
    /// Returns the position of a key among the values.
    pub(super) fn position(&self, name: &[u8]) -> R<usize> {
        if name == b"type" {
            return Ok(MAX_BESIDE);
        }
        self.table.position(name).ok_or(Unsure)
    }
}

impl<'t, 'a> Reader<'t, 'a, '_> {
    /// Reads the choice of a tool.
    pub(super) fn choice(&mut self, message: &'t Message, table: &'t CrucibleJson) -> R<()> {
        let [mode, name] = &table.keys[..] else {
            return Err(Unsure);
        };
        if self.input.scan.peek() == b'"' {
            return self.singular(field_of(message, mode.field)?, 0);
        }
        if self.input.scan.open(b'{', b'}')? {
            return Err(Unsure);
        }
        let key = self.input.scan.string(&mut self.input.buffer)?;
        if *key != *name.name {
            return Err(Unsure);
        }
        self.input.scan.colon()?;
        self.singular(field_of(message, name.field)?, 0)?;
        if self.input.scan.more(b'}')? {
            Err(Unsure)
        } else {
            Ok(())
        }
    }

    /// Reads a content part.
    pub(super) fn part(
        &mut self,
        message: &'t Message,
        table: &'t CrucibleJson,
        depth: u32,
    ) -> R<()> {
        let again = self.input.scan;
        let position = self.kind(table, depth)?;
        self.input.scan = again;
        let Some(position) = position else {
            let field = field_of(message, table.other)?;
            put_tag(self.input.out, &field.tag);
            let start = open(self.input.out);
            if depth + 1 > MAX_DEPTH {
                return Err(Unsure);
            }
            self.input.opaque_struct(depth + 1)?;
            close(self.input.out, start);
            return Ok(());
        };
        let kind = table.kinds.get(position).ok_or(Unsure)?;
        let field = field_of(message, kind.field)?;
        let before = self.input.out.len();
        let mut order = Order::new();
        let mut beside = Beside {
            table,
            values: [None; MAX_BESIDE + 1],
        };
        put_tag(self.input.out, &field.tag);
        if field.kind == Kind::Message {
            let inside = self.tables.message_of(field);
            let content = inside.crucible.as_ref().ok_or(Unsure)?;
            if content.shape != Shape::Object || depth + 1 > MAX_DEPTH {
                return Err(Unsure);
            }
            let start = open(self.input.out);
            self.object(inside, content, Some(&mut beside), depth + 1)?;
            close(self.input.out, start);
        } else {
            self.string_part(kind, &mut beside, depth)?;
        }
        order.add(field.number, field.number);
        let end = self.input.scan;
        for (key, value) in table.keys.iter().zip(beside.values) {
            let Some(value) = value else { continue };
            self.input.scan = value;
            if value.peek() != b'n' {
                let field = field_of(message, key.field)?;
                self.singular(field, depth)?;
                order.add(field.number, field.number);
            }
        }
        self.input.scan = end;
        self.sort(order, before)
    }

    /// Finds the type of a part and returns the position of its kind; `None` for another type.
    fn kind(&mut self, table: &CrucibleJson, depth: u32) -> R<Option<usize>> {
        if self.input.scan.open(b'{', b'}')? {
            return Err(Unsure);
        }
        loop {
            let is_type = self.input.scan.string(&mut self.input.buffer)? == b"type";
            self.input.scan.colon()?;
            if is_type {
                let name = self.input.scan.string(&mut self.input.buffer)?;
                let position = table.kinds.iter().position(|kind| *kind.name == *name);
                if position.is_none() && !is_other_kind(table, name) {
                    return Err(Unsure);
                }
                return Ok(position);
            }
            self.skip_value(depth)?;
            if !self.input.scan.more(b'}')? {
                return Err(Unsure);
            }
        }
    }

    /// Reads a part whose kind is a string, and writes the string.
    fn string_part(&mut self, kind: &Key, beside: &mut Beside<'_, 'a>, depth: u32) -> R<()> {
        self.input.scan.open(b'{', b'}')?;
        let mut has_string = false;
        loop {
            let name = self.input.scan.string(&mut self.input.buffer)?;
            if *name != *kind.name {
                let position = beside.position(name)?;
                self.leave(beside, position, depth)?;
            } else if has_string {
                return Err(Unsure);
            } else {
                has_string = true;
                self.input.scan.colon()?;
                self.input.string()?;
            }
            if !self.input.scan.more(b'}')? {
                return if has_string { Ok(()) } else { Err(Unsure) };
            }
        }
    }

    /// Skips the colon and the value of a key beside the kind, which has not been given before.
    pub(super) fn leave(
        &mut self,
        beside: &mut Beside<'_, 'a>,
        position: usize,
        depth: u32,
    ) -> R<()> {
        self.input.scan.colon()?;
        let value = beside.values.get_mut(position).ok_or(Unsure)?;
        if value.is_some() {
            return Err(Unsure);
        }
        *value = Some(self.input.scan);
        self.skip_value(depth)
    }
}
