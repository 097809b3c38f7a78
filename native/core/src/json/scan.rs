//! The low-level scanner of JSON text (RFC 8259): white space, punctuation, literals and strings.
//!
//! Numbers are in `number.rs`. The scanner accepts only what Python's strict parser accepts, and
//! strings only if UTF-8 can encode them.

use super::number::Number;
use crate::unsure::{R, Unsure};
use crate::wire::utf8;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The bytes of a string that are read before it counts as long; its blocks are read at once.
const BEFORE_BLOCKS: usize = 64;
const BLOCK: usize = 32;

const ONES: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = ONES << 7;

/// A position in a JSON text.
///
/// Bytes outside strings are compared one by one. Strings are checked as UTF-8 while they are read,
/// so that the text need not be checked before.
#[derive(Clone, Copy)]
pub(crate) struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Returns a scanner at the start of a text, after its byte order mark if it has one.
    pub(crate) fn new(input: &'a [u8]) -> Self {
        let at = if input.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        Scanner { input, at }
    }

    /// Returns the next byte. At the end of the text, it is 0, which JSON has nowhere.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u8 {
        self.input.get(self.at).copied().unwrap_or(0)
    }

    /// Returns the byte after the next one.
    #[inline(always)]
    pub(crate) fn peek_second(&self) -> u8 {
        self.input.get(self.at + 1).copied().unwrap_or(0)
    }

    /// Skips white space.
    #[inline(always)]
    pub(crate) fn space(&mut self) {
        while self.peek() <= b' ' {
            if !matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
                return;
            }
            self.at += 1;
        }
    }

    /// Skips white space and returns the next byte.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> u8 {
        self.space();
        self.peek()
    }

    /// Reads one given byte.
    #[inline(always)]
    pub(crate) fn eat(&mut self, byte: u8) -> R<()> {
        if self.peek() != byte {
            return Err(Unsure);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the literal `true`, `false` or `null`.
    #[inline(always)]
    pub(crate) fn literal(&mut self, word: &[u8]) -> R<()> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Unsure);
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads the start of an object or list; returns whether it is empty, and then reads its end.
    ///
    /// ```text
    /// if !scan.open(b'{', b'}')? {
    ///     loop {
    ///         // Reads one member.
    ///         if !scan.more(b'}')? { break; }
    ///     }
    /// }
    /// ```
    #[inline(always)]
    pub(crate) fn open(&mut self, start: u8, end: u8) -> R<bool> {
        self.eat(start)?;
        let is_empty = self.next() == end;
        self.at += usize::from(is_empty);
        Ok(is_empty)
    }

    /// Reads what follows a member: returns true after a comma, and false after the end.
    #[inline(always)]
    pub(crate) fn more(&mut self, end: u8) -> R<bool> {
        let byte = self.next();
        if byte != b',' && byte != end {
            return Err(Unsure);
        }
        self.at += 1;
        if byte == end {
            return Ok(false);
        }
        self.space();
        Ok(true)
    }

    /// Reads the colon after a key, and the white space around it.
    #[inline(always)]
    pub(crate) fn colon(&mut self) -> R<()> {
        self.space();
        self.eat(b':')?;
        self.space();
        Ok(())
    }

    /// Reads a key without escapes, the colon after it and white space, if that is what comes next.
    #[inline(always)]
    pub(crate) fn eat_key(&mut self, name: &[u8]) -> bool {
        let start = self.at + 1;
        let end = start + name.len();
        let found = self.peek() == b'"'
            && self.input.get(start..end) == Some(name)
            && self.input.get(end..end + 2) == Some(b"\":");
        if found {
            self.at = end + 2;
            self.space();
        }
        found
    }

    /// Returns the number of bytes that come next and equal those of another text.
    #[inline(always)]
    pub(crate) fn equal_bytes(&self, text: &[u8]) -> usize {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let mut count = 0;
        while let (Some(ours), Some(theirs)) = (word(rest, count), word(text, count)) {
            let different = ours ^ theirs;
            if different != 0 {
                return count + different.trailing_zeros() as usize / 8;
            }
            count += 8;
        }
        while rest
            .get(count)
            .is_some_and(|byte| text.get(count) == Some(byte))
        {
            count += 1;
        }
        count
    }

    /// Reads some bytes that were compared, if a member ends there.
    #[inline(always)]
    pub(crate) fn eat_member(&mut self, length: usize) -> bool {
        let ends = matches!(self.input.get(self.at + length), Some(b',' | b'}'));
        if ends {
            self.at += length;
        }
        ends
    }

    /// Reads some bytes that were compared, and white space.
    #[inline(always)]
    pub(crate) fn eat_bytes(&mut self, length: usize) {
        self.at += length;
        self.space();
    }

    /// Reads white space up to the end of the text.
    pub(crate) fn end(&mut self) -> R<()> {
        self.space();
        if self.at == self.input.len() {
            Ok(())
        } else {
            Err(Unsure)
        }
    }

    /// Reads a number.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> R<Number<'a>> {
        let number = Number::at_start(self.input.get(self.at..).unwrap_or_default())?;
        self.at += number.text().len();
        Ok(number)
    }

    /// Reads a string without escapes; `None` if it has some, and then nothing is read.
    #[inline(always)]
    pub(crate) fn plain_string(&mut self) -> R<Option<&'a [u8]>> {
        if self.peek() != b'"' {
            return Err(Unsure);
        }
        let start = self.at + 1;
        let (end, is_ascii) = plain_end(self.input, start);
        match self.input.get(end) {
            Some(b'"') => {
                let text = &self.input[start..end];
                if !is_ascii {
                    utf8(text)?;
                }
                self.at = end + 1;
                Ok(Some(text))
            }
            Some(b'\\') => Ok(None),
            _ => Err(Unsure),
        }
    }

    /// Reads a string and returns its text, which may be in the buffer.
    #[inline(always)]
    pub(crate) fn string<'s>(&mut self, buffer: &'s mut Vec<u8>) -> R<&'s [u8]>
    where
        'a: 's,
    {
        match self.plain_string()? {
            Some(text) => Ok(text),
            None => {
                buffer.clear();
                self.append_string(buffer)?;
                Ok(buffer)
            }
        }
    }

    /// Reads a string and appends its text.
    #[inline(never)]
    pub(crate) fn append_string(&mut self, out: &mut Vec<u8>) -> R<()> {
        self.eat(b'"')?;
        loop {
            let (end, is_ascii) = plain_end(self.input, self.at);
            let text = &self.input[self.at..end];
            if !is_ascii {
                utf8(text)?;
            }
            out.extend_from_slice(text);
            self.at = end;
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.append_escape(out)?,
                _ => return Err(Unsure),
            }
        }
    }

    fn append_escape(&mut self, out: &mut Vec<u8>) -> R<()> {
        self.at += 1;
        let escaped = self.peek();
        self.at += 1;
        out.push(match escaped {
            b'"' | b'\\' | b'/' => escaped,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.escaped_character()?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(Unsure),
        });
        Ok(())
    }

    /// Reads what follows `\u`: four digits, and the second half of a pair of surrogates.
    fn escaped_character(&mut self) -> R<char> {
        let first = self.hex_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            // An unpaired low surrogate is no character.
            return char::from_u32(first).ok_or(Unsure);
        }
        self.eat(b'\\')?;
        self.eat(b'u')?;
        let second = self.hex_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(Unsure);
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(Unsure)
    }

    fn hex_digits(&mut self) -> R<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value << 4 | char::from(self.peek()).to_digit(16).ok_or(Unsure)?;
            self.at += 1;
        }
        Ok(value)
    }
}

