//! The rules of the schema, checked on the bytes of a message.

use crate::tables::{Cardinality, Field, Kind, MAX_SLOTS, Message, Rules, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, Reader, WireType, seconds_and_nanos, utf8};

/// What is known about the bytes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Nothing: strings may be no UTF-8, and opaque JSON may not parse.
    Unparsed,
    /// A parser of protobuf has accepted them, or the core has written them.
    Parsed,
}

/// Returns if the bytes are certainly a message of a type that satisfies every rule.
pub fn check(tables: &Tables, message: &Message, data: &[u8], trust: Trust) -> R<()> {
    let checker = Checker {
        tables,
        deep: trust == Trust::Unparsed,
        skip_unknown: true,
    };
    checker.message(message, data, 0)
}

/// Does what `check` does for bytes that are not parsed, and is unsure if they have unknown fields.
pub fn check_known(tables: &Tables, message: &Message, data: &[u8]) -> R<()> {
    let checker = Checker {
        tables,
        deep: true,
        skip_unknown: false,
    };
    checker.message(message, data, 0)
}

struct Checker<'a> {
    tables: &'a Tables,
    /// Whether strings and opaque JSON are checked too.
    deep: bool,
    /// Whether unknown fields are skipped.
    skip_unknown: bool,
}

impl Checker<'_> {
    fn message(&self, message: &Message, data: &[u8], depth: u32) -> R<()> {
        match message.well_known {
            WellKnown::None => {}
            WellKnown::Timestamp | WellKnown::Duration => {
                return seconds_and_nanos(data).map(drop);
            }
            WellKnown::Other => return Err(Unsure),
            WellKnown::Struct | WellKnown::Value | WellKnown::ListValue => {
                return if self.deep {
                    opaque(message.well_known, data, depth)
                } else {
                    Ok(())
                };
            }
        }
        if depth > MAX_DEPTH || message.unsure {
            return Err(Unsure);
        }
        // The fields that are set. A zero in a field without presence counts as set here: where
        // that matters, the field is marked `nonzero`.
        let mut seen = 0u64;
        // The fields that have occurred, those included whose oneof has another member now.
        let mut ever = 0u64;
        let mut counts = [0u32; MAX_SLOTS];
        let mut values = [0i64; MAX_SLOTS];
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let (number, wire_type) = reader.tag()?;
            let Some(field) = message.field(number) else {
                if !self.skip_unknown {
                    return Err(Unsure);
                }
                reader.skip(wire_type)?;
                continue;
            };
            if field.cardinality == Cardinality::Singular
                && ever & (field.bit | field.siblings) != 0
            {
                // The last scalar counts, and the last member of a oneof. Messages are merged.
                if field.kind == Kind::Message && ever & field.bit != 0 {
                    return Err(Unsure);
                }
                seen &= !field.siblings;
                forget(message, field.siblings, &mut values);
            }
            ever |= field.bit;
            seen |= field.bit;
            if wire_type != field.kind.wire_type() {
                if wire_type != WireType::Bytes || field.cardinality != Cardinality::List {
                    return Err(Unsure);
                }
                let items = self.packed(field, reader.bytes()?)?;
                if items == 0 {
                    return Err(Unsure);
                }
                count(field, &mut counts, items);
                continue;
            }
            count(field, &mut counts, 1);
            let value = self.value(field, &mut reader, depth)?;
            if let Some(slot) = field.value_slot {
                values[usize::from(slot)] = value;
            }
        }
        if seen & message.required != message.required {
            return Err(Unsure);
        }
        if message.counts && !message.fields.iter().all(|field| has_items(field, &counts)) {
            return Err(Unsure);
        }
        for clause in &message.clauses {
            let holds = seen & clause.set != 0
                || !seen & clause.unset != 0
                || clause
                    .comparisons
                    .iter()
                    .any(|(slot, equal, value)| (values[usize::from(*slot)] == *value) == *equal);
            if !holds {
                return Err(Unsure);
            }
        }
        Ok(())
    }

    /// Checks one value, and returns it if it is an integer.
    #[inline]
    fn value(&self, field: &Field, reader: &mut Reader<'_>, depth: u32) -> R<i64> {
        match field.kind {
            Kind::String => {
                let text = reader.bytes()?;
                if self.deep {
                    utf8(text)?;
                }
                check_bytes(field, text)?;
            }
            Kind::Bytes => check_bytes(field, reader.bytes()?)?,
            Kind::Message => {
                let data = reader.bytes()?;
                let inside = self.tables.message_of(field);
                if field.checked {
                    check_time(&field.rules, data)?;
                } else {
                    // Messages whose rules do not apply are checked as well: that is stricter.
                    self.message(inside, data, depth + 1)?;
                }
            }
            Kind::Double => check_number(field, f64::from_bits(reader.fixed64()?))?,
            Kind::Float => check_number(field, f64::from(f32::from_bits(reader.fixed32()?)))?,
            Kind::Fixed64 | Kind::Sfixed64 => {
                reader.fixed64()?;
                reject_checked(field)?;
            }
            Kind::Fixed32 | Kind::Sfixed32 => {
                reader.fixed32()?;
                reject_checked(field)?;
            }
            kind => {
                let value = integer(kind, reader.varint()?);
                self.check_integer(field, value)?;
                return Ok(value);
            }
        }
        Ok(0)
    }

    /// Checks the items of a packed list, and returns their number.
    fn packed(&self, field: &Field, data: &[u8]) -> R<u32> {
        let mut items = 0;
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            match field.kind.wire_type() {
                WireType::Varint => {
                    let value = integer(field.kind, reader.varint()?);
                    self.check_integer(field, value)?;
                }
                WireType::Fixed64 => {
                    let bits = reader.fixed64()?;
                    if field.kind == Kind::Double {
                        check_number(field, f64::from_bits(bits))?;
                    } else {
                        reject_checked(field)?;
                    }
                }
                WireType::Fixed32 => {
                    let bits = reader.fixed32()?;
                    if field.kind == Kind::Float {
                        check_number(field, f64::from(f32::from_bits(bits)))?;
                    } else {
                        reject_checked(field)?;
                    }
                }
                WireType::Bytes | WireType::Group => return Err(Unsure),
            }
            items += 1;
        }
        Ok(items)
    }

    #[inline(always)]
    fn check_integer(&self, field: &Field, value: i64) -> R<()> {
        if field.nonzero && value == 0 {
            return Err(Unsure);
        }
        if !field.checked {
            return Ok(());
        }
        let rules = &field.rules;
        if value < rules.min_integer || value > rules.max_integer {
            return Err(Unsure);
        }
        if rules.defined_only && self.tables.enum_of(field).value(value as i32).is_none() {
            return Err(Unsure);
        }
        Ok(())
    }
}

