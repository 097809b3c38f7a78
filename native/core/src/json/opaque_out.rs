//! Writes opaque JSON: google.protobuf.Struct, Value and ListValue.

use std::cmp::Ordering;

use super::entries::Entries;
use super::text::{Exponents, put_member, put_opaque_number, put_string};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, Reader, WireType};

/// How numbers, keys and unknown fields are written.
pub(crate) trait Style: Copy {
    /// Appends a number of opaque JSON.
    fn put_number(self, out: &mut Vec<u8>, value: f64) -> R<()>;

    /// Compares the keys of a map.
    fn order(one: &[u8], other: &[u8]) -> Ordering;

    /// Whether unknown fields are left out; if not, they are unsure.
    const SKIPS_UNKNOWN: bool;
}

/// The text that the Python package writes.
#[derive(Clone, Copy)]
pub(crate) struct Plain(pub Exponents);

impl Style for Plain {
    #[inline(always)]
    fn put_number(self, out: &mut Vec<u8>, value: f64) -> R<()> {
        put_opaque_number(out, value, self.0)
    }

    /// Compares by code point.
    #[inline(always)]
    fn order(one: &[u8], other: &[u8]) -> Ordering {
        one.cmp(other)
    }

    const SKIPS_UNKNOWN: bool = true;
}

/// Skips the value of an unknown field, or is unsure.
#[inline]
pub(crate) fn skip_unknown<S: Style>(reader: &mut Reader<'_>, wire_type: WireType) -> R<()> {
    if S::SKIPS_UNKNOWN {
        reader.skip(wire_type)
    } else {
        Err(Unsure)
    }
}

/// Sorts the entries of a map from a position on.
#[inline(always)]
pub(crate) fn sort_entries<S: Style>(entries: &mut Entries<'_>, start: usize) -> R<()> {
    if !S::SKIPS_UNKNOWN && entries.have_unknown(start) {
        return Err(Unsure);
    }
    entries.sort(start, S::order)
}

/// Appends a Struct as an object with sorted keys.
pub(crate) fn write_struct<'a, S: Style>(
    style: S,
    out: &mut Vec<u8>,
    entries: &mut Entries<'a>,
    data: &'a [u8],
    depth: u32,
) -> R<()> {
    // The entries of the map are messages as well.
    if depth + 2 > MAX_DEPTH {
        return Err(Unsure);
    }
    let first = entries.start();
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, WireType::Bytes) => entries.add(reader.bytes()?, WireType::Bytes)?,
            (_, wire_type) => skip_unknown::<S>(&mut reader, wire_type)?,
        }
    }
    sort_entries::<S>(entries, first)?;
    let start = out.len();
    let mut index = first;
    while let Some(entry) = entries.get(index) {
        put_member(out, entry.key)?;
        let value = Reader::new(entry.value).bytes()?;
        write_value(style, out, entries, value, depth + 2)?;
        index += 1;
    }
    entries.finish(first);
    enclose(out, start, b'{', b'}');
    Ok(())
}

/// Appends a ListValue as a list.
pub(crate) fn write_list<'a, S: Style>(
    style: S,
    out: &mut Vec<u8>,
    entries: &mut Entries<'a>,
    data: &'a [u8],
    depth: u32,
) -> R<()> {
    let start = out.len();
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, WireType::Bytes) => {
                out.push(b',');
                write_value(style, out, entries, reader.bytes()?, depth + 1)?;
            }
            (_, wire_type) => skip_unknown::<S>(&mut reader, wire_type)?,
        }
    }
    enclose(out, start, b'[', b']');
    Ok(())
}

/// Appends a Value. One without a kind has no JSON, and one with several may merge them: unsure.
pub(crate) fn write_value<'a, S: Style>(
    style: S,
    out: &mut Vec<u8>,
    entries: &mut Entries<'a>,
    data: &'a [u8],
    depth: u32,
) -> R<()> {
    if depth > MAX_DEPTH {
        return Err(Unsure);
    }
    let mut reader = Reader::new(data);
    let start = out.len();
    while !reader.is_empty() {
        let tag = reader.tag()?;
        if out.len() != start && tag.0 <= 6 {
            return Err(Unsure);
        }
        match tag {
            (1, WireType::Varint) => {
                reader.varint()?;
                out.extend_from_slice(b"null");
            }
            (2, WireType::Fixed64) => style.put_number(out, f64::from_bits(reader.fixed64()?))?,
            (3, WireType::Bytes) => put_string(out, reader.bytes()?)?,
            (4, WireType::Varint) => put_bool(out, reader.varint()? != 0),
            (5, WireType::Bytes) => write_struct(style, out, entries, reader.bytes()?, depth + 1)?,
            (6, WireType::Bytes) => write_list(style, out, entries, reader.bytes()?, depth + 1)?,
            (_, wire_type) => skip_unknown::<S>(&mut reader, wire_type)?,
        }
    }
    if out.len() == start {
        Err(Unsure)
    } else {
        Ok(())
    }
}

/// Appends a boolean.
#[inline]
pub(crate) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Puts what was appended from a position on between brackets. Each item in it has a comma before
/// it: the bracket takes the place of the first one.
#[inline(always)]
pub(crate) fn enclose(out: &mut Vec<u8>, start: usize, open: u8, close: u8) {
    match out.get_mut(start) {
        Some(comma) => *comma = open,
        None => out.push(open),
    }
    out.push(close);
}