/// Returns the eight bytes at a position.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    let bytes = text.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Returns the position of the first byte from a position that ends a run of plain characters (a
/// quote, a backslash, a control character or the end), and whether it is certainly ASCII.
#[inline(always)]
fn plain_end(input: &[u8], start: usize) -> (usize, bool) {
    let mut at = start;
    let mut seen = 0;
    while let Some(bytes) = input.get(at..at + 8) {
        let word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // The high bit of each byte that ends the run. A byte above one of those may have it
        // wrongly, since a subtraction borrows from it, but the lowest one is right.
        let ends = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * b' ' as u64) & !word))
            & HIGH_BITS;
        seen |= word;
        if ends != 0 {
            let count = ends.trailing_zeros() / 8;
            return (at + count as usize, seen & HIGH_BITS == 0);
        }
        at += 8;
        if at - start == BEFORE_BLOCKS {
            at = skip_blocks(input, at, &mut seen);
        }
    }
    while let Some(&byte) = input.get(at) {
        if byte < b' ' || byte == b'"' || byte == b'\\' {
            break;
        }
        seen |= u64::from(byte);
        at += 1;
    }
    (at, seen & HIGH_BITS == 0)
}

/// Skips blocks of plain characters in a long string, and returns the position after them.
#[inline(never)]
fn skip_blocks(input: &[u8], start: usize, seen: &mut u64) -> usize {
    let rest = input.get(start..).unwrap_or_default();
    let mut at = start;
    for block in rest.as_chunks::<BLOCK>().0 {
        // The compiler turns these loops into vector instructions.
        let is_end = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
        if block.iter().fold(false, |ends, byte| ends | is_end(*byte)) {
            break;
        }
        *seen |= u64::from(block.iter().fold(0, |all, byte| all | byte));
        at += BLOCK;
    }
    at
}

#[cfg(test)]
mod tests;
