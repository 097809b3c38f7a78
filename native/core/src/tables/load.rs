//! Loading of tables.binpb, whose format is `tables.proto`.

use regex::bytes::Regex;

use super::format::{Loaded, TablesError, UNKNOWN_FIELD, each_field};
use super::{
    Cardinality, Clause, Enum, EnumValue, Field, Kind, MAX_FIELDS, MAX_SLOTS, Message, NO_FIELD,
    Rules, Tables, WellKnown,
};
use crate::json::canonical::utf16_order;
use crate::json::crucible_tables::{CrucibleJson, ShortNames};
use crate::json::keys::KeyIndex;
use crate::json::text::{Exponents, put_string};
use crate::wire::put_varint;

/// The version of the format that this core reads.
const VERSION: u64 = 1;

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
