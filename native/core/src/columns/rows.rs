//! Messages as rows: each field of a message is a cell of a column.

use std::mem::take;

use super::array::{Array, Bits, Buffer, Integers, Texts, last, offset};
use super::content::Content;
use crate::json::entries::Entries;
use crate::tables::{Cardinality, Field, Tables};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, Reader, WireType, utf8};

/// What the rows of one input share.
pub(super) struct Context<'a> {
    pub tables: &'a Tables,
    pub entries: Entries<'a>,
    /// Whether unknown fields are skipped; if not, they are unsure.
    pub skips_unknown: bool,
}

/// The rows of a message type.
pub(super) struct Rows {
    message: usize,
    columns: Vec<Column>,
    /// The index of the column of each field.
    of_field: Vec<u8>,
}

/// The cells of a field, or of both fields of an open vocabulary.
pub(super) struct Column {
    /// The bits of its fields.
    pub bits: u64,
    /// The bit of the field for custom names, if there is one.
    pub custom: u64,
    /// Whether unset is null; if not, it is the default.
    pub is_nullable: bool,
    pub form: Form,
    pub content: Content,
}

pub(super) enum Form {
    Singular,
    /// A list, and the list of what is beside its items.
    List(Lists, Lists),
    /// A map with its keys.
    Map(Lists, Texts),
    /// An open vocabulary, and the custom names that are also documented names, or empty.
    Open(Bits, Texts),
    OpenList(Box<OpenLists>),
}

/// Where lists are in the list of all items.
pub(super) struct Lists {
    valid: Bits,
    offsets: Vec<i32>,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            valid: Bits::default(),
            offsets: vec![0],
        }
    }
}

impl Lists {
    #[inline(always)]
    fn push(&mut self, is_valid: bool, end: usize) -> R<()> {
        self.valid.push(is_valid);
        self.offsets.push(offset(end)?);
        Ok(())
    }

    /// The end of the last list.
    fn end(&self) -> usize {
        last(&self.offsets)
    }

    fn truncate(&mut self, length: usize) {
        self.valid.truncate(length);
        self.offsets.truncate(length + 1);
    }

    fn finish(&mut self, items: Array) -> Array {
        let lists = take(self);
        Array::new(lists.valid, vec![Buffer::I32(lists.offsets)]).with_children(vec![items])
    }
}

/// The lists of an open vocabulary, and the exact lists where these are not the same.
#[derive(Default)]
pub(super) struct OpenLists {
    lists: Lists,
    numbers: (Lists, Integers),
    customs: (Lists, Texts),
    /// The numbers and custom names of the row that is filled.
    row_numbers: Vec<i32>,
    row_customs: Texts,
}

impl Rows {
    /// Returns no rows of a message type, given its columns; `None` if a field has no column.
    pub fn new(tables: &Tables, message: usize, columns: Vec<Column>) -> Option<Self> {
        let fields = &tables.messages.get(message)?.fields;
        let of_field = fields.iter().map(|field| {
            let at = columns
                .iter()
                .position(|column| column.bits & field.bit != 0)?;
            u8::try_from(at).ok()
        });
        Some(Self {
            message,
            of_field: of_field.collect::<Option<_>>()?,
            columns,
        })
    }

    /// Appends a message. If that is unsure, the columns may have got cells.
    #[inline]
    pub fn push<'a>(&mut self, context: &mut Context<'a>, data: &'a [u8], depth: u32) -> R<()> {
        if depth > MAX_DEPTH {
            return Err(Unsure);
        }
        let tables = context.tables;
        let message = &tables.messages[self.message];
        let mut seen = 0;
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let Some(field) = message.field(number) else {
                if !context.skips_unknown {
                    return Err(Unsure);
                }
                reader.skip(wire_type)?;
                continue;
            };
            let column = &mut self.columns[usize::from(self.of_field[usize::from(field.index)])];
            if field.cardinality == Cardinality::Singular {
                // The last value counts, and messages are merged.
                if seen & (field.bit | field.siblings) != 0 || wire_type != field.kind.wire_type() {
                    return Err(Unsure);
                }
                column.push(context, field, &mut reader, depth)?;
            } else {
                column.push_items(context, field, wire_type, &mut reader, depth, seen)?;
            }
            seen |= field.bit;
        }
        for column in &mut self.columns {
            column.close(context, seen & column.bits != 0)?;
        }
        Ok(())
    }

    pub fn truncate(&mut self, length: usize) {
        for column in &mut self.columns {
            column.truncate(length);
        }
    }

    /// Returns the arrays of all columns, those beside others included.
    pub fn finish(&mut self) -> Vec<Array> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            column.finish(&mut arrays);
        }
        arrays
    }
}

