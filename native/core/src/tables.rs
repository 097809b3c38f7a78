//! The schema and its rules as tables, read from `tables.binpb` (the format is `tables.proto`).

use std::fmt;

use regex::bytes::Regex;

use crate::json::canonical::utf16_order;
use crate::json::crucible_tables::{CrucibleJson, ShortNames};
use crate::json::keys::KeyIndex;
use crate::json::text::{Exponents, put_string};
use crate::unsure::Unsure;
use crate::wire::{Reader, WireType, put_varint, utf8};

/// The version of the format that this core reads.
const VERSION: u64 = 1;

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

/// The tables cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TablesError(pub(crate) &'static str);

impl fmt::Display for TablesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "invalid tables of the schema: {}", self.0)
    }
}

impl std::error::Error for TablesError {}

impl From<Unsure> for TablesError {
    fn from(_: Unsure) -> Self {
        Self("not protobuf")
    }
}

pub(crate) type Loaded<T> = Result<T, TablesError>;

/// A newer generator may have written a rule that this core does not know.
const UNKNOWN_FIELD: TablesError = TablesError("an unknown field");

/// The value of a field of the tables.
pub(crate) enum Value<'a> {
    Number(u64),
    Bits(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn number(&self) -> Loaded<u64> {
        match self {
            Self::Number(number) => Ok(*number),
            _ => Err(TablesError("expected a number")),
        }
    }

    pub(crate) fn flag(&self) -> Loaded<bool> {
        Ok(self.number()? != 0)
    }

    /// A `sint64`.
    pub(crate) fn signed(&self) -> Loaded<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn double(&self) -> Loaded<f64> {
        match self {
            Self::Bits(bits) => Ok(f64::from_bits(*bits)),
            _ => Err(TablesError("expected a double")),
        }
    }

    pub(crate) fn bytes(&self) -> Loaded<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(TablesError("expected bytes")),
        }
    }

    pub(crate) fn text(&self) -> Loaded<Box<str>> {
        Ok(utf8(self.bytes()?)?.into())
    }

    pub(crate) fn index(&self) -> Loaded<usize> {
        usize::try_from(self.number()?).map_err(|_| TablesError("an index is too large"))
    }
}

/// Calls a function with the number and value of each field of a message.
pub(crate) fn each_field<'a>(
    data: &'a [u8],
    mut read: impl FnMut(u32, Value<'a>) -> Loaded<()>,
) -> Loaded<()> {
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag()?;
        let value = match wire_type {
            WireType::Varint => Value::Number(reader.varint()?),
            WireType::Fixed64 => Value::Bits(reader.fixed64()?),
            WireType::Bytes => Value::Bytes(reader.bytes()?),
            WireType::Fixed32 => return Err(TablesError("an unexpected wire type")),
        };
        read(number, value)?;
    }
    Ok(())
}

impl Tables {
    /// Reads tables.
    pub fn load(data: &[u8]) -> Loaded<Self> {
        let (mut version, mut messages, mut enums) = (0, Vec::new(), Vec::new());
        each_field(data, |number, value| {
            match number {
                1 => version = value.number()?,
                2 => messages.push(load_message(value.bytes()?)?),
                3 => enums.push(load_enum(value.bytes()?)?),
                _ => return Err(UNKNOWN_FIELD),
            }
            Ok(())
        })?;
        if version != VERSION {
            return Err(TablesError("they have another format than this core reads"));
        }
        let tables = Self {
            exponents: Exponents::default(),
            messages,
            enums,
        };
        tables.check()?;
        Ok(tables)
    }

