//! The schema and its rules as tables, read from `tables.binpb` (the format is `tables.proto`).

mod format;
mod load;

use regex::bytes::Regex;

use crate::json::crucible_tables::{CrucibleJson, ShortNames};
use crate::json::keys::KeyIndex;
use crate::json::text::Exponents;
use crate::wire::WireType;

pub use format::TablesError;
pub(crate) use format::{Loaded, each_field};

/// The most fields of a message type: the fields that are set are bits of a `u64`.
pub const MAX_FIELDS: usize = 64;

/// The most fields of a message type whose items are counted, or whose values clauses compare.
pub const MAX_SLOTS: usize = 4;

/// The type of a field's values; the numbers are those of `FieldDescriptorProto.Type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Double = 1,
    Float = 2,
    Int64 = 3,
    Uint64 = 4,
    Int32 = 5,
    Fixed64 = 6,
    Fixed32 = 7,
    Bool = 8,
    String = 9,
    Message = 11,
    Bytes = 12,
    Uint32 = 13,
    Enum = 14,
    Sfixed32 = 15,
    Sfixed64 = 16,
    Sint32 = 17,
    Sint64 = 18,
}

impl Kind {
    fn of(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Double,
            2 => Self::Float,
            3 => Self::Int64,
            4 => Self::Uint64,
            5 => Self::Int32,
            6 => Self::Fixed64,
            7 => Self::Fixed32,
            8 => Self::Bool,
            9 => Self::String,
            11 => Self::Message,
            12 => Self::Bytes,
            13 => Self::Uint32,
            14 => Self::Enum,
            15 => Self::Sfixed32,
            16 => Self::Sfixed64,
            17 => Self::Sint32,
            18 => Self::Sint64,
            _ => return None,
        })
    }

    /// The wire type of one value.
    #[inline(always)]
    pub fn wire_type(self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Message | Self::Bytes => WireType::Bytes,
            _ => WireType::Varint,
        }
    }
}

/// The number of values of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cardinality {
    Singular,
    List,
    Map,
}

/// The message types of google.protobuf with a JSON form of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WellKnown {
    /// An ordinary message.
    None,
    Struct,
    Value,
    ListValue,
    Timestamp,
    Duration,
    /// Another type of google.protobuf, which the core is unsure about.
    Other,
}

/// The rules of one value.
#[derive(Debug)]
pub struct Rules {
    pub min_integer: i64,
    pub max_integer: i64,
    pub defined_only: bool,
    pub min_number: f64,
    pub max_number: f64,
    pub above_min: bool,
    pub below_max: bool,
    /// Whether there is a rule for a number at all.
    pub has_number: bool,
    pub min_bytes: usize,
    pub max_bytes: usize,
    pub pattern: Option<Regex>,
    pub min_seconds: i64,
    pub max_seconds: i64,
    pub max_nanos: i32,
    /// Whether there is a rule for a time.
    pub has_time: bool,
}

/// A field of a message type.
#[derive(Debug)]
pub struct Field {
    pub number: u32,
    /// The index in the message.
    pub index: u8,
    pub kind: Kind,
    pub cardinality: Cardinality,
    /// Whether unset differs from zero.
    pub presence: bool,
    pub packed: bool,
    /// Whether rules apply to its values.
    pub checked: bool,
    /// Whether a zero in a field without presence, which counts as unset, is unsure.
    pub nonzero: bool,
    pub name: Box<[u8]>,
    pub json_name: Box<[u8]>,
    /// Its key in ProtoJSON, as text with a comma before and a colon after it: `,"jsonName":`.
    pub json_key: Box<[u8]>,
    /// The same with the name in the schema.
    pub name_key: Box<[u8]>,
    /// The position among the fields of the message, sorted by name in ProtoJSON.
    pub rank: u8,
    /// The encoded tag of one value.
    pub tag: Box<[u8]>,
    /// The index of the message type; for a map, that of its entries.
    pub message: usize,
    /// The index of the enum type.
    pub enumeration: usize,
    /// The bit of the field in the set of fields.
    pub bit: u64,
    /// The bits of the other members of its oneof.
    pub siblings: u64,
    pub rules: Rules,
    /// The slot of the number of its items, if they are counted.
    pub count_slot: Option<u8>,
    pub min_items: u32,
    pub max_items: u32,
    /// The slot of its value, if clauses compare it.
    pub value_slot: Option<u8>,
}

impl Field {
    /// Returns if the field has one value.
    #[inline(always)]
    pub fn is_singular(&self) -> bool {
        self.cardinality == Cardinality::Singular
    }
}