/// Resets the compared values of the fields of a oneof whose member has changed.
#[cold]
fn forget(message: &Message, siblings: u64, values: &mut [i64; MAX_SLOTS]) {
    for field in message
        .fields
        .iter()
        .filter(|field| siblings & field.bit != 0)
    {
        if let Some(slot) = field.value_slot {
            values[usize::from(slot)] = 0;
        }
    }
}

#[inline(always)]
fn count(field: &Field, counts: &mut [u32; MAX_SLOTS], items: u32) {
    if let Some(slot) = field.count_slot {
        counts[usize::from(slot)] = counts[usize::from(slot)].saturating_add(items);
    }
}

fn has_items(field: &Field, counts: &[u32; MAX_SLOTS]) -> bool {
    let Some(slot) = field.count_slot else {
        return true;
    };
    let items = counts[usize::from(slot)];
    // Entries with one key count once, so that a map may have fewer.
    let is_map = field.cardinality == Cardinality::Map;
    items <= field.max_items && items >= field.min_items && !(is_map && field.min_items > 1)
}

#[inline(always)]
fn check_bytes(field: &Field, data: &[u8]) -> R<()> {
    if field.nonzero && data.is_empty() {
        return Err(Unsure);
    }
    if field.checked {
        let rules = &field.rules;
        if data.len() < rules.min_bytes || data.len() > rules.max_bytes {
            return Err(Unsure);
        }
        if let Some(pattern) = &rules.pattern
            && !pattern.is_match(data)
        {
            return Err(Unsure);
        }
    }
    Ok(())
}

#[inline]
fn check_number(field: &Field, value: f64) -> R<()> {
    // A negative zero has bits, so that it counts as set.
    if field.nonzero && value == 0.0 {
        return Err(Unsure);
    }
    let rules = &field.rules;
    if !rules.has_number {
        return reject_checked(field);
    }
    let above = if rules.above_min {
        value > rules.min_number
    } else {
        value >= rules.min_number
    };
    let below = if rules.below_max {
        value < rules.max_number
    } else {
        value <= rules.max_number
    };
    if above && below { Ok(()) } else { Err(Unsure) }
}