impl Column {
    /// Appends the value of a field.
    #[inline]
    fn push<'a>(
        &mut self,
        context: &mut Context<'a>,
        field: &Field,
        reader: &mut Reader<'a>,
        depth: u32,
    ) -> R<()> {
        let Form::Open(valid, exact) = &mut self.form else {
            return self.content.push(context, field, reader, depth);
        };
        if field.bit != self.custom {
            valid.push(false);
            exact.close()?;
            return self.content.push(context, field, reader, depth);
        }
        let text = reader.bytes()?;
        utf8(text)?;
        let vocabulary = self.content.vocabulary()?;
        let (index, is_documented) = vocabulary.index_of_custom(context.tables, text)?;
        let is_kept = text.is_empty() || is_documented;
        valid.push(is_kept);
        exact.push(if is_kept { text } else { &[] })?;
        if let Some(beside) = &mut self.content.beside {
            beside.push(None);
        }
        self.content.push_index(Some(index))
    }

    /// Appends items of a list, or entries of a map.
    fn push_items<'a>(
        &mut self,
        context: &mut Context<'a>,
        field: &Field,
        wire_type: WireType,
        reader: &mut Reader<'a>,
        depth: u32,
        seen: u64,
    ) -> R<()> {
        let is_packed = wire_type != field.kind.wire_type();
        if is_packed && (wire_type != WireType::Bytes || field.cardinality != Cardinality::List) {
            return Err(Unsure);
        }
        match &mut self.form {
            Form::List(..) if is_packed => {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    self.content.push(context, field, &mut packed, depth)?;
                }
                Ok(())
            }
            Form::List(..) => self.content.push(context, field, reader, depth),
            Form::Map(_, keys) => {
                // Entries in several places are unsure.
                if seen & field.bit != 0 {
                    return Err(Unsure);
                }
                push_entries(&mut self.content, keys, context, field, reader, depth)
            }
            Form::OpenList(open) if field.bit == self.custom => {
                let text = reader.bytes()?;
                utf8(text)?;
                open.row_customs.push(text)
            }
            Form::OpenList(open) => {
                if !is_packed {
                    open.row_numbers.push(reader.varint()? as i32);
                    return Ok(());
                }
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    open.row_numbers.push(packed.varint()? as i32);
                }
                Ok(())
            }
            _ => Err(Unsure),
        }
    }

    /// Ends the cell of a row.
    #[inline(always)]
    fn close(&mut self, context: &mut Context<'_>, is_set: bool) -> R<()> {
        match &mut self.form {
            Form::Singular | Form::Open(..) if is_set => Ok(()),
            Form::Singular => self.content.push_unset(context, self.is_nullable),
            Form::Open(valid, exact) => {
                valid.push(false);
                exact.close()?;
                self.content.push_unset(context, true)
            }
            Form::Map(lists, _) => lists.push(true, self.content.len()),
            Form::List(lists, lists_beside) => {
                lists.push(true, self.content.len())?;
                if let Some(beside) = &mut self.content.beside {
                    let start = lists_beside.end();
                    let is_used = beside.valid.any_from(start);
                    if !is_used {
                        beside.truncate(start);
                    }
                    lists_beside.push(is_used, beside.len())?;
                }
                Ok(())
            }
            Form::OpenList(open) => open.close(context.tables, &mut self.content),
        }
    }

    fn truncate(&mut self, length: usize) {
        match &mut self.form {
            Form::Singular => {
                self.content.truncate(length);
                if let Some(beside) = &mut self.content.beside {
                    beside.truncate(length);
                }
            }
            Form::Open(valid, exact) => {
                valid.truncate(length);
                exact.truncate(length);
                self.content.truncate(length);
                if let Some(beside) = &mut self.content.beside {
                    beside.truncate(length);
                }
            }
            Form::List(lists, lists_beside) => {
                lists.truncate(length);
                self.content.truncate(lists.end());
                if let Some(beside) = &mut self.content.beside {
                    lists_beside.truncate(length);
                    beside.truncate(lists_beside.end());
                }
            }
            Form::Map(lists, keys) => {
                lists.truncate(length);
                keys.truncate(lists.end());
                self.content.truncate(lists.end());
            }
            Form::OpenList(open) => {
                open.truncate(length);
                self.content.truncate(open.lists.end());
            }
        }
    }

    fn finish(&mut self, arrays: &mut Vec<Array>) {
        let (main, beside) = self.content.finish();
        match &mut self.form {
            Form::Singular => {
                arrays.push(main);
                arrays.extend(beside);
            }
            Form::Open(valid, exact) => {
                arrays.push(main);
                arrays.extend(beside);
                arrays.push(Array::new(valid.take(), exact.take().into_buffers()));
            }
            Form::List(lists, lists_beside) => {
                arrays.push(lists.finish(main));
                arrays.extend(beside.map(|beside| lists_beside.finish(beside)));
            }
            Form::Map(lists, keys) => {
                let keys = keys.take();
                let keys = Array::full(keys.len(), keys.into_buffers());
                let entries = Array::full(keys.length, Vec::new());
                arrays.push(lists.finish(entries.with_children(vec![keys, main])));
            }
            Form::OpenList(open) => {
                arrays.push(open.lists.finish(main));
                let numbers = open.numbers.1.take().finish();
                arrays.push(open.numbers.0.finish(numbers));
                let customs = open.customs.1.take();
                let customs = Array::full(customs.len(), customs.into_buffers());
                arrays.push(open.customs.0.finish(customs));
            }
        }
    }
}

