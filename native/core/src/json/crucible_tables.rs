//! The message types in Crucible JSON, as `tables.binpb` describes them.

use super::keys::KeyIndex;
use crate::tables::{
    Cardinality, EnumValue, Field, Kind, Loaded, Message, Tables, TablesError, WellKnown,
    each_field,
};
use crate::wire::Reader;

/// The most keys beside those of the kind of a part.
pub(crate) const MAX_BESIDE: usize = 3;

/// How a message type is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// An object with the keys.
    Object,
    /// The list of the only field.
    List,
    /// The short name of an enum value, or an object with the key of the string.
    Choice,
    /// An object whose type is one of the kinds.
    Part,
    /// An object with the members of a pair, and fields among them.
    Snapshot,
}

/// How the value of a key is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// The value of the field.
    Value,
    /// A short name in the enum field, or any other string in the second field.
    Vocabulary,
    /// Short names in the list of enum values, and other strings in the second field.
    VocabularyList,
    /// An object: numbers in the map, and other values in the second field, a Struct.
    Pair,
    /// A string in the field, and any other value in the second field.
    StringOr,
}

/// A key of an object.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: Box<[u8]>,
    /// The key with the punctuation around it, as in `,"name":`.
    pub(crate) label: Box<[u8]>,
    pub(crate) form: Form,
    /// The index of the field, and of the second one; of the same if there is no second.
    pub(crate) field: u8,
    pub(crate) second: u8,
    /// The start and the end of the value for unset fields in the template, if they have a key.
    pub(crate) unset: Option<(u32, u32)>,
    /// Whether an empty object leaves the field unset.
    pub(crate) empty_is_unset: bool,
    /// The encoded field that a missing key sets, and its number.
    pub(crate) default: Box<[u8]>,
    pub(crate) default_number: u32,
    /// The lowest and the highest number of the fields.
    pub(crate) first_number: u32,
    pub(crate) last_number: u32,
    /// The bits of the other keys of its oneof, by position.
    pub(crate) siblings: u64,
}

/// A message type in Crucible JSON.
#[derive(Debug)]
pub(crate) struct CrucibleJson {
    pub(crate) shape: Shape,
    /// The keys in the order of writing.
    pub(crate) keys: Vec<Key>,
    /// The kinds of a part.
    pub(crate) kinds: Vec<Key>,
    /// The index of the field for parts of another kind.
    pub(crate) other: u8,
    /// The members of a message without set fields, each after a comma.
    pub(crate) template: Box<[u8]>,
    /// The bit of the position of its key, for each field.
    pub(crate) bits: Box<[u64]>,
    /// The bits of the enum fields that are unset if they are zero.
    pub(crate) vocabularies: u64,
    /// The bits of the positions of the keys with a default.
    pub(crate) defaults: u64,
    /// The position of each key.
    by_name: KeyIndex,
}

impl CrucibleJson {
    /// Reads a message type whose fields have been read.
    pub(crate) fn load(data: &[u8], fields: &[Field]) -> Loaded<Self> {
        let mut table = CrucibleJson {
            shape: Shape::Object,
            keys: Vec::new(),
            kinds: Vec::new(),
            other: 0,
            template: Box::default(),
            bits: vec![0; fields.len()].into(),
            vocabularies: 0,
            defaults: 0,
            by_name: KeyIndex::default(),
        };
        let mut template = Vec::new();
        each_field(data, |number, value| {
            match number {
                1 => {
                    table.shape = match value.number()? {
                        0 => Shape::Object,
                        1 => Shape::List,
                        2 => Shape::Choice,
                        3 => Shape::Part,
                        4 => Shape::Snapshot,
                        _ => return Err(TablesError("an unknown shape")),
                    }
                }
                2 => table
                    .keys
                    .push(load_key(value.bytes()?, fields, &mut template)?),
                3 => table
                    .kinds
                    .push(load_key(value.bytes()?, fields, &mut template)?),
                4 => table.other = field_index(value.index()?, fields)?,
                _ => return Err(TablesError("an unknown part of Crucible JSON")),
            }
            Ok(())
        })?;
        for (position, key) in table.keys.iter().enumerate() {
            let bit = 1u64
                .checked_shl(position as u32)
                .ok_or(TablesError("too many keys"))?;
            for field in [key.field, key.second] {
                table.bits[usize::from(field)] |= bit;
            }
            if key.form == Form::Vocabulary {
                table.vocabularies |= fields[usize::from(key.field)].bit;
            }
            if !key.default.is_empty() {
                table.defaults |= bit;
            }
        }
        if table.shape == Shape::Object && table.bits.iter().any(|bit| bit.count_ones() != 1) {
            return Err(TablesError("a field has no key or several"));
        }
        for (position, key) in table.keys.iter_mut().enumerate() {
            let others = fields[usize::from(key.field)].siblings;
            let taken = fields
                .iter()
                .filter(|field| others & field.bit != 0)
                .fold(0, |bits, field| bits | table.bits[usize::from(field.index)]);
            key.siblings = taken & !(1 << position);
        }
        table.template = template.into();
        table.by_name = index(&table.keys);
        Ok(table)
    }

