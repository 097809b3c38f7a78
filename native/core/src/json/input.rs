//! Reading of JSON values into protobuf's wire format, as far as the JSON dialects agree: scalars
//! and opaque JSON (google.protobuf.Struct, Value and ListValue).

use super::base64;
use super::number::Number;
use super::scan::Scanner;
use super::sink::{Entries, FIRST, SECOND, Sorter, close, open, put_bytes};
use super::times::{Spelling, duration, timestamp};
use crate::tables::Kind;
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, put_varint};

/// The tags of the members of a google.protobuf.Value.
const NULL: u8 = 1 << 3;
const NUMBER: u8 = 2 << 3 | 1;
const STRING: u8 = 3 << 3 | 2;
const BOOL: u8 = 4 << 3;
const STRUCT: u8 = 5 << 3 | 2;
const LIST: u8 = 6 << 3 | 2;

/// Whether numbers are also read from strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quoted {
    Yes,
    No,
}

/// A JSON text, and the message that is written while it is read.
pub(crate) struct Input<'a, 'o> {
    pub(crate) scan: Scanner<'a>,
    pub(crate) out: &'o mut Vec<u8>,
    pub(crate) sorter: Sorter,
    /// The text of a string with escapes.
    pub(crate) buffer: Vec<u8>,
}

impl<'a, 'o> Input<'a, 'o> {
    /// Starts to read a text.
    pub(crate) fn new(text: &'a [u8], out: &'o mut Vec<u8>) -> Self {
        Input {
            scan: Scanner::new(text),
            out,
            sorter: Sorter::default(),
            buffer: Vec::new(),
        }
    }