/// A condition on several fields.
#[derive(Debug, Default)]
pub struct Clause {
    /// The fields one of which must be set.
    pub set: u64,
    /// The fields one of which must be unset.
    pub unset: u64,
    /// Comparisons of the values in slots: the slot, whether they must be equal, and the value.
    pub comparisons: Vec<(u8, bool, i64)>,
}

/// A message type.
#[derive(Debug)]
pub struct Message {
    pub name: Box<str>,
    pub well_known: WellKnown,
    /// The fields, by number.
    pub fields: Vec<Field>,
    /// The index of each field by its number; `NO_FIELD` for other numbers.
    by_number: Vec<u8>,
    /// The index of each field by both of its names in ProtoJSON.
    by_key: KeyIndex,
    /// Whether no message of the type is certainly valid.
    pub unsure: bool,
    /// The fields that must be set.
    pub required: u64,
    pub clauses: Vec<Clause>,
    /// Whether items are counted.
    pub counts: bool,
    /// The type in Crucible JSON, if the core writes and reads it.
    pub(crate) crucible: Option<CrucibleJson>,
}

const NO_FIELD: u8 = u8::MAX;

impl Message {
    /// Returns the field of a number.
    #[inline(always)]
    pub fn field(&self, number: u32) -> Option<&Field> {
        let index = *self.by_number.get(number as usize)?;
        // No message type has as many fields as `NO_FIELD`.
        self.fields.get(usize::from(index))
    }

    /// Returns the field of a key in ProtoJSON.
    #[inline]
    pub(crate) fn field_of_key(&self, key: &[u8]) -> Option<&Field> {
        self.fields.get(usize::from(self.by_key.get(key)?))
    }

    /// Returns the fields of the entries of a map: the key and the value.
    pub fn entry(&self) -> Option<(&Field, &Field)> {
        match &self.fields[..] {
            [key, value] if key.number == 1 && value.number == 2 => Some((key, value)),
            _ => None,
        }
    }
}

/// An enum type.
#[derive(Debug)]
pub struct Enum {
    pub name: Box<str>,
    /// The values in the order of the schema.
    pub values: Vec<EnumValue>,
    /// The index of each value by its number, sorted.
    by_number: Vec<(i32, u16)>,
    /// The index of each value by its name.
    by_name: KeyIndex,
    /// The names in Crucible JSON.
    pub(crate) short_names: ShortNames,
    /// Whether the numbers are 0, 1, 2 and so on in the order of the schema.
    dense: bool,
    /// Whether it is google.protobuf.NullValue, whose values are `null` in JSON.
    pub is_null: bool,
}

/// A value of an enum.
#[derive(Debug)]
pub struct EnumValue {
    pub number: i32,
    pub name: Box<[u8]>,
    /// The name in quotes.
    pub quoted: Box<[u8]>,
}

impl Enum {
    /// Returns the first value with a number.
    #[inline]
    pub fn value(&self, number: i32) -> Option<&EnumValue> {
        if self.dense {
            return self.values.get(usize::try_from(number).ok()?);
        }
        let at = self
            .by_number
            .binary_search_by_key(&number, |each| each.0)
            .ok()?;
        self.values.get(usize::from(self.by_number[at].1))
    }

    /// Returns the number of a name.
    #[inline]
    pub fn number(&self, name: &[u8]) -> Option<i32> {
        let index = self.by_name.get(name)?;
        Some(self.values.get(usize::from(index))?.number)
    }
}

/// The tables of a schema.
#[derive(Debug)]
pub struct Tables {
    /// How large numbers are written in JSON.
    pub exponents: Exponents,
    pub messages: Vec<Message>,
    pub enums: Vec<Enum>,
}

impl Tables {
    /// Returns the message type of a full name.
    pub fn message(&self, name: &str) -> Option<usize> {
        self.messages
            .iter()
            .position(|message| *message.name == *name)
    }

    /// Returns the message type of a field's values.
    #[inline(always)]
    pub fn message_of(&self, field: &Field) -> &Message {
        &self.messages[field.message]
    }

    /// Returns the key and the value of the entries of a field, if it is a map.
    #[inline(always)]
    pub fn entry_of(&self, field: &Field) -> Option<(&Field, &Field)> {
        match field.cardinality {
            Cardinality::Map => self.message_of(field).entry(),
            _ => None,
        }
    }

    /// Returns the enum type of a field's values.
    #[inline(always)]
    pub fn enum_of(&self, field: &Field) -> &Enum {
        &self.enums[field.enumeration]
    }
}

/// The tables of the schema that this crate was built with.
pub static BUILT_IN: &[u8] = include_bytes!("../tables.binpb");