    /// Returns the position of a key.
    #[inline(always)]
    pub(crate) fn position(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).map(usize::from)
    }

    /// Returns the position of the key of a field.
    #[inline(always)]
    pub(crate) fn position_of(&self, field: &Field) -> usize {
        let bits = self.bits.get(usize::from(field.index));
        bits.map_or(self.keys.len(), |bits| bits.trailing_zeros() as usize)
    }

    /// Returns whether a field is unset if it is zero.
    #[inline(always)]
    pub(crate) fn zero_is_unset(&self, field: &Field) -> bool {
        !field.presence || self.vocabularies & field.bit != 0
    }

    /// Checks that the fields have the types that the table expects.
    pub(crate) fn check(&self, message: &Message, tables: &Tables) -> Loaded<()> {
        let field = |index: u8| &message.fields[usize::from(index)];
        let is_struct = |field: &Field| {
            is_singular(field, Kind::Message)
                && tables.message_of(field).well_known == WellKnown::Struct
        };
        let keys = self.keys.iter().chain(&self.kinds);
        let keys_fit = keys.clone().all(|key| {
            let (first, second) = (field(key.field), field(key.second));
            match key.form {
                Form::Value => key.field == key.second,
                Form::Vocabulary => {
                    is_singular(first, Kind::Enum) && is_singular(second, Kind::String)
                }
                Form::VocabularyList => {
                    key.unset.is_some()
                        && is_list(first, Kind::Enum)
                        && is_list(second, Kind::String)
                }
                Form::Pair => {
                    let entry = tables.entry_of(first);
                    entry.is_some_and(|(key, value)| {
                        key.kind == Kind::String && value.kind == Kind::Double
                    }) && is_struct(second)
                        && (self.shape == Shape::Snapshot || key.unset.is_some())
                }
                Form::StringOr => {
                    let is_list = is_singular(second, Kind::Message)
                        && tables
                            .message_of(second)
                            .crucible
                            .as_ref()
                            .is_some_and(|table| table.shape == Shape::List);
                    is_singular(first, Kind::String) && (is_list || is_struct(second))
                }
            }
        });
        let shape_fits = match self.shape {
            Shape::Object => self.kinds.is_empty(),
            Shape::List => {
                matches!(&self.keys[..], [key] if is_list(field(key.field), Kind::Message))
            }
            Shape::Choice => matches!(
                &self.keys[..],
                [mode, name] if is_singular(field(mode.field), Kind::Enum)
                    && is_singular(field(name.field), Kind::String)
            ),
            Shape::Part => {
                is_struct(field(self.other))
                    && self.keys.len() <= MAX_BESIDE
                    && self.keys.iter().all(|key| {
                        is_singular(field(key.field), Kind::String) || is_struct(field(key.field))
                    })
                    && self.kinds.iter().all(|key| {
                        let kind = field(key.field);
                        is_singular(kind, Kind::String)
                            || is_singular(kind, Kind::Message)
                                && tables.message_of(kind).well_known == WellKnown::None
                    })
            }
            Shape::Snapshot => matches!(
                self.keys.split_last(),
                Some((pair, own)) if pair.form == Form::Pair && own.iter().all(|key| {
                    let own = field(key.field);
                    is_singular(own, Kind::Int32)
                        || is_singular(own, Kind::Double)
                        || is_singular(own, Kind::Message)
                            && tables.message_of(own).well_known == WellKnown::Timestamp
                })
            ),
        };
        if keys_fit && shape_fits {
            Ok(())
        } else {
            Err(TablesError("the keys of a message do not fit its fields"))
        }
    }
}

fn is_singular(field: &Field, kind: Kind) -> bool {
    field.cardinality == Cardinality::Singular && field.kind == kind
}

fn is_list(field: &Field, kind: Kind) -> bool {
    field.cardinality == Cardinality::List && field.kind == kind
}

fn field_index(index: usize, fields: &[Field]) -> Loaded<u8> {
    match fields.get(index) {
        Some(field) => Ok(field.index),
        None => Err(TablesError("a key of an unknown field")),
    }
}

