//! Maps, objects whose numbers are in a map and whose other values are opaque, and snapshots of metrics.

use std::ops::Range;

use super::{Order, Reader, field_of};
use crate::json::crucible_tables::{CrucibleJson, Key};
use crate::json::crucible_words::{is_not_finite, may_be_time};
use crate::json::input::Quoted;
use crate::json::scan::Scanner;
use crate::json::sink::{Entries, FIRST, SECOND, close, open, put_tag};
use crate::json::times::{Spelling, timestamp};
use crate::tables::{Field, Kind, Message};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, WireType, put_varint};

/// The tag of the second field of an entry, if it is a double.
const SECOND_DOUBLE: u8 = 2 << 3 | WireType::Fixed64 as u8;

/// The fields of a snapshot that have been read.
pub(super) struct Snapshot<'t> {
    message: &'t Message,
    own: &'t [Key],
    /// The bits of the keys that the object has, by position.
    given: u64,
    /// The bits of those that have been read as fields.
    read: u64,
    /// The fields, encoded.
    fields: Vec<u8>,
    order: Order,
    first_number: u32,
}

impl Snapshot<'_> {
    fn has_read(&self, name: &[u8]) -> bool {
        let position = self.own.iter().position(|key| *key.name == *name);
        position.is_some_and(|position| self.read & 1 << position != 0)
    }
}

