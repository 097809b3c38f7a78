//! Open vocabularies: a short name is an enum value, and any other string a custom name.

use super::{Reader, field_of};
use crate::json::crucible_tables::Key;
use crate::json::sink::{close, put_bytes, put_tag};
use crate::tables::{Field, Message};
use crate::unsure::{R, Unsure};
use crate::wire::put_varint;

impl<'t> Reader<'t, '_, '_> {
    /// Reads a name of an open vocabulary.
    #[inline]
    pub(super) fn vocabulary(&mut self, message: &'t Message, key: &Key, field: &Field) -> R<()> {
        let name = self.input.scan.string(&mut self.input.buffer)?;
        match self.tables.enum_of(field).short_names.number(name) {
            Some(number) => {
                put_tag(self.input.out, &field.tag);
                put_varint(self.input.out, i64::from(number) as u64);
            }
            None => {
                put_tag(self.input.out, &field_of(message, key.second)?.tag);
                put_bytes(self.input.out, name);
            }
        }
        Ok(())
    }

    /// Reads a list of an open vocabulary into two lists.
    pub(super) fn vocabulary_list(
        &mut self,
        message: &'t Message,
        key: &Key,
        field: &Field,
    ) -> R<()> {
        let custom = field_of(message, key.second)?;
        if self.input.scan.open(b'[', b']')? {
            return Ok(());
        }
        if !field.packed || custom.number < field.number {
            return Err(Unsure);
        }
        let before = self.input.out.len();
        let start = self.open_packed(field);
        self.customs.clear();
        loop {
            let name = self.input.scan.string(&mut self.input.buffer)?;
            match self.tables.enum_of(field).short_names.number(name) {
                Some(number) => put_varint(self.input.out, i64::from(number) as u64),
                None => {
                    self.customs.extend_from_slice(&custom.tag);
                    put_bytes(&mut self.customs, name);
                }
            }
            if !self.input.scan.more(b']')? {
                break;
            }
        }
        if self.input.out.len() == start {
            self.input.out.truncate(before);
        } else {
            close(self.input.out, start);
        }
        self.input.out.extend_from_slice(&self.customs);
        Ok(())
    }
}
