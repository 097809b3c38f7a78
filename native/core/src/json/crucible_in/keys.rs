//! The keys of an object, which are tried in the order of writing, and values that are skipped.

use super::Reader;
use crate::json::crucible_tables::CrucibleJson;
use crate::unsure::{R, Unsure};
use crate::wire::MAX_DEPTH;

/// The key that comes next.
pub(super) enum Expected {
    /// The expected key, which has been read.
    Key,
    /// Members of unset fields, which have been read, up to the key at a position.
    Unset(usize),
    /// Another key, or the expected one with escapes or white space.
    No,
}

impl Reader<'_, '_, '_> {
    /// Reads the key that is expected next, or the members of unset fields from it on as they are
    /// written.
    #[inline(always)]
    pub(super) fn expected_key(&mut self, table: &CrucibleJson, expected: usize) -> Expected {
        let Some(key) = table.keys.get(expected) else {
            return Expected::No;
        };
        let scan = &mut self.input.scan;
        let Some((value, _)) = key.unset else {
            return if scan.eat_key(&key.name) {
                Expected::Key
            } else {
                Expected::No
            };
        };
        // The template has a comma before each member.
        let start = value as usize + 1 - key.label.len();
        let template = table.template.get(start..).unwrap_or_default();
        let equal = start + scan.equal_bytes(template);
        let keys = table.keys.get(expected..).unwrap_or_default();
        let ends = keys
            .iter()
            .map_while(|key| key.unset.map(|(_, end)| end as usize));
        let members = ends.take_while(|end| *end <= equal);
        let (mut count, mut last, mut before) = (0, start, start);
        for end in members {
            (count, before, last) = (count + 1, last, end);
        }
        if count > 0 && scan.eat_member(last - start) {
            return Expected::Unset(expected + count);
        }
        // The last one was the beginning of another value.
        if count > 1 && scan.eat_member(before - start) {
            return Expected::Unset(expected + count - 1);
        }
        if equal < value as usize {
            return Expected::No;
        }
        scan.eat_bytes(value as usize - start);
        Expected::Key
    }

    /// Skips a value of JSON.
    pub(super) fn skip_value(&mut self, depth: u32) -> R<()> {
        if depth > MAX_DEPTH {
            return Err(Unsure);
        }
        match self.input.scan.peek() {
            b'"' => {
                self.input.scan.string(&mut self.input.buffer)?;
            }
            b'{' => {
                if !self.input.scan.open(b'{', b'}')? {
                    loop {
                        self.input.scan.string(&mut self.input.buffer)?;
                        self.input.scan.colon()?;
                        self.skip_value(depth + 1)?;
                        if !self.input.scan.more(b'}')? {
                            break;
                        }
                    }
                }
            }
            b'[' => {
                if !self.input.scan.open(b'[', b']')? {
                    loop {
                        self.skip_value(depth + 1)?;
                        if !self.input.scan.more(b']')? {
                            break;
                        }
                    }
                }
            }
            b't' => self.input.scan.literal(b"true")?,
            b'f' => self.input.scan.literal(b"false")?,
            b'n' => self.input.scan.literal(b"null")?,
            _ => {
                self.input.scan.number()?;
            }
        }
        Ok(())
    }
}