/// Appends consecutive entries of a map, sorted by key.
fn push_entries<'a>(
    content: &mut Content,
    keys: &mut Texts,
    context: &mut Context<'a>,
    field: &Field,
    reader: &mut Reader<'a>,
    depth: u32,
) -> R<()> {
    let (_, value) = context.tables.entry_of(field).ok_or(Unsure)?;
    let first = context.entries.start();
    context
        .entries
        .add(reader.bytes()?, value.kind.wire_type())?;
    loop {
        let mut ahead = *reader;
        if ahead.is_empty() || ahead.tag()? != (field.number, WireType::Bytes) {
            break;
        }
        *reader = ahead;
        context
            .entries
            .add(reader.bytes()?, value.kind.wire_type())?;
    }
    // Such an entry is an unknown field itself for protobuf's C library.
    if context.entries.have_unknown(first) {
        return Err(Unsure);
    }
    context.entries.sort(first, |one, other| one.cmp(other))?;
    let mut index = first;
    while let Some(entry) = context.entries.get(index) {
        utf8(entry.key)?;
        keys.push(entry.key)?;
        // The entry is a message, and counts as a level.
        content.push(context, value, &mut Reader::new(entry.value), depth + 1)?;
        index += 1;
    }
    context.entries.finish(first);
    Ok(())
}

impl OpenLists {
    /// Ends the lists of a row: the names of the enum values, and then the custom names.
    fn close(&mut self, tables: &Tables, content: &mut Content) -> R<()> {
        let mut is_exact = true;
        for number in &self.row_numbers {
            match content.vocabulary()?.index_of(*number)? {
                Some(index) => content.push_index(Some(index))?,
                None => is_exact = false,
            }
        }
        for text in self.row_customs.iter() {
            let vocabulary = content.vocabulary()?;
            let (index, is_documented) = vocabulary.index_of_custom(tables, text)?;
            is_exact &= !is_documented;
            content.push_index(Some(index))?;
        }
        self.lists.push(true, content.len())?;
        if !is_exact {
            for number in &self.row_numbers {
                self.numbers.1.push(Some(*number));
            }
            for text in self.row_customs.iter() {
                self.customs.1.push(text)?;
            }
        }
        self.numbers.0.push(!is_exact, self.numbers.1.len())?;
        self.customs.0.push(!is_exact, self.customs.1.len())?;
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.row_numbers.clear();
        self.row_customs.truncate(0);
    }

    fn truncate(&mut self, length: usize) {
        self.clear();
        self.lists.truncate(length);
        self.numbers.0.truncate(length);
        self.numbers.1.truncate(self.numbers.0.end());
        self.customs.0.truncate(length);
        self.customs.1.truncate(self.customs.0.end());
    }
}
