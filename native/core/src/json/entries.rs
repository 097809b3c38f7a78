//! The entries of maps with string keys, sorted by key as they are written.

use std::cmp::Ordering;

use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType};

/// The key and the value of an entry.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub key: &'a [u8],
    /// The encoded value without its tag, and maybe more bytes after it.
    pub value: &'a [u8],
    /// Whether the entry has unknown fields inside.
    has_unknown: bool,
}

/// A stack of the entries of the maps that are being written, one within another.
#[derive(Default)]
pub(crate) struct Entries<'a> {
    stack: Vec<Entry<'a>>,
}

/// The tag of a string key.
const KEY_TAG: u8 = 1 << 3 | WireType::Bytes as u8;

/// The value of an entry without one: a zero of each wire type.
const ZERO: &[u8] = &[0; 8];

impl<'a> Entries<'a> {
    /// Returns the position from which the entries of another map are added.
    #[inline(always)]
    pub fn start(&self) -> usize {
        self.stack.len()
    }

    /// Adds the entry of some bytes, whose values have a wire type. An entry with two keys or values
    /// is unsure.
    #[inline]
    pub fn add(&mut self, data: &'a [u8], wire_type: WireType) -> R<()> {
        let value_tag = 2 << 3 | wire_type as u8;
        let mut reader = Reader::new(data);
        // A key and a value in their order, as all libraries write them.
        if data.first() == Some(&KEY_TAG) {
            reader.tag()?;
            let key = reader.bytes()?;
            if reader.rest().first() == Some(&value_tag) {
                reader.tag()?;
                let value = reader.rest();
                reader.skip(wire_type)?;
                if reader.is_empty() {
                    self.stack.push(Entry {
                        key,
                        value,
                        has_unknown: false,
                    });
                    return Ok(());
                }
            }
        }
        self.add_irregular(data, wire_type)
    }

    #[cold]
    fn add_irregular(&mut self, data: &'a [u8], wire_type: WireType) -> R<()> {
        let (mut key, mut value) = (None, None);
        let mut has_unknown = false;
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Bytes) if key.is_none() => key = Some(reader.bytes()?),
                (2, found) if found == wire_type && value.is_none() => {
                    value = Some(reader.rest());
                    reader.skip(wire_type)?;
                }
                (1, WireType::Bytes) => return Err(Unsure),
                (2, found) if found == wire_type => return Err(Unsure),
                // An unknown field, maybe with the number of another type.
                (_, wire_type) => {
                    has_unknown = true;
                    reader.skip(wire_type)?;
                }
            }
        }
        self.stack.push(Entry {
            key: key.unwrap_or_default(),
            value: value.unwrap_or(ZERO),
            has_unknown,
        });
        Ok(())
    }

    /// Sorts the entries from a position on. Equal keys are unsure: protobuf parses the values that
    /// do not count as well, and Python adds the entries with unknown fields after all others.
    #[inline]
    pub fn sort(&mut self, start: usize, order: impl Fn(&[u8], &[u8]) -> Ordering) -> R<()> {
        let order = |one: &Entry<'_>, other: &Entry<'_>| {
            // Most keys differ in the first byte.
            match (one.key.first(), other.key.first()) {
                (Some(a), Some(b)) if a != b && (a | b) < 0x80 => a.cmp(b),
                _ => order(one.key, other.key),
            }
        };
        let ascend = |one: &Entry<'_>, other: &Entry<'_>| order(one, other).is_lt();
        let entries = &mut self.stack[start..];
        if !entries.is_sorted_by(ascend) {
            entries.sort_unstable_by(order);
            if !entries.is_sorted_by(ascend) {
                return Err(Unsure);
            }
        }
        Ok(())
    }

    /// Returns an entry by its position.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<Entry<'a>> {
        self.stack.get(index).copied()
    }

    /// Returns whether an entry from a position on has unknown fields.
    pub fn have_unknown(&self, start: usize) -> bool {
        self.stack[start..].iter().any(|entry| entry.has_unknown)
    }

    /// Removes the entries from a position on.
    #[inline(always)]
    pub fn finish(&mut self, start: usize) {
        self.stack.truncate(start);
    }
}
