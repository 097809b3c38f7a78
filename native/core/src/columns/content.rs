//! The values of columns: what a value of a field becomes in an array.

use std::collections::HashMap;
use std::mem::take;

use super::array::{Array, Bits, Buffer, Integers, Texts, offset, taken};
use super::rows::{Context, Rows};
use crate::json::columns_out::write_json;
use crate::rules::integer;
use crate::tables::{Field, Kind, Tables};
use crate::unsure::{R, Unsure};
use crate::wire::{Reader, seconds_and_nanos, utf8};

/// The first and the last second of the years 1 to 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

const NANOS_PER_SECOND: i32 = 1_000_000_000;

/// Values of one type, some of which are null.
pub(super) struct Content {
    valid: Bits,
    what: What,
    /// What the values cannot express: the numbers of enum values without a name, or the nanoseconds
    /// of timestamps. Their list has a length of its own.
    pub beside: Option<Integers>,
}

pub(super) enum What {
    Scalar(Scalars),
    Enum(Vocabulary),
    Timestamp(Vec<i64>),
    Json(Texts),
    Struct(Box<Rows>),
}

impl Content {
    pub fn new(what: What) -> Self {
        let has_beside = matches!(what, What::Enum(_) | What::Timestamp(_));
        Self {
            valid: Bits::default(),
            what,
            beside: has_beside.then(Integers::default),
        }
    }

    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// The vocabulary of enum values.
    #[inline(always)]
    pub fn vocabulary(&mut self) -> R<&mut Vocabulary> {
        match &mut self.what {
            What::Enum(vocabulary) => Ok(vocabulary),
            _ => Err(Unsure),
        }
    }

    /// Appends a value from its encoded form without the tag.
    #[inline]
    pub fn push<'a>(
        &mut self,
        context: &mut Context<'a>,
        field: &Field,
        reader: &mut Reader<'a>,
        depth: u32,
    ) -> R<()> {
        match &mut self.what {
            What::Scalar(scalars) => scalars.push(field.kind, reader)?,
            What::Enum(vocabulary) => {
                let number = reader.varint()? as i32;
                let found = vocabulary.push_number(number)?;
                let is_unset = number == 0 && !field.presence && field.is_singular();
                if let Some(beside) = &mut self.beside {
                    beside.push((!found && !is_unset).then_some(number));
                }
                self.valid.push(found);
                return Ok(());
            }
            What::Timestamp(micros) => {
                let (seconds, nanos) = seconds_and_nanos(reader.bytes()?)?;
                if !SECONDS.contains(&seconds) || !(0..NANOS_PER_SECOND).contains(&nanos) {
                    return Err(Unsure);
                }
                micros.push(seconds * 1_000_000 + i64::from(nanos / 1000));
                let rest = nanos % 1000;
                if let Some(beside) = &mut self.beside {
                    beside.push((rest != 0).then_some(rest));
                }
            }
            What::Json(texts) => {
                write_json(
                    context.tables,
                    context.tables.message_of(field),
                    &mut context.entries,
                    &mut texts.data,
                    reader.bytes()?,
                    depth + 1,
                )?;
                texts.close()?;
            }
            What::Struct(rows) => rows.push(context, reader.bytes()?, depth + 1)?,
        }
        self.valid.push(true);
        Ok(())
    }

    /// Appends a null, or the default of a field without presence.
    #[inline]
    pub fn push_unset(&mut self, context: &mut Context<'_>, is_null: bool) -> R<()> {
        match &mut self.what {
            What::Scalar(scalars) => scalars.push_zero()?,
            What::Enum(vocabulary) => vocabulary.indices.push(0),
            What::Timestamp(micros) => micros.push(0),
            What::Json(texts) => texts.close()?,
            What::Struct(rows) => rows.push(context, &[], 0)?,
        }
        if let Some(beside) = &mut self.beside {
            beside.push(None);
        }
        self.valid.push(!is_null);
        Ok(())
    }

    /// Appends a value of an enum by its index in the dictionary, and what is beside it.
    #[inline]
    pub fn push_index(&mut self, index: Option<i32>) -> R<()> {
        self.vocabulary()?.indices.push(index.unwrap_or(0));
        self.valid.push(index.is_some());
        Ok(())
    }

    /// Removes the values from a position on, but not those beside them.
    pub fn truncate(&mut self, length: usize) {
        self.valid.truncate(length);
        match &mut self.what {
            What::Scalar(scalars) => scalars.truncate(length),
            What::Enum(vocabulary) => vocabulary.indices.truncate(length),
            What::Timestamp(micros) => micros.truncate(length),
            What::Json(texts) => texts.truncate(length),
            What::Struct(rows) => rows.truncate(length),
        }
    }

    /// Returns the values, and those beside them.
    pub fn finish(&mut self) -> (Array, Option<Array>) {
        let valid = self.valid.take();
        let beside = self.beside.as_mut().map(Integers::take);
        match &mut self.what {
            What::Scalar(scalars) => (Array::new(valid, scalars.finish()), None),
            What::Enum(vocabulary) => (vocabulary.finish(valid), beside.map(Integers::finish)),
            What::Timestamp(micros) => (
                Array::new(valid, vec![Buffer::I64(taken(micros))]),
                beside.map(Integers::finish_short),
            ),
            What::Json(texts) => (Array::new(valid, texts.take().into_buffers()), None),
            What::Struct(rows) => {
                let array = Array::new(valid, Vec::new());
                (array.with_children(rows.finish()), None)
            }
        }
    }
}

