//! protobuf's wire format: a reader of fields that gives up at the first irregularity.

use crate::unsure::{R, Unsure};

/// The most levels of nested messages that the core handles. protobuf's parsers handle 100, and
/// those of Python count differently in each format, so that the core is unsure before the limit.
pub const MAX_DEPTH: u32 = 90;

/// The largest field number.
const MAX_FIELD_NUMBER: u32 = (1 << 29) - 1;

/// The most bytes of a tag or a length.
const MAX_SIZE_BYTES: usize = 5;

/// The most levels of groups inside each other. With those of messages they stay below the limit of
/// protobuf's parsers.
const MAX_GROUPS: usize = 8;

/// The wire type of the end of a group.
const END_GROUP: u32 = 4;

/// How a value is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
    /// A group, which the reader has skipped. No field of the schema is one.
    Group = 3,
}

/// Reads the fields of one message in their order.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    data: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    /// The bytes that have not been read.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        self.data
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Reads the number and the wire type of a field. A field number that protobuf does not have is
    /// unsure.
    #[inline(always)]
    pub fn tag(&mut self) -> R<(u32, WireType)> {
        let tag = match self.data {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.data = rest;
                u32::from(*byte)
            }
            _ => self.long_size()?,
        };
        let number = tag >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(Unsure);
        }
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            5 => WireType::Fixed32,
            3 => {
                self.skip_group(number)?;
                WireType::Group
            }
            _ => return Err(Unsure),
        };
        Ok((number, wire_type))
    }

    /// Skips a group after its first tag.
    #[inline(never)]
    fn skip_group(&mut self, number: u32) -> R<()> {
        let mut open = vec![number];
        while let Some(number) = open.last().copied() {
            let tag = self.long_size()?;
            let inner = tag >> 3;
            if inner == 0 || inner > MAX_FIELD_NUMBER {
                return Err(Unsure);
            }
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.bytes()?),
                5 => drop(self.fixed32()?),
                3 if open.len() < MAX_GROUPS => open.push(inner),
                END_GROUP if inner == number => drop(open.pop()),
                _ => return Err(Unsure),
            }
        }
        Ok(())
    }

    #[inline(always)]
    pub fn varint(&mut self) -> R<u64> {
        match self.data {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.data = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> R<u64> {
        let mut value = 0;
        for (index, byte) in self.data.iter().take(10).enumerate() {
            // The tenth byte has the last of 64 bits.
            if index == 9 && *byte > 1 {
                return Err(Unsure);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.data = &self.data[index + 1..];
                return Ok(value);
            }
        }
        Err(Unsure)
    }

    /// Reads a tag or a length of more than one byte. protobuf's C library rejects those of more
    /// than five bytes, even if the last ones are zero.
    #[inline(never)]
    fn long_size(&mut self) -> R<u32> {
        let before = self.data.len();
        let size = self.long_varint()?;
        if before - self.data.len() > MAX_SIZE_BYTES {
            return Err(Unsure);
        }
        u32::try_from(size).map_err(|_| Unsure)
    }

    /// Reads a length and as many bytes.
    #[inline(always)]
    pub fn bytes(&mut self) -> R<&'a [u8]> {
        let size = match self.data {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.data = rest;
                usize::from(*byte)
            }
            _ => usize::try_from(self.long_size()?).map_err(|_| Unsure)?,
        };
        if size > self.data.len() {
            return Err(Unsure);
        }
        let (taken, rest) = self.data.split_at(size);
        self.data = rest;
        Ok(taken)
    }

    #[inline(always)]
    pub fn fixed64(&mut self) -> R<u64> {
        let (value, rest) = self.data.split_first_chunk().ok_or(Unsure)?;
        self.data = rest;
        Ok(u64::from_le_bytes(*value))
    }

    #[inline(always)]
    pub fn fixed32(&mut self) -> R<u32> {
        let (value, rest) = self.data.split_first_chunk().ok_or(Unsure)?;
        self.data = rest;
        Ok(u32::from_le_bytes(*value))
    }

    /// Skips the value of an unknown field.
    #[inline]
    pub fn skip(&mut self, wire_type: WireType) -> R<()> {
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::Fixed32 => self.fixed32().map(drop),
            WireType::Group => Ok(()),
        }
    }
}

