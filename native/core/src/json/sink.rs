//! Writing of messages in protobuf's wire format, as protobuf's deterministic serialization does.
//!
//! Fields and entries are written in the order of the text. Only if that is another order than the
//! deterministic one are they put in order afterwards.

use std::cmp::Ordering;
use std::ops::Range;

use crate::unsure::{R, Unsure};
use crate::wire::{Reader, WireType, put_varint};

/// The tag of the first field, if it has a length: that of a map key, and of a list's values.
pub(crate) const FIRST: u8 = 1 << 3 | WireType::Bytes as u8;
/// The tag of the second field, if it has a length: that of a map's messages.
pub(crate) const SECOND: u8 = 2 << 3 | WireType::Bytes as u8;

/// The fields or entries for which there is memory from the start.
const FEW: usize = 16;

/// The memory for putting fields in order, which is used again.
#[derive(Default)]
pub(crate) struct Sorter {
    fields: Vec<(u32, Range<usize>)>,
    entries: Vec<(Range<usize>, Range<usize>)>,
    copy: Vec<u8>,
}

/// Starts a message or string inside; the result is the position of its content.
#[inline(always)]
pub(crate) fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len()
}

/// Ends a message or string inside, and writes its length before it. Returns by how many bytes the
/// content has moved.
#[inline(always)]
pub(crate) fn close(out: &mut Vec<u8>, start: usize) -> usize {
    let length = out.len() - start;
    if length >= 0x80 {
        return close_long(out, start, length);
    }
    out[start - 1] = length as u8;
    0
}

#[inline(never)]
fn close_long(out: &mut Vec<u8>, start: usize, length: usize) -> usize {
    let mut prefix = [0; 10];
    let mut size = 0;
    let mut rest = length;
    while rest >= 0x80 {
        prefix[size] = rest as u8 | 0x80;
        rest >>= 7;
        size += 1;
    }
    prefix[size] = rest as u8;
    let end = out.len();
    out.extend_from_slice(&prefix[..size]);
    out.copy_within(start..end, start + size);
    out[start - 1..start + size].copy_from_slice(&prefix[..=size]);
    size
}

/// Writes a tag.
#[inline(always)]
pub(crate) fn put_tag(out: &mut Vec<u8>, tag: &[u8]) {
    match *tag {
        [tag] => out.push(tag),
        _ => out.extend_from_slice(tag),
    }
}

/// Writes a length and as many bytes.
#[inline(always)]
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < 0x80 {
        out.push(bytes.len() as u8);
    } else {
        put_varint(out, bytes.len() as u64);
    }
    out.extend_from_slice(bytes);
}

/// The order of map keys: by their bytes, but a key comes after those that begin with it.
#[inline(always)]
pub(crate) fn key_order(left: &[u8], right: &[u8]) -> Ordering {
    // Most keys differ in their first byte.
    if let ([left, ..], [right, ..]) = (left, right)
        && left != right
    {
        return left.cmp(right);
    }
    let shared = left.len().min(right.len());
    left[..shared]
        .cmp(&right[..shared])
        .then(right.len().cmp(&left.len()))
}

/// The entries of one map with string keys, while they are written.
pub(crate) struct Entries {
    start: usize,
    last_key: Option<Range<usize>>,
    ordered: bool,
}

impl Entries {
    /// Starts the entries of a map.
    #[inline(always)]
    pub(crate) fn new(out: &[u8]) -> Self {
        Entries {
            start: out.len(),
            last_key: None,
            ordered: true,
        }
    }

    /// Notes the key of an entry that has been written; it may equal an earlier one.
    #[inline(always)]
    pub(crate) fn add(&mut self, out: &[u8], key: Range<usize>) {
        if !self.ordered {
            return;
        }
        if let Some(last) = &self.last_key {
            self.ordered = key_order(&out[last.clone()], &out[key.clone()]).is_lt();
        }
        self.last_key = Some(key);
    }

    /// Puts the entries in order. Duplicate keys are unsure.
    #[inline(always)]
    pub(crate) fn finish(&self, out: &mut Vec<u8>, sorter: &mut Sorter) -> R<()> {
        if self.ordered {
            Ok(())
        } else {
            sorter.sort_entries(out, self.start)
        }
    }
}

impl Sorter {
    fn copy_end(&mut self, out: &[u8], start: usize) {
        self.copy.clear();
        // The messages around this one need more, if they are sorted as well.
        self.copy.reserve(out.len());
        self.copy.extend_from_slice(&out[start..]);
    }

