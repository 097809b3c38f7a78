//! Columns of values, with the buffers of Apache Arrow's columnar format.

use std::mem;

use crate::unsure::{R, Unsure};

/// The values of a buffer. Bits are in bytes, the lowest bit first.
#[derive(Clone, PartialEq, Debug)]
pub enum Buffer {
    /// Bytes, or bits.
    U8(Vec<u8>),
    /// 16-bit integers.
    I16(Vec<i16>),
    /// 32-bit integers, such as offsets.
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Unsigned 32-bit integers.
    U32(Vec<u32>),
    /// Unsigned 64-bit integers.
    U64(Vec<u64>),
    /// Floats.
    F32(Vec<f32>),
    /// Doubles.
    F64(Vec<f64>),
}

impl Buffer {
    /// Returns the address of the first value.
    pub fn as_ptr(&self) -> *const u8 {
        match self {
            Self::U8(values) => values.as_ptr(),
            Self::I16(values) => values.as_ptr().cast(),
            Self::I32(values) => values.as_ptr().cast(),
            Self::I64(values) => values.as_ptr().cast(),
            Self::U32(values) => values.as_ptr().cast(),
            Self::U64(values) => values.as_ptr().cast(),
            Self::F32(values) => values.as_ptr().cast(),
            Self::F64(values) => values.as_ptr().cast(),
        }
    }
}

/// An array of Arrow without its type.
#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    /// The number of values.
    pub length: usize,
    /// The number of nulls.
    pub nulls: usize,
    /// The bits of the values that are not null; `None` if there are no nulls.
    pub validity: Option<Vec<u8>>,
    /// The buffers after that of the validity.
    pub buffers: Vec<Buffer>,
    /// The arrays inside.
    pub children: Vec<Array>,
    /// The values that the indices of a dictionary refer to.
    pub dictionary: Option<Box<Array>>,
}

impl Array {
    pub(super) fn new(valid: Bits, buffers: Vec<Buffer>) -> Self {
        Self {
            length: valid.length,
            nulls: valid.unset,
            validity: (valid.unset > 0).then_some(valid.bytes),
            buffers,
            children: Vec::new(),
            dictionary: None,
        }
    }

    /// Returns an array without nulls.
    pub(super) fn full(length: usize, buffers: Vec<Buffer>) -> Self {
        Self {
            length,
            nulls: 0,
            validity: None,
            buffers,
            children: Vec::new(),
            dictionary: None,
        }
    }

    pub(super) fn with_children(self, children: Vec<Self>) -> Self {
        Self { children, ..self }
    }
}

/// Returns values, and leaves space for as many.
pub(super) fn taken<T>(values: &mut Vec<T>) -> Vec<T> {
    let capacity = values.len();
    mem::replace(values, Vec::with_capacity(capacity))
}

/// A list of bits.
#[derive(Clone, Default, Debug)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    length: usize,
    unset: usize,
}

impl Bits {
    #[inline(always)]
    pub fn push(&mut self, bit: bool) {
        let shift = self.length & 7;
        if shift == 0 {
            self.bytes.push(u8::from(bit));
        } else if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << shift;
        }
        self.unset += usize::from(!bit);
        self.length += 1;
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns if a bit from a position on is set.
    pub fn any_from(&self, start: usize) -> bool {
        (start..self.length).any(|at| self.get(at))
    }

    fn get(&self, at: usize) -> bool {
        self.bytes
            .get(at / 8)
            .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    pub fn truncate(&mut self, length: usize) {
        if length >= self.length {
            return;
        }
        self.unset -= (length..self.length).filter(|at| !self.get(*at)).count();
        self.length = length;
        self.bytes.truncate(length.div_ceil(8));
        if !length.is_multiple_of(8)
            && let Some(last) = self.bytes.last_mut()
        {
            *last &= (1 << (length % 8)) - 1;
        }
    }

    pub fn take(&mut self) -> Self {
        Self {
            bytes: taken(&mut self.bytes),
            length: mem::take(&mut self.length),
            unset: mem::take(&mut self.unset),
        }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A list of byte strings.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub offsets: Vec<i32>,
    pub data: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            data: Vec::new(),
        }
    }
}

impl Texts {
    #[inline(always)]
    pub fn push(&mut self, text: &[u8]) -> R<()> {
        self.data.extend_from_slice(text);
        self.close()
    }

    /// Ends a text whose bytes were appended to the data.
    #[inline(always)]
    pub fn close(&mut self) -> R<()> {
        self.offsets.push(offset(self.data.len())?);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub fn truncate(&mut self, length: usize) {
        self.offsets.truncate(length + 1);
        self.data.truncate(last(&self.offsets));
    }

    pub fn get(&self, at: i32) -> &[u8] {
        let at = at as usize;
        &self.data[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.offsets.iter().skip(1);
        let ranges = self.offsets.iter().zip(ends);
        ranges.map(|(start, end)| &self.data[*start as usize..*end as usize])
    }

    pub fn take(&mut self) -> Self {
        let offsets = taken(&mut self.offsets);
        self.offsets.push(0);
        Self {
            offsets,
            data: taken(&mut self.data),
        }
    }

    pub fn into_buffers(self) -> Vec<Buffer> {
        vec![Buffer::I32(self.offsets), Buffer::U8(self.data)]
    }
}

/// Returns a length as an offset. A larger one is unsure.
#[inline(always)]
pub(super) fn offset(length: usize) -> R<i32> {
    i32::try_from(length).map_err(|_| Unsure)
}

/// Returns the last of some offsets.
#[inline(always)]
pub(super) fn last(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |last| *last as usize)
}

/// Integers, some of which are null.
#[derive(Clone, Default, Debug)]
pub(super) struct Integers {
    pub valid: Bits,
    pub values: Vec<i32>,
}

impl Integers {
    #[inline(always)]
    pub fn push(&mut self, value: Option<i32>) {
        self.valid.push(value.is_some());
        self.values.push(value.unwrap_or(0));
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn truncate(&mut self, length: usize) {
        self.valid.truncate(length);
        self.values.truncate(length);
    }

    pub fn take(&mut self) -> Self {
        Self {
            valid: self.valid.take(),
            values: taken(&mut self.values),
        }
    }

    pub fn finish(self) -> Array {
        Array::new(self.valid, vec![Buffer::I32(self.values)])
    }

    /// Returns the array of integers that fit into 16 bits.
    pub fn finish_short(self) -> Array {
        let values = self.values.iter().map(|value| *value as i16).collect();
        Array::new(self.valid, vec![Buffer::I16(values)])
    }
}