/// Reads a key, and adds its member for unset fields to the template.
fn load_key(data: &[u8], fields: &[Field], template: &mut Vec<u8>) -> Loaded<Key> {
    let (mut name, mut unset): (Box<[u8]>, _) = (Box::default(), None);
    let (mut form, mut default): (_, Box<[u8]>) = (Form::Value, Box::default());
    let (mut indexes, mut empty_is_unset) = (Vec::new(), false);
    each_field(data, |number, value| {
        match number {
            1 => name = value.bytes()?.into(),
            2 => {
                form = match value.number()? {
                    0 => Form::Value,
                    1 => Form::Vocabulary,
                    2 => Form::VocabularyList,
                    3 => Form::Pair,
                    4 => Form::StringOr,
                    _ => return Err(TablesError("an unknown form of a key")),
                }
            }
            3 => {
                let mut packed = Reader::new(value.bytes()?);
                while !packed.is_empty() {
                    let index = usize::try_from(packed.varint()?).unwrap_or(usize::MAX);
                    indexes.push(field_index(index, fields)?);
                }
            }
            4 => unset = Some(value.bytes()?),
            5 => empty_is_unset = value.flag()?,
            6 => default = value.bytes()?.into(),
            _ => return Err(TablesError("an unknown part of a key")),
        }
        Ok(())
    })?;
    let (field, second) = match indexes[..] {
        [only] => (only, only),
        [first, second] => (first, second),
        _ => return Err(TablesError("a key without fields")),
    };
    let label = [b",\"", &*name, b"\":"].concat();
    let unset = unset.map(|text| {
        template.extend_from_slice(&label);
        let start = template.len() as u32;
        template.extend_from_slice(text);
        (start, template.len() as u32)
    });
    let mut encoded = Reader::new(&default);
    let default_number = if encoded.is_empty() {
        0
    } else {
        encoded.tag()?.0
    };
    let numbers = [field, second].map(|index| fields[usize::from(index)].number);
    Ok(Key {
        name,
        label: label.into(),
        form,
        field,
        second,
        unset,
        empty_is_unset,
        default,
        default_number,
        first_number: numbers[0].min(numbers[1]),
        last_number: numbers[0].max(numbers[1]),
        siblings: 0,
    })
}

fn index(keys: &[Key]) -> KeyIndex {
    KeyIndex::new(keys.iter().zip(0..).map(|(key, at)| (&*key.name, at)))
}

/// The short names of the values of an enum.
#[derive(Debug, Default)]
pub(crate) struct ShortNames {
    /// The numbers with their names in quotes, sorted.
    quoted: Vec<(i32, Box<[u8]>)>,
    /// The numbers in the order of the tables.
    numbers: Vec<i32>,
    by_name: KeyIndex,
}

impl ShortNames {
    pub(crate) fn new(names: &[EnumValue]) -> Self {
        let mut quoted: Vec<(i32, Box<[u8]>)> = Vec::new();
        // Of several names of one number, the last is written.
        for value in names.iter().rev() {
            if !quoted.iter().any(|each| each.0 == value.number) {
                quoted.push((value.number, [b"\"", &*value.name, b"\""].concat().into()));
            }
        }
        quoted.sort_unstable_by_key(|each| each.0);
        ShortNames {
            quoted,
            numbers: names.iter().map(|value| value.number).collect(),
            by_name: KeyIndex::new(names.iter().zip(0..).map(|(value, at)| (&*value.name, at))),
        }
    }

    /// Returns the name of a number, in quotes.
    #[inline(always)]
    pub(crate) fn quoted(&self, number: i32) -> Option<&[u8]> {
        // Most enums number their values from 1 on.
        let expected = (number as usize).wrapping_sub(1);
        match self.quoted.get(expected) {
            Some((found, name)) if *found == number => Some(name),
            _ => self.search(number),
        }
    }

    #[inline(never)]
    fn search(&self, number: i32) -> Option<&[u8]> {
        let at = self
            .quoted
            .binary_search_by_key(&number, |each| each.0)
            .ok()?;
        Some(&self.quoted[at].1)
    }

    /// Returns the numbers with their names, sorted by number.
    pub(crate) fn by_number(&self) -> impl Iterator<Item = (i32, &[u8])> {
        let names = self.quoted.iter();
        names.map(|(number, quoted)| (*number, &quoted[1..quoted.len() - 1]))
    }

    /// Returns the number of a name.
    #[inline(always)]
    pub(crate) fn number(&self, name: &[u8]) -> Option<i32> {
        self.numbers
            .get(usize::from(self.by_name.get(name)?))
            .copied()
    }
}