/// Rejects rules on a value that the core does not check.
#[inline(always)]
fn reject_checked(field: &Field) -> R<()> {
    if field.checked || field.nonzero {
        Err(Unsure)
    } else {
        Ok(())
    }
}

fn check_time(rules: &Rules, data: &[u8]) -> R<()> {
    if !rules.has_time {
        return Err(Unsure);
    }
    let (seconds, nanos) = seconds_and_nanos(data)?;
    let in_range = seconds >= rules.min_seconds
        && (seconds < rules.max_seconds
            || (seconds == rules.max_seconds && nanos <= rules.max_nanos));
    if in_range && (0..=999_999_999).contains(&nanos) {
        Ok(())
    } else {
        Err(Unsure)
    }
}

/// Returns the value of a varint.
#[inline(always)]
pub fn integer(kind: Kind, raw: u64) -> i64 {
    match kind {
        Kind::Int32 | Kind::Enum => i64::from(raw as i32),
        Kind::Uint32 => i64::from(raw as u32),
        Kind::Bool => i64::from(raw != 0),
        Kind::Sint32 => {
            let raw = raw as u32;
            i64::from((raw >> 1) as i32 ^ -((raw & 1) as i32))
        }
        Kind::Sint64 => (raw >> 1) as i64 ^ -((raw & 1) as i64),
        _ => raw as i64,
    }
}

/// Returns if bytes certainly parse as opaque JSON without unknown fields.
fn opaque(kind: WellKnown, data: &[u8], depth: u32) -> R<()> {
    if depth > MAX_DEPTH {
        return Err(Unsure);
    }
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        match (kind, reader.tag()?) {
            (WellKnown::Struct, (1, WireType::Bytes)) => {
                let mut entry = Reader::new(reader.bytes()?);
                while !entry.is_empty() {
                    match entry.tag()? {
                        (1, WireType::Bytes) => utf8(entry.bytes()?).map(drop)?,
                        (2, WireType::Bytes) => {
                            opaque(WellKnown::Value, entry.bytes()?, depth + 2)?;
                        }
                        _ => return Err(Unsure),
                    }
                }
            }
            (WellKnown::ListValue, (1, WireType::Bytes)) => {
                opaque(WellKnown::Value, reader.bytes()?, depth + 1)?;
            }
            (WellKnown::Value, (1 | 4, WireType::Varint)) => drop(reader.varint()?),
            (WellKnown::Value, (2, WireType::Fixed64)) => drop(reader.fixed64()?),
            (WellKnown::Value, (3, WireType::Bytes)) => utf8(reader.bytes()?).map(drop)?,
            (WellKnown::Value, (5, WireType::Bytes)) => {
                opaque(WellKnown::Struct, reader.bytes()?, depth + 1)?;
            }
            (WellKnown::Value, (6, WireType::Bytes)) => {
                opaque(WellKnown::ListValue, reader.bytes()?, depth + 1)?;
            }
            _ => return Err(Unsure),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    /// Returns whether a message of the IR is certainly valid.
    fn is_valid(name: &str, data: &[u8]) -> bool {
        let name = format!("crucible_ir.v1.{name}");
        let type_ = Schema::built_in().message_type(&name).unwrap();
        type_.check(data, Trust::Unparsed).is_ok()
    }

    #[test]
    fn a_required_text_must_not_be_empty_or_too_long() {
        assert!(is_valid("StageDef", b"\x0a\x01a"));
        assert!(!is_valid("StageDef", b""));
        assert!(!is_valid("StageDef", b"\x0a\x00"));
        // 512 bytes are allowed.
        let mut data = b"\x0a\x80\x04".to_vec();
        data.resize(3 + 512, b'a');
        assert!(is_valid("StageDef", &data));
        data[1] = 0x81;
        data.push(b'a');
        assert!(!is_valid("StageDef", &data));
    }

    #[test]
    fn texts_must_be_utf8() {
        assert!(!is_valid("StageDef", b"\x0a\x01\xff"));
    }

    #[test]
    fn the_last_scalar_counts() {
        assert!(is_valid("StageDef", b"\x0a\x01a\x0a\x01b"));
        assert!(!is_valid("StageDef", b"\x0a\x01a\x0a\x00"));
    }

    #[test]
    fn the_last_member_of_a_oneof_counts() {
        // A tool choice by mode and then by name, and the other way around.
        assert!(is_valid("ToolChoice", b"\x08\x01\x12\x01f"));
        assert!(is_valid("ToolChoice", b"\x12\x01f\x08\x01"));
    }
}