impl<'t, 'a> Reader<'t, 'a, '_> {
    /// Reads a map from strings to scalars, for which an empty list is an empty object.
    pub(super) fn map(&mut self, field: &'t Field) -> R<()> {
        if self.input.scan.peek() == b'[' {
            return self.empty_list();
        }
        let (key, value) = self.tables.entry_of(field).ok_or(Unsure)?;
        if key.kind != Kind::String || matches!(value.kind, Kind::Message | Kind::Enum) {
            return Err(Unsure);
        }
        if self.input.scan.open(b'{', b'}')? {
            return Ok(());
        }
        let mut entries = Entries::new(self.input.out);
        loop {
            let entry = self.open_entry(&field.tag);
            let key = self.entry_key()?;
            put_tag(self.input.out, &value.tag);
            self.input.scalar(value.kind, Quoted::No)?;
            self.close_entry(&mut entries, entry, key);
            if !self.input.scan.more(b'}')? {
                return entries.finish(self.input.out, &mut self.input.sorter);
            }
        }
    }

    #[inline(always)]
    fn open_entry(&mut self, tag: &[u8]) -> usize {
        put_tag(self.input.out, tag);
        open(self.input.out)
    }

    /// Reads the key of an entry and the colon, and returns its position in the output.
    #[inline(always)]
    fn entry_key(&mut self) -> R<Range<usize>> {
        let length = self.input.map_key()?;
        let end = self.input.out.len();
        Ok(end - length..end)
    }

    #[inline(always)]
    fn close_entry(&mut self, entries: &mut Entries, start: usize, key: Range<usize>) {
        let moved = close(self.input.out, start);
        entries.add(self.input.out, key.start + moved..key.end + moved);
    }

    /// Reads a pair: numbers into a map, and other values into a Struct. An empty list is an empty
    /// object. The fields of a snapshot are read among its members.
    pub(super) fn pair(
        &mut self,
        message: &'t Message,
        key: &Key,
        order: &mut Order,
        mut snapshot: Option<&mut Snapshot<'t>>,
        depth: u32,
    ) -> R<()> {
        let (field, second) = (
            field_of(message, key.field)?,
            field_of(message, key.second)?,
        );
        if self.input.scan.peek() == b'[' {
            return self.empty_list();
        }
        let again = self.input.scan;
        if self.input.scan.open(b'{', b'}')? {
            return Ok(());
        }
        let before = self.input.out.len();
        let mut entries = Entries::new(self.input.out);
        let mut has_others = false;
        loop {
            if let Some(snapshot) = snapshot.as_deref_mut()
                && self.snapshot_field(snapshot)?
            {
                if !self.input.scan.more(b'}')? {
                    break;
                }
                continue;
            }
            let start = self.input.out.len();
            let entry = self.open_entry(&field.tag);
            let key = self.entry_key()?;
            if self.number()? {
                self.close_entry(&mut entries, entry, key);
            } else {
                has_others = true;
                self.input.out.truncate(start);
                self.skip_value(depth)?;
            }
            if !self.input.scan.more(b'}')? {
                break;
            }
        }
        entries.finish(self.input.out, &mut self.input.sorter)?;
        if self.input.out.len() > before {
            order.add(field.number, field.number);
        }
        if has_others {
            let end = self.input.scan;
            self.input.scan = again;
            self.others(second, snapshot.as_deref(), depth)?;
            order.add(second.number, second.number);
            self.input.scan = end;
            self.require_unique_keys(again)?;
        }
        Ok(())
    }

    /// Reads a number of a pair and writes it with its tag; returns false for another value, which
    /// is not read.
    #[inline(always)]
    fn number(&mut self) -> R<bool> {
        match self.input.scan.peek() {
            b'-' | b'0'..=b'9' => {}
            b'"' => {
                let mut ahead = self.input.scan;
                if !is_not_finite(ahead.string(&mut self.input.buffer)?) {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
        self.input.out.push(SECOND_DOUBLE);
        self.input.scalar(Kind::Double, Quoted::No)?;
        Ok(true)
    }

    /// Reads the other values of a pair, which has been read once.
    #[inline(never)]
    fn others(&mut self, field: &Field, snapshot: Option<&Snapshot<'t>>, depth: u32) -> R<()> {
        // The Struct is one level below the message, and its values three.
        if depth + 3 > MAX_DEPTH {
            return Err(Unsure);
        }
        put_tag(self.input.out, &field.tag);
        let start = open(self.input.out);
        self.input.scan.open(b'{', b'}')?;
        let mut entries = Entries::new(self.input.out);
        loop {
            let before = self.input.out.len();
            let entry = self.open_entry(&[FIRST]);
            let key = self.entry_key()?;
            let is_own =
                snapshot.is_some_and(|snapshot| snapshot.has_read(&self.input.out[key.clone()]));
            if is_own || self.number()? {
                self.input.out.truncate(before);
                if is_own {
                    self.skip_value(depth)?;
                }
            } else {
                self.input.out.push(SECOND);
                let value = open(self.input.out);
                self.input.opaque_value(depth + 3)?;
                close(self.input.out, value);
                self.close_entry(&mut entries, entry, key);
            }
            if !self.input.scan.more(b'}')? {
                break;
            }
        }
        entries.finish(self.input.out, &mut self.input.sorter)?;
        close(self.input.out, start);
        Ok(())
    }

    /// Checks that the keys of an object differ, which has been read.
    #[inline(never)]
    fn require_unique_keys(&mut self, mut scan: Scanner<'a>) -> R<()> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        std::mem::swap(&mut self.input.scan, &mut scan);
        self.input.scan.open(b'{', b'}')?;
        loop {
            keys.push(self.input.scan.string(&mut self.input.buffer)?.to_vec());
            self.input.scan.colon()?;
            self.skip_value(0)?;
            if !self.input.scan.more(b'}')? {
                break;
            }
        }
        std::mem::swap(&mut self.input.scan, &mut scan);
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            Err(Unsure)
        } else {
            Ok(())
        }
    }

    /// Reads a snapshot: an object whose members are those of a pair, or fields.
    pub(super) fn snapshot(
        &mut self,
        message: &'t Message,
        table: &'t CrucibleJson,
        depth: u32,
    ) -> R<()> {
        let (pair, own) = table.keys.split_last().ok_or(Unsure)?;
        let before = self.input.out.len();
        let mut order = Order::new();
        let mut snapshot = Snapshot {
            message,
            own,
            given: 0,
            read: 0,
            fields: std::mem::take(&mut self.fields),
            order: Order::new(),
            first_number: 0,
        };
        snapshot.fields.clear();
        self.pair(message, pair, &mut order, Some(&mut snapshot), depth)?;
        if !snapshot.fields.is_empty() {
            self.input.out.extend_from_slice(&snapshot.fields);
            order.add(snapshot.first_number, snapshot.order.last);
            order.ordered &= snapshot.order.ordered;
        }
        self.fields = snapshot.fields;
        self.sort(order, before)
    }

    /// Reads a member of a snapshot if it is a field; else reads nothing and returns false.
    #[inline]
    fn snapshot_field(&mut self, snapshot: &mut Snapshot<'t>) -> R<bool> {
        let mut ahead = self.input.scan;
        // Most members are metrics, whose keys begin with other letters.
        let first = ahead.peek_second();
        let may_be_own = |key: &Key| key.name.first() == Some(&first);
        if first != b'\\' && !snapshot.own.iter().any(may_be_own) {
            return Ok(false);
        }
        let name = ahead.string(&mut self.input.buffer)?;
        let Some(position) = snapshot.own.iter().position(|key| *key.name == *name) else {
            return Ok(false);
        };
        if snapshot.given & 1 << position != 0 {
            return Err(Unsure);
        }
        snapshot.given |= 1 << position;
        ahead.colon()?;
        let key = snapshot.own.get(position).ok_or(Unsure)?;
        let field = field_of(snapshot.message, key.field)?;
        let start = snapshot.fields.len();
        snapshot.fields.extend_from_slice(&field.tag);
        let is_field = match (field.kind, ahead.peek()) {
            (Kind::Int32, b'-' | b'0'..=b'9') => {
                let number = ahead.number()?;
                let value = if number.is_whole() {
                    number.int32().ok()
                } else {
                    None
                };
                match value.and_then(|value| u32::try_from(value).ok()) {
                    Some(value) => {
                        put_varint(&mut snapshot.fields, u64::from(value));
                        true
                    }
                    None => false,
                }
            }
            (Kind::Double, b'-' | b'0'..=b'9') => {
                let value = ahead.number()?.double()?;
                snapshot.fields.extend_from_slice(&value.to_le_bytes());
                value >= 0.0
            }
            (Kind::Message, b'"') => {
                let text = ahead.string(&mut self.input.buffer)?;
                if may_be_time(text) {
                    // A text that is no time is unsure here.
                    let (seconds, nanos) = timestamp(text, Spelling::Any)?;
                    let inside = open(&mut snapshot.fields);
                    for (tag, value) in [(1 << 3, seconds), (2 << 3, i64::from(nanos))] {
                        if value != 0 {
                            snapshot.fields.push(tag);
                            put_varint(&mut snapshot.fields, value as u64);
                        }
                    }
                    close(&mut snapshot.fields, inside);
                    true
                } else {
                    false
                }
            }
            _ => false,
        };
        if is_field {
            snapshot.read |= 1 << position;
            if start == 0 {
                snapshot.first_number = field.number;
            }
            snapshot.order.add(field.number, field.number);
            self.input.scan = ahead;
        } else {
            snapshot.fields.truncate(start);
        }
        Ok(is_field)
    }
}