/// Appends a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Checks that bytes are UTF-8.
#[inline]
pub fn utf8(data: &[u8]) -> R<&str> {
    simdutf8::basic::from_utf8(data).map_err(|_| Unsure)
}

/// The seconds and nanoseconds of a Timestamp or Duration.
pub fn seconds_and_nanos(data: &[u8]) -> R<(i64, i32)> {
    let (mut seconds, mut nanos) = (None, None);
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, WireType::Varint) if seconds.is_none() => seconds = Some(reader.varint()? as i64),
            (2, WireType::Varint) if nanos.is_none() => nanos = Some(reader.varint()? as i32),
            _ => return Err(Unsure),
        }
    }
    Ok((seconds.unwrap_or(0), nanos.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length_are_read_back() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                let mut reader = Reader::new(&out);
                assert_eq!(reader.varint(), Ok(value));
                assert!(reader.is_empty());
            }
        }
    }

    #[test]
    fn malformed_varints_are_unsure() {
        // Truncated, longer than ten bytes, and more than 64 bits.
        for data in [
            &b"\x80"[..],
            &[0x80; 11],
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        ] {
            assert_eq!(Reader::new(data).varint(), Err(Unsure));
        }
    }

    #[test]
    fn a_group_is_skipped_with_the_groups_inside() {
        // A varint, four bytes and an empty group, in a group of field 1; then field 2.
        let mut reader = Reader::new(b"\x0b\x08\x01\x0d\x00\x00\x00\x00\x13\x14\x0c\x10\x05");
        assert_eq!(reader.tag(), Ok((1, WireType::Group)));
        assert_eq!(reader.skip(WireType::Group), Ok(()));
        assert_eq!(reader.tag(), Ok((2, WireType::Varint)));
        // Another end, field 0, and too many groups.
        for data in [&b"\x0b\x14"[..], b"\x0b\x00\x00\x0c"] {
            assert_eq!(Reader::new(data).tag(), Err(Unsure));
        }
        let nested = |count| [[0x0b].repeat(count), [0x0c].repeat(count)].concat();
        assert!(Reader::new(&nested(MAX_GROUPS)).tag().is_ok());
        assert_eq!(Reader::new(&nested(MAX_GROUPS + 1)).tag(), Err(Unsure));
    }

    #[test]
    fn open_groups_and_invalid_field_numbers_are_unsure() {
        // Field 0, start group, end group, wire type 6, a tag beyond 32 bits.
        for data in [
            &b"\x00"[..],
            b"\x0b",
            b"\x0c",
            b"\x0e",
            b"\xff\xff\xff\xff\x7f",
        ] {
            assert_eq!(Reader::new(data).tag(), Err(Unsure));
        }
    }

    #[test]
    fn tags_and_lengths_of_more_than_five_bytes_are_unsure() {
        let mut reader = Reader::new(b"\x8a\x80\x80\x80\x00\x81\x80\x80\x80\x00a");
        assert_eq!(reader.tag(), Ok((1, WireType::Bytes)));
        assert_eq!(reader.bytes(), Ok(&b"a"[..]));
        let tag = b"\x8a\x80\x80\x80\x80\x00";
        assert_eq!(Reader::new(tag).tag(), Err(Unsure));
        let length = b"\x81\x80\x80\x80\x80\x00a";
        assert_eq!(Reader::new(length).bytes(), Err(Unsure));
    }

    #[test]
    fn a_length_beyond_the_end_is_unsure() {
        assert_eq!(Reader::new(b"\x02a").bytes(), Err(Unsure));
        assert_eq!(
            Reader::new(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").bytes(),
            Err(Unsure)
        );
    }
}
