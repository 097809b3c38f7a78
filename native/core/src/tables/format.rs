//! Reading of the fields of tables.binpb.

use std::fmt;

use crate::unsure::Unsure;
use crate::wire::{Reader, WireType, utf8};

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
pub(crate) const UNKNOWN_FIELD: TablesError = TablesError("an unknown field");

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
            WireType::Fixed32 | WireType::Group => {
                return Err(TablesError("an unexpected wire type"));
            }
        };
        read(number, value)?;
    }
    Ok(())
}