/// Values that Arrow has a type for.
pub(super) enum Scalars {
    Bool(Bits),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Texts(Texts),
}

impl Scalars {
    /// Returns no values of a kind; `None` for enums and messages.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Bool => Self::Bool(Bits::default()),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Self::I32(Vec::new()),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Self::I64(Vec::new()),
            Kind::Uint32 | Kind::Fixed32 => Self::U32(Vec::new()),
            Kind::Uint64 | Kind::Fixed64 => Self::U64(Vec::new()),
            Kind::Float => Self::F32(Vec::new()),
            Kind::Double => Self::F64(Vec::new()),
            Kind::String | Kind::Bytes => Self::Texts(Texts::default()),
            Kind::Message | Kind::Enum => return None,
        })
    }

    #[inline(always)]
    fn push(&mut self, kind: Kind, reader: &mut Reader<'_>) -> R<()> {
        match self {
            Self::Texts(texts) => {
                let text = reader.bytes()?;
                if kind == Kind::String {
                    utf8(text)?;
                }
                texts.push(text)?;
            }
            Self::Bool(bits) => bits.push(reader.varint()? != 0),
            Self::I32(values) => values.push(match kind {
                Kind::Sfixed32 => reader.fixed32()? as i32,
                _ => integer(kind, reader.varint()?) as i32,
            }),
            Self::I64(values) => values.push(match kind {
                Kind::Sfixed64 => reader.fixed64()? as i64,
                _ => integer(kind, reader.varint()?),
            }),
            Self::U32(values) => values.push(match kind {
                Kind::Fixed32 => reader.fixed32()?,
                _ => reader.varint()? as u32,
            }),
            Self::U64(values) => values.push(match kind {
                Kind::Fixed64 => reader.fixed64()?,
                _ => reader.varint()?,
            }),
            Self::F32(values) => values.push(f32::from_bits(reader.fixed32()?)),
            Self::F64(values) => values.push(f64::from_bits(reader.fixed64()?)),
        }
        Ok(())
    }

    #[inline(always)]
    fn push_zero(&mut self) -> R<()> {
        match self {
            Self::Texts(texts) => return texts.close(),
            Self::Bool(bits) => bits.push(false),
            Self::I32(values) => values.push(0),
            Self::I64(values) => values.push(0),
            Self::U32(values) => values.push(0),
            Self::U64(values) => values.push(0),
            Self::F32(values) => values.push(0.0),
            Self::F64(values) => values.push(0.0),
        }
        Ok(())
    }

    fn truncate(&mut self, length: usize) {
        match self {
            Self::Texts(texts) => texts.truncate(length),
            Self::Bool(bits) => bits.truncate(length),
            Self::I32(values) => values.truncate(length),
            Self::I64(values) => values.truncate(length),
            Self::U32(values) => values.truncate(length),
            Self::U64(values) => values.truncate(length),
            Self::F32(values) => values.truncate(length),
            Self::F64(values) => values.truncate(length),
        }
    }

    fn finish(&mut self) -> Vec<Buffer> {
        vec![match self {
            Self::Texts(texts) => return texts.take().into_buffers(),
            Self::Bool(bits) => Buffer::U8(bits.take().into_bytes()),
            Self::I32(values) => Buffer::I32(taken(values)),
            Self::I64(values) => Buffer::I64(taken(values)),
            Self::U32(values) => Buffer::U32(taken(values)),
            Self::U64(values) => Buffer::U64(taken(values)),
            Self::F32(values) => Buffer::F32(taken(values)),
            Self::F64(values) => Buffer::F64(taken(values)),
        }]
    }
}