    /// Reads a string and writes its length and text.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> R<()> {
        if let Some(text) = self.scan.plain_string()? {
            put_bytes(self.out, text);
            return Ok(());
        }
        self.long_string()
    }

    #[inline(never)]
    fn long_string(&mut self) -> R<()> {
        let start = open(self.out);
        self.scan.append_string(self.out)?;
        close(self.out, start);
        Ok(())
    }

    /// Reads a key with the colon after it, writes it as the key of a map entry, and returns its
    /// length. It is the last of the output then.
    #[inline(always)]
    pub(crate) fn map_key(&mut self) -> R<usize> {
        self.out.push(FIRST);
        let length = match self.scan.plain_string()? {
            Some(text) => {
                put_bytes(self.out, text);
                text.len()
            }
            None => {
                let start = open(self.out);
                self.scan.append_string(self.out)?;
                let length = self.out.len() - start;
                close(self.out, start);
                length
            }
        };
        self.scan.colon()?;
        Ok(length)
    }

    /// Reads a boolean.
    #[inline(always)]
    pub(crate) fn boolean(&mut self) -> R<bool> {
        let value = self.scan.peek() == b't';
        self.scan.literal(if value { b"true" } else { b"false" })?;
        Ok(value)
    }

    /// Reads a scalar, except an enum, and writes its value without a tag. The result is whether it
    /// is zero, which a field without presence leaves out.
    #[inline(always)]
    pub(crate) fn scalar(&mut self, kind: Kind, quoted: Quoted) -> R<bool> {
        match kind {
            Kind::String => {
                let start = self.out.len();
                self.string()?;
                Ok(self.out.len() == start + 1)
            }
            Kind::Bool => {
                let value = self.boolean()?;
                self.out.push(u8::from(value));
                Ok(!value)
            }
            Kind::Double => {
                let value = self.double(quoted)?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(value.to_bits() == 0)
            }
            Kind::Int32 => {
                let value = self.number(quoted)?.int32()?;
                self.varint(i64::from(value) as u64)
            }
            _ => self.rare_scalar(kind, quoted),
        }
    }

    #[inline(never)]
    fn rare_scalar(&mut self, kind: Kind, quoted: Quoted) -> R<bool> {
        match kind {
            Kind::Float => {
                let value = self.double(quoted)?;
                let single = value as f32;
                // The nearest float may be infinite, and then the number is out of range.
                if single.is_infinite() && value.is_finite() {
                    return Err(Unsure);
                }
                self.out.extend_from_slice(&single.to_le_bytes());
                Ok(single.to_bits() == 0)
            }
            Kind::Bytes => {
                let text = self.scan.string(&mut self.buffer)?;
                let start = open(self.out);
                base64::decode(text, self.out)?;
                let is_empty = self.out.len() == start;
                close(self.out, start);
                Ok(is_empty)
            }
            Kind::Int64 => {
                let value = self.number(quoted)?.int64()?;
                self.varint(value as u64)
            }
            Kind::Uint64 => {
                let value = self.number(quoted)?.uint64()?;
                self.varint(value)
            }
            Kind::Uint32 => {
                let value = self.number(quoted)?.uint32()?;
                self.varint(u64::from(value))
            }
            Kind::Sint32 => {
                let value = self.number(quoted)?.int32()?;
                self.varint(u64::from((value << 1 ^ value >> 31) as u32))
            }
            Kind::Sint64 => {
                let value = self.number(quoted)?.int64()?;
                self.varint((value << 1 ^ value >> 63) as u64)
            }
            Kind::Fixed32 => {
                let value = self.number(quoted)?.uint32()?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(value == 0)
            }
            Kind::Sfixed32 => {
                let value = self.number(quoted)?.int32()?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(value == 0)
            }
            Kind::Fixed64 => {
                let value = self.number(quoted)?.uint64()?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(value == 0)
            }
            Kind::Sfixed64 => {
                let value = self.number(quoted)?.int64()?;
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(value == 0)
            }
            _ => Err(Unsure),
        }
    }

    #[inline(always)]
    fn varint(&mut self, value: u64) -> R<bool> {
        put_varint(self.out, value);
        Ok(value == 0)
    }

    /// Reads the number of an integer field, which may be in a string.
    #[inline(always)]
    fn number(&mut self, quoted: Quoted) -> R<Number<'a>> {
        if self.scan.peek() != b'"' {
            return self.scan.number();
        }
        // A number has no escapes; Python reads them, and numbers in strings of up to 64 characters.
        match self.scan.plain_string()? {
            Some(text) if quoted != Quoted::No && text.len() <= 64 => Number::of(text),
            _ => Err(Unsure),
        }
    }

    /// Reads a double, which may be in a string, or the name of one that is not finite.
    #[inline(always)]
    fn double(&mut self, quoted: Quoted) -> R<f64> {
        if self.scan.peek() != b'"' {
            return self.scan.number()?.double();
        }
        match self.scan.plain_string()?.ok_or(Unsure)? {
            b"NaN" => Ok(f64::from_bits(0x7ff8 << 48)),
            b"Infinity" => Ok(f64::INFINITY),
            b"-Infinity" => Ok(f64::NEG_INFINITY),
            text if quoted != Quoted::No => Number::of(text)?.nearest(),
            _ => Err(Unsure),
        }
    }

    /// Reads a Timestamp and writes its fields.
    #[inline(always)]
    pub(crate) fn timestamp(&mut self, spelling: Spelling) -> R<()> {
        let (seconds, nanos) = timestamp(self.scan.string(&mut self.buffer)?, spelling)?;
        self.seconds_and_nanos(seconds, nanos)
    }

    /// Reads a Duration and writes its fields.
    pub(crate) fn duration(&mut self) -> R<()> {
        let (seconds, nanos) = duration(self.scan.string(&mut self.buffer)?)?;
        self.seconds_and_nanos(seconds, nanos)
    }

    #[inline(always)]
    fn seconds_and_nanos(&mut self, seconds: i64, nanos: i32) -> R<()> {
        for (tag, value) in [(1 << 3, seconds), (2 << 3, i64::from(nanos))] {
            if value != 0 {
                self.out.push(tag);
                put_varint(self.out, value as u64);
            }
        }
        Ok(())
    }

    /// Reads a google.protobuf.Struct and writes its fields, given its depth below the root.
    pub(crate) fn opaque_struct(&mut self, depth: u32) -> R<()> {
        if self.scan.open(b'{', b'}')? {
            return Ok(());
        }
        // The entries of a map are messages, and count as a level.
        if depth + 2 > MAX_DEPTH {
            return Err(Unsure);
        }
        let mut entries = Entries::new(self.out);
        loop {
            self.out.push(FIRST);
            let entry = open(self.out);
            let key_length = self.map_key()?;
            let key_end = self.out.len();
            self.opaque_field(SECOND, depth + 2)?;
            let key_end = key_end + close(self.out, entry);
            entries.add(self.out, key_end - key_length..key_end);
            if !self.scan.more(b'}')? {
                return entries.finish(self.out, &mut self.sorter);
            }
        }
    }

    /// Reads a google.protobuf.ListValue and writes its fields, given its depth below the root.
    pub(crate) fn opaque_list(&mut self, depth: u32) -> R<()> {
        if self.scan.open(b'[', b']')? {
            return Ok(());
        }
        if depth + 1 > MAX_DEPTH {
            return Err(Unsure);
        }
        loop {
            self.opaque_field(FIRST, depth + 1)?;
            if !self.scan.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads a google.protobuf.Value and writes it as a field of a message, given the tag of one
    /// byte and its depth below the root.
    #[inline(always)]
    fn opaque_field(&mut self, tag: u8, depth: u32) -> R<()> {
        match self.scan.peek() {
            b'"' => match self.scan.plain_string()? {
                Some(text) if text.len() < 0x7e => {
                    let length = text.len() as u8;
                    self.out
                        .extend_from_slice(&[tag, length + 2, STRING, length]);
                    self.out.extend_from_slice(text);
                }
                Some(text) => {
                    self.out.push(tag);
                    let start = open(self.out);
                    self.out.push(STRING);
                    put_bytes(self.out, text);
                    close(self.out, start);
                }
                None => {
                    self.out.push(tag);
                    let start = open(self.out);
                    self.out.push(STRING);
                    self.long_string()?;
                    close(self.out, start);
                }
            },
            b'{' | b'[' => {
                self.out.push(tag);
                let start = open(self.out);
                self.opaque_value(depth)?;
                close(self.out, start);
            }
            b't' | b'f' => {
                let value = self.boolean()?;
                self.out.extend_from_slice(&[tag, 2, BOOL, u8::from(value)]);
            }
            b'n' => {
                self.scan.literal(b"null")?;
                self.out.extend_from_slice(&[tag, 2, NULL, 0]);
            }
            _ => {
                let mut field = [tag, 9, NUMBER, 0, 0, 0, 0, 0, 0, 0, 0];
                field[3..].copy_from_slice(&self.scan.number()?.opaque()?.to_le_bytes());
                self.out.extend_from_slice(&field);
            }
        }
        Ok(())
    }

    /// Reads a google.protobuf.Value and writes its field, given its depth below the root.
    pub(crate) fn opaque_value(&mut self, depth: u32) -> R<()> {
        match self.scan.peek() {
            b'"' => {
                self.out.push(STRING);
                self.string()
            }
            b'{' => {
                self.out.push(STRUCT);
                let start = open(self.out);
                self.opaque_struct(depth + 1)?;
                close(self.out, start);
                Ok(())
            }
            b'[' => {
                self.out.push(LIST);
                let start = open(self.out);
                self.opaque_list(depth + 1)?;
                close(self.out, start);
                Ok(())
            }
            b't' | b'f' => {
                let value = self.boolean()?;
                self.out.extend_from_slice(&[BOOL, u8::from(value)]);
                Ok(())
            }
            b'n' => {
                self.scan.literal(b"null")?;
                self.out.extend_from_slice(&[NULL, 0]);
                Ok(())
            }
            _ => {
                let value = self.scan.number()?.opaque()?;
                self.out.push(NUMBER);
                self.out.extend_from_slice(&value.to_le_bytes());
                Ok(())
            }
        }
    }
}