    /// Checks that every index is that of a message or enum.
    fn check(&self) -> Loaded<()> {
        for field in self.messages.iter().flat_map(|message| &message.fields) {
            let known = match field.kind {
                Kind::Message => field.message < self.messages.len(),
                Kind::Enum => field.enumeration < self.enums.len(),
                _ => true,
            };
            if !known {
                return Err(TablesError("an index is out of range"));
            }
            let is_map = field.cardinality == Cardinality::Map;
            if is_map
                && (field.kind != Kind::Message || self.messages[field.message].entry().is_none())
            {
                return Err(TablesError("the entries of a map have no key and value"));
            }
        }
        for message in &self.messages {
            if let Some(crucible) = &message.crucible {
                crucible.check(message, self)?;
            }
        }
        Ok(())
    }

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

fn load_message(data: &[u8]) -> Loaded<Message> {
    let mut name = Box::default();
    let (mut fields, mut oneofs, mut tests) = (Vec::new(), Vec::new(), Vec::new());
    let (mut unsure, mut crucible) = (false, None);
    each_field(data, |number, value| {
        match number {
            1 => name = value.text()?,
            2 => {
                let (field, oneof) = load_field(value.bytes()?, fields.len())?;
                fields.push(field);
                oneofs.push(oneof);
            }
            3 => unsure = value.flag()?,
            4 => tests.push(load_tests(value.bytes()?)?),
            5 => crucible = Some(value.bytes()?),
            _ => return Err(UNKNOWN_FIELD),
        }
        Ok(())
    })?;
    if fields.len() > MAX_FIELDS {
        return Err(TablesError("a message has too many fields"));
    }
    for (index, oneof) in oneofs.iter().enumerate().filter(|(_, oneof)| **oneof != 0) {
        let members = oneofs
            .iter()
            .enumerate()
            .filter(|(other, each)| *each == oneof && *other != index);
        fields[index].siblings = members.map(|(other, _)| 1 << other).sum();
    }
    rank(&mut fields);
    let mut by_number = Vec::new();
    let mut last = 0;
    for field in &fields {
        if field.number <= last {
            return Err(TablesError("the fields of a message are not sorted"));
        }
        last = field.number;
        let size = field.number as usize + 1;
        if size > usize::from(u16::MAX) {
            return Err(TablesError("a field number is too large"));
        }
        by_number.resize(size, NO_FIELD);
        by_number[field.number as usize] = field.index;
    }
    let clauses = load_clauses(&tests, &mut fields)?;
    let counts = assign_counts(&mut fields)?;
    let required = fields
        .iter()
        .filter(|field| field.nonzero || field.min_items > 0)
        .map(|field| field.bit)
        .sum();
    // The flag meant only that the field is required until here.
    for field in &mut fields {
        let scalar = field.cardinality == Cardinality::Singular && !field.presence;
        let compared = clauses
            .iter()
            .any(|clause| (clause.set | clause.unset) & field.bit != 0);
        field.nonzero = scalar && (field.nonzero || compared);
    }
    let well_known = match &*name {
        "google.protobuf.Struct" => WellKnown::Struct,
        "google.protobuf.Value" => WellKnown::Value,
        "google.protobuf.ListValue" => WellKnown::ListValue,
        "google.protobuf.Timestamp" => WellKnown::Timestamp,
        "google.protobuf.Duration" => WellKnown::Duration,
        other if other.starts_with("google.protobuf.") && !other.contains("Entry") => {
            WellKnown::Other
        }
        _ => WellKnown::None,
    };
    // If a name of one field is the other name of another, the JSON name counts.
    let json_names = fields
        .iter()
        .map(|field| (&*field.json_name, u16::from(field.index)));
    let names = fields
        .iter()
        .map(|field| (&*field.name, u16::from(field.index)));
    let by_key = KeyIndex::new(json_names.chain(names));
    let crucible = match crucible {
        Some(table) => Some(CrucibleJson::load(table, &fields)?),
        None => None,
    };
    Ok(Message {
        name,
        well_known,
        fields,
        by_number,
        by_key,
        unsure,
        required,
        clauses,
        counts,
        crucible,
    })
}

/// Gives each field its position in canonical JSON, which sorts names by UTF-16 code unit.
fn rank(fields: &mut [Field]) {
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_by(|one, other| utf16_order(&fields[*one].json_name, &fields[*other].json_name));
    for (rank, index) in order.into_iter().enumerate() {
        // There are at most `MAX_FIELDS`.
        fields[index].rank = rank as u8;
    }
}

/// Gives each field whose items are counted a slot.
fn assign_counts(fields: &mut [Field]) -> Loaded<bool> {
    let mut slots = 0;
    for field in fields
        .iter_mut()
        .filter(|f| f.min_items > 1 || f.max_items != u32::MAX)
    {
        field.count_slot = Some(slots);
        slots += 1;
        if usize::from(slots) > MAX_SLOTS {
            return Err(TablesError(
                "a message has too many fields with a number of items",
            ));
        }
    }
    Ok(slots > 0)
}

/// The index of a field, the kind of a test and its value.
type Test = (usize, u64, i64);

fn load_tests(data: &[u8]) -> Loaded<Vec<Test>> {
    let mut tests = Vec::new();
    each_field(data, |number, value| {
        if number != 1 {
            return Err(UNKNOWN_FIELD);
        }
        let mut test = (0, 0, 0);
        each_field(value.bytes()?, |number, value| {
            match number {
                1 => test.0 = value.index()?,
                2 => test.1 = value.number()?,
                3 => test.2 = value.signed()?,
                _ => return Err(UNKNOWN_FIELD),
            }
            Ok(())
        })?;
        tests.push(test);
        Ok(())
    })?;
    Ok(tests)
}

fn load_clauses(clauses: &[Vec<Test>], fields: &mut [Field]) -> Loaded<Vec<Clause>> {
    let mut slots = 0;
    let mut loaded = Vec::new();
    for tests in clauses {
        let mut clause = Clause::default();
        for (index, kind, value) in tests {
            let field = fields
                .get_mut(*index)
                .ok_or(TablesError("a test of an unknown field"))?;
            match kind {
                0 => clause.set |= field.bit,
                1 => clause.unset |= field.bit,
                2 | 3 => {
                    let slot = *field.value_slot.get_or_insert_with(|| {
                        slots += 1;
                        slots - 1
                    });
                    clause.comparisons.push((slot, *kind == 2, *value));
                }
                _ => return Err(TablesError("an unknown test")),
            }
        }
        loaded.push(clause);
    }
    if usize::from(slots) > MAX_SLOTS {
        return Err(TablesError(
            "a message has too many fields with compared values",
        ));
    }
    Ok(loaded)
}

/// Reads a field, and returns it with its oneof. Whether it is required is in `nonzero` for now.
fn load_field(data: &[u8], index: usize) -> Loaded<(Field, u64)> {
    let (mut kind, mut oneof) = (None, 0);
    let mut field = Field {
        number: 0,
        index: u8::try_from(index).map_err(|_| TablesError("a message has too many fields"))?,
        kind: Kind::Bool,
        cardinality: Cardinality::Singular,
        presence: false,
        packed: false,
        checked: false,
        nonzero: false,
        name: Box::default(),
        json_name: Box::default(),
        json_key: Box::default(),
        name_key: Box::default(),
        rank: 0,
        tag: Box::default(),
        message: 0,
        enumeration: 0,
        bit: 1u64.checked_shl(index as u32).unwrap_or(0),
        siblings: 0,
        rules: load_rules(&[])?.0,
        count_slot: None,
        min_items: 0,
        max_items: u32::MAX,
        value_slot: None,
    };
    each_field(data, |number, value| {
        match number {
            1 => {
                field.number = u32::try_from(value.number()?)
                    .map_err(|_| TablesError("a field number is too large"))?;
            }
            2 => kind = Kind::of(value.number()?),
            3 => {
                field.cardinality = match value.number()? {
                    0 => Cardinality::Singular,
                    1 => Cardinality::List,
                    2 => Cardinality::Map,
                    _ => return Err(TablesError("an unknown cardinality")),
                }
            }
            4 => field.presence = value.flag()?,
            5 => field.name = value.bytes()?.into(),
            6 => field.json_name = value.bytes()?.into(),
            7 => field.message = value.index()?,
            8 => field.enumeration = value.index()?,
            9 => oneof = value.number()?,
            10 => field.packed = value.flag()?,
            11 => field.nonzero = value.flag()?,
            12 => (field.rules, field.checked) = load_rules(value.bytes()?)?,
            13 => field.min_items = value.number()?.min(u64::from(u32::MAX)) as u32,
            14 => field.max_items = value.number()?.min(u64::from(u32::MAX)) as u32,
            _ => return Err(UNKNOWN_FIELD),
        }
        Ok(())
    })?;
    field.kind = kind.ok_or(TablesError("a field has an unknown type"))?;
    field.json_key = quoted(b",", &field.json_name, b":")?;
    field.name_key = quoted(b",", &field.name, b":")?;
    let mut tag = Vec::new();
    put_varint(
        &mut tag,
        u64::from(field.number) << 3 | field.kind.wire_type() as u64,
    );
    field.tag = tag.into();
    Ok((field, oneof))
}

/// Reads the rules of a value, and returns whether there are any.
fn load_rules(data: &[u8]) -> Loaded<(Rules, bool)> {
    let mut rules = Rules {
        min_integer: i64::MIN,
        max_integer: i64::MAX,
        defined_only: false,
        min_number: f64::NEG_INFINITY,
        max_number: f64::INFINITY,
        above_min: false,
        below_max: false,
        has_number: false,
        min_bytes: 0,
        max_bytes: usize::MAX,
        pattern: None,
        min_seconds: i64::MIN,
        max_seconds: i64::MAX,
        max_nanos: 0,
        has_time: false,
    };
    each_field(data, |number, value| {
        match number {
            1 => rules.min_integer = value.signed()?,
            2 => rules.max_integer = value.signed()?,
            3 => rules.defined_only = value.flag()?,
            4 => (rules.min_number, rules.has_number) = (value.double()?, true),
            5 => (rules.max_number, rules.has_number) = (value.double()?, true),
            6 => rules.above_min = value.flag()?,
            7 => rules.below_max = value.flag()?,
            8 if value.flag()? => {
                // An open bound at infinity, unless there is a narrower one.
                rules.has_number = true;
                rules.above_min |= rules.min_number == f64::NEG_INFINITY;
                rules.below_max |= rules.max_number == f64::INFINITY;
            }
            9 => rules.min_bytes = value.index()?,
            10 => rules.max_bytes = value.index()?,
            11 => rules.pattern = Some(load_pattern(&value.text()?)?),
            12 => (rules.min_seconds, rules.has_time) = (value.signed()?, true),
            13 => (rules.max_seconds, rules.has_time) = (value.signed()?, true),
            14 => rules.max_nanos = value.number()?.min(i32::MAX as u64) as i32,
            _ => return Err(UNKNOWN_FIELD),
        }
        Ok(())
    })?;
    Ok((rules, !data.is_empty()))
}

fn load_pattern(pattern: &str) -> Loaded<Regex> {
    regex::bytes::RegexBuilder::new(pattern)
        .unicode(false)
        .build()
        .map_err(|_| TablesError("a pattern is not a regular expression"))
}

fn load_enum(data: &[u8]) -> Loaded<Enum> {
    let (mut name, mut values, mut short_names) = (Box::default(), Vec::new(), Vec::new());
    each_field(data, |number, value| {
        match number {
            1 => name = value.text()?,
            2 => values.push(load_enum_value(value.bytes()?)?),
            3 => short_names.push(load_enum_value(value.bytes()?)?),
            _ => return Err(UNKNOWN_FIELD),
        }
        Ok(())
    })?;
    let mut by_number: Vec<(i32, u16)> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let index = u16::try_from(index).map_err(|_| TablesError("an enum has too many values"))?;
        if !by_number.iter().any(|each| each.0 == value.number) {
            by_number.push((value.number, index));
        }
    }
    by_number.sort_unstable();
    let dense = values
        .iter()
        .enumerate()
        .all(|(at, value)| i32::try_from(at) == Ok(value.number));
    let by_name = KeyIndex::new(values.iter().map(|value| &*value.name).zip(0..));
    Ok(Enum {
        is_null: &*name == "google.protobuf.NullValue",
        name,
        values,
        by_number,
        by_name,
        short_names: ShortNames::new(&short_names),
        dense,
    })
}

fn load_enum_value(data: &[u8]) -> Loaded<EnumValue> {
    let mut loaded = EnumValue {
        number: 0,
        name: Box::default(),
        quoted: Box::default(),
    };
    each_field(data, |number, value| {
        match number {
            1 => {
                loaded.number = i32::try_from(value.signed()?)
                    .map_err(|_| TablesError("the number of an enum value is too large"))?;
            }
            2 => loaded.name = value.bytes()?.into(),
            _ => return Err(UNKNOWN_FIELD),
        }
        Ok(())
    })?;
    loaded.quoted = quoted(b"", &loaded.name, b"")?;
    Ok(loaded)
}

/// Returns a name as JSON text, with other text before and after it.
fn quoted(before: &[u8], name: &[u8], after: &[u8]) -> Loaded<Box<[u8]>> {
    let mut text = before.to_vec();
    put_string(&mut text, name)?;
    text.extend_from_slice(after);
    Ok(text.into())
}

/// The tables of the schema that this crate was built with.
pub static BUILT_IN: &[u8] = include_bytes!("../tables.binpb");