/// Names of enum values and custom names, in a dictionary in the order of their first use.
pub(super) struct Vocabulary {
    /// The numbers with their names, sorted by number.
    names: Vec<(i32, Box<[u8]>)>,
    /// The index of each of these names in the dictionary, if it is there.
    slots: Vec<Option<i32>>,
    customs: HashMap<Box<[u8]>, i32>,
    dictionary: Texts,
    indices: Vec<i32>,
    /// The index of the enum type.
    enumeration: usize,
}

impl Vocabulary {
    pub fn new(tables: &Tables, enumeration: usize) -> Self {
        let names = tables.enums[enumeration].short_names.by_number();
        let names: Vec<_> = names.map(|(number, name)| (number, name.into())).collect();
        Self {
            enumeration,
            slots: vec![None; names.len()],
            names,
            customs: HashMap::new(),
            dictionary: Texts::default(),
            indices: Vec::new(),
        }
    }

    /// Appends the name of a number, or a null; returns if there is a name.
    #[inline(always)]
    fn push_number(&mut self, number: i32) -> R<bool> {
        let index = self.index_of(number)?;
        self.indices.push(index.unwrap_or(0));
        Ok(index.is_some())
    }

    /// Returns the index of the name of a number, if it has one.
    #[inline(always)]
    pub fn index_of(&mut self, number: i32) -> R<Option<i32>> {
        // Most enums number their values from 1 on.
        let expected = (number as usize).wrapping_sub(1);
        let at = match self.names.get(expected) {
            Some(name) if name.0 == number => expected,
            _ => match self.names.binary_search_by_key(&number, |name| name.0) {
                Ok(at) => at,
                Err(_) => return Ok(None),
            },
        };
        self.index_at(at).map(Some)
    }

    #[inline(always)]
    fn index_at(&mut self, at: usize) -> R<i32> {
        match self.slots[at] {
            Some(index) => Ok(index),
            None => {
                let index = offset(self.dictionary.len())?;
                self.dictionary.push(&self.names[at].1)?;
                self.slots[at] = Some(index);
                Ok(index)
            }
        }
    }

    /// Returns the index of a custom name, and if it is a documented name too.
    pub fn index_of_custom(&mut self, tables: &Tables, text: &[u8]) -> R<(i32, bool)> {
        let documented = tables.enums[self.enumeration].short_names.number(text);
        if let Some(number) = documented
            && let Some(index) = self.index_of(number)?
            && self.dictionary.get(index) == text
        {
            return Ok((index, true));
        }
        let index = match self.customs.get(text) {
            Some(index) => *index,
            None => {
                let index = offset(self.dictionary.len())?;
                self.dictionary.push(text)?;
                self.customs.insert(text.into(), index);
                index
            }
        };
        Ok((index, documented.is_some()))
    }

    fn finish(&mut self, valid: Bits) -> Array {
        self.slots.fill(None);
        self.customs.clear();
        let dictionary = take(&mut self.dictionary);
        let length = dictionary.len();
        Array {
            dictionary: Some(Box::new(Array::full(length, dictionary.into_buffers()))),
            ..Array::new(valid, vec![Buffer::I32(taken(&mut self.indices))])
        }
    }
}