    /// Sorts the entries of one map, which begin at a position and end with the output.
    #[inline(never)]
    fn sort_entries(&mut self, out: &mut Vec<u8>, start: usize) -> R<()> {
        self.copy_end(out, start);
        let data = &self.copy[..];
        let mut reader = Reader::new(data);
        let position = |reader: &Reader<'_>| data.len() - reader.rest().len();
        self.entries.clear();
        self.entries.reserve(FEW);
        while !reader.is_empty() {
            let from = position(&reader);
            reader.tag()?;
            let entry = reader.bytes()?;
            let end = position(&reader);
            let mut inside = Reader::new(entry);
            inside.tag()?;
            let length = inside.bytes()?.len();
            let key_end = end - inside.rest().len();
            self.entries.push((key_end - length..key_end, from..end));
        }
        let key = |entry: &(Range<usize>, Range<usize>)| &data[entry.0.clone()];
        self.entries
            .sort_unstable_by(|left, right| key_order(key(left), key(right)));
        if self
            .entries
            .windows(2)
            .any(|pair| key(&pair[0]) == key(&pair[1]))
        {
            return Err(Unsure);
        }
        out.truncate(start);
        for (_, entry) in &self.entries {
            out.extend_from_slice(&data[entry.clone()]);
        }
        Ok(())
    }

    /// Sorts the fields of one message, which begin at a position and end with the output.
    #[inline(never)]
    pub(crate) fn sort_fields(&mut self, out: &mut Vec<u8>, start: usize) -> R<()> {
        self.copy_end(out, start);
        let data = &self.copy[..];
        let mut reader = Reader::new(data);
        let position = |reader: &Reader<'_>| data.len() - reader.rest().len();
        self.fields.clear();
        self.fields.reserve(FEW);
        while !reader.is_empty() {
            let from = position(&reader);
            let (number, wire_type) = reader.tag()?;
            reader.skip(wire_type)?;
            self.fields.push((number, from..position(&reader)));
        }
        // The items of one list keep their order.
        self.fields.sort_by_key(|field| field.0);
        out.truncate(start);
        for (_, field) in &self.fields {
            out.extend_from_slice(&data[field.clone()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_each_size() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut out = vec![FIRST];
            let start = open(&mut out);
            out.extend((0..length).map(|index| index as u8));
            let content = out[start..].to_vec();
            let moved = close(&mut out, start);
            let mut expected = vec![FIRST];
            put_varint(&mut expected, length as u64);
            assert_eq!(start + moved, expected.len());
            expected.extend(content);
            assert!(out == expected, "{length}");
        }
    }

    fn entries(keys: &[&str]) -> R<Vec<u8>> {
        let mut out = b"before".to_vec();
        let mut entries = Entries::new(&out);
        for (index, key) in keys.iter().enumerate() {
            out.push(FIRST);
            let start = open(&mut out);
            out.push(FIRST);
            put_bytes(&mut out, key.as_bytes());
            let end = out.len();
            out.extend([16, index as u8]);
            let moved = close(&mut out, start);
            entries.add(&out, end + moved - key.len()..end + moved);
        }
        entries.finish(&mut out, &mut Sorter::default())?;
        Ok(out.split_off(b"before".len()))
    }

    #[test]
    fn entries_of_maps_are_sorted() {
        // The order of protobuf's C library: a key comes before its own beginning.
        let long = "l".repeat(200);
        let sorted = ["aa", "a", "b", "b\u{0}"];
        assert!(entries(&sorted[..3]).is_ok());
        let expected = entries(&["aa", "a", "b", long.as_str(), "~", "é", ""]).expect("sorted");
        let order: Vec<u8> = numbers(&expected);
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
        let shuffled = entries(&["", "é", "a", long.as_str(), "aa", "~", "b"]).expect("sorted");
        assert_eq!(numbers(&shuffled), [4, 2, 6, 3, 5, 1, 0]);
        assert_eq!(numbers(&entries(&["", "x"]).expect("sorted")), [1, 0]);
        assert_eq!(numbers(&entries(&[""]).expect("sorted")), [0]);
    }

    fn numbers(entries: &[u8]) -> Vec<u8> {
        let mut reader = Reader::new(entries);
        let mut numbers = Vec::new();
        while !reader.is_empty() {
            reader.tag().expect("a tag");
            numbers.push(*reader.bytes().expect("an entry").last().expect("a number"));
        }
        numbers
    }

    #[test]
    fn duplicate_keys_are_unsure() {
        for keys in [
            &["a", "a"][..],
            &["a", "b", "a"],
            &["", ""],
            &["b", "a", "c", "a"],
        ] {
            assert_eq!(entries(keys), Err(Unsure), "{keys:?}");
        }
        let many: Vec<String> = (0..1000).map(|index| format!("{}", index % 999)).collect();
        assert!(entries(&many.iter().map(String::as_str).collect::<Vec<_>>()).is_err());
    }

    #[test]
    fn fields_are_sorted_by_number() {
        let field = |number: u8, value: u8| [number << 3, value];
        let mut out = [
            b"x".to_vec(),
            field(3, 1).into(),
            field(1, 2).into(),
            field(3, 3).into(),
        ]
        .concat();
        Sorter::default().sort_fields(&mut out, 1).expect("fields");
        assert_eq!(out[1..], [field(1, 2), field(3, 1), field(3, 3)].concat());
    }
}
