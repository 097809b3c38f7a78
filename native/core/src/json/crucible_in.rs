//! Crucible JSON to protobuf's wire format.
//!
//! The result is the deterministic serialization of the message that the Python package reads.
//! Whatever that package rejects is unsure.

mod keys;
mod maps;
mod parts;
mod vocabularies;

use keys::Expected;
use parts::Beside;

use super::crucible_tables::{CrucibleJson, Form, Key, Shape};
use super::input::{Input, Quoted};
use super::sink::{close, open, put_tag};
use super::times::Spelling;
use crate::MessageType;
use crate::tables::{Cardinality, Field, Kind, Message, Tables, WellKnown};
use crate::unsure::{R, Unsure};
use crate::wire::{MAX_DEPTH, WireType, put_varint};

/// The most bytes of a message.
const MAX_BYTES: usize = i32::MAX as usize;

impl MessageType {
    /// Reads a message from its Crucible JSON and appends its bytes, as protobuf's deterministic
    /// serialization writes them. A missing key takes its default. The rules of the schema are not
    /// checked.
    ///
    /// # Errors
    ///
    /// The core is unsure: the text may be the Crucible JSON of such a message or not. The output
    /// may have grown.
    ///
    /// ```
    /// use crucible_ir_core::Schema;
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// let mut bytes = Vec::new();
    /// stage.from_crucible_json(br#"{"name": "embed"}"#, &mut bytes).unwrap();
    /// assert_eq!(bytes, b"\x0a\x05embed\x20\x01");
    /// ```
    pub fn from_crucible_json(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Unsure> {
        read(&self.tables, self.message(), text, out)
    }
}

fn read(tables: &Tables, message: &Message, text: &[u8], out: &mut Vec<u8>) -> R<()> {
    let start = out.len();
    let mut reader = Reader {
        tables,
        input: Input::new(text, out),
        customs: Vec::new(),
        fields: Vec::new(),
    };
    let is_choice = message
        .crucible
        .as_ref()
        .is_some_and(|table| table.shape == Shape::Choice);
    if reader.input.scan.next() == b'n' && is_choice {
        // Only a whole document can be an empty choice.
        reader.input.scan.literal(b"null")?;
    } else {
        reader.message(message, 0)?;
    }
    reader.input.scan.end()?;
    if out.len() - start > MAX_BYTES {
        Err(Unsure)
    } else {
        Ok(())
    }
}

struct Reader<'t, 'a, 'o> {
    tables: &'t Tables,
    input: Input<'a, 'o>,
    /// The encoded custom names of a list of an open vocabulary.
    customs: Vec<u8>,
    /// The encoded fields of a snapshot.
    fields: Vec<u8>,
}

/// Whether the fields that have been written are in order, and the last number.
struct Order {
    last: u32,
    ordered: bool,
}

impl Order {
    fn new() -> Self {
        Order {
            last: 0,
            ordered: true,
        }
    }

    /// Notes that fields have been written, given the lowest and the highest number.
    #[inline(always)]
    fn add(&mut self, first: u32, last: u32) {
        self.ordered &= first > self.last;
        self.last = last;
    }
}

impl<'t, 'a> Reader<'t, 'a, '_> {
    /// Reads a message and writes its fields, given its depth below the root.
    fn message(&mut self, message: &'t Message, depth: u32) -> R<()> {
        if depth > MAX_DEPTH {
            return Err(Unsure);
        }
        match message.well_known {
            WellKnown::None => {}
            WellKnown::Struct => return self.opaque_struct(depth),
            WellKnown::Value => return self.input.opaque_value(depth),
            WellKnown::ListValue => return self.input.opaque_list(depth),
            WellKnown::Timestamp => return self.input.timestamp(Spelling::Any),
            WellKnown::Duration | WellKnown::Other => return Err(Unsure),
        }
        let table = message.crucible.as_ref().ok_or(Unsure)?;
        match table.shape {
            Shape::Object => self.object(message, table, None, depth),
            Shape::List => match &table.keys[..] {
                [key] => self.list(field_of(message, key.field)?, depth),
                _ => Err(Unsure),
            },
            Shape::Choice => self.choice(message, table),
            Shape::Part => self.part(message, table, depth),
            Shape::Snapshot => self.snapshot(message, table, depth),
        }
    }

    /// Reads a Struct, for which an empty list is an empty object.
    #[inline]
    fn opaque_struct(&mut self, depth: u32) -> R<()> {
        if self.input.scan.peek() == b'[' {
            self.empty_list()
        } else {
            self.input.opaque_struct(depth)
        }
    }

    fn empty_list(&mut self) -> R<()> {
        if self.input.scan.open(b'[', b']')? {
            Ok(())
        } else {
            Err(Unsure)
        }
    }

    /// Reads an object with the keys of a message. In a part, those beside its kind are left for
    /// later.
    fn object(
        &mut self,
        message: &'t Message,
        table: &'t CrucibleJson,
        mut beside: Option<&mut Beside<'_, 'a>>,
        depth: u32,
    ) -> R<()> {
        let start = self.input.out.len();
        let (mut given, mut set) = (0u64, 0u64);
        let mut order = Order::new();
        if !self.input.scan.open(b'{', b'}')? {
            let mut expected = 0;
            loop {
                let position = match self.expected_key(table, expected) {
                    Expected::Key => expected,
                    Expected::Unset(end) => {
                        let bits = u64::MAX >> (64 - (end - expected)) << expected;
                        if given & bits != 0 {
                            return Err(Unsure);
                        }
                        given |= bits;
                        expected = end;
                        if !self.input.scan.more(b'}')? {
                            break;
                        }
                        continue;
                    }
                    Expected::No => {
                        let name = self.input.scan.string(&mut self.input.buffer)?;
                        let Some(position) = table.position(name) else {
                            let beside = beside.as_deref_mut().ok_or(Unsure)?;
                            let position = beside.position(name)?;
                            self.leave(beside, position, depth)?;
                            if !self.input.scan.more(b'}')? {
                                break;
                            }
                            continue;
                        };
                        self.input.scan.colon()?;
                        position
                    }
                };
                expected = position + 1;
                let key = table.keys.get(position).ok_or(Unsure)?;
                let bit = 1 << position;
                if given & bit != 0 {
                    return Err(Unsure);
                }
                given |= bit;
                if self.input.scan.peek() == b'n' {
                    self.input.scan.literal(b"null")?;
                } else {
                    if set & key.siblings != 0 {
                        return Err(Unsure);
                    }
                    set |= bit;
                    let before = self.input.out.len();
                    self.value(message, key, depth)?;
                    if self.input.out.len() > before {
                        order.add(key.first_number, key.last_number);
                    }
                }
                if !self.input.scan.more(b'}')? {
                    break;
                }
            }
        }
        let mut missing = table.defaults & !given;
        while missing != 0 {
            let key = table
                .keys
                .get(missing.trailing_zeros() as usize)
                .ok_or(Unsure)?;
            missing &= missing - 1;
            self.input.out.extend_from_slice(&key.default);
            order.add(key.default_number, key.default_number);
        }
        self.sort(order, start)
    }

    #[inline(always)]
    fn sort(&mut self, order: Order, start: usize) -> R<()> {
        if order.ordered {
            Ok(())
        } else {
            self.input.sorter.sort_fields(self.input.out, start)
        }
    }

    /// Reads the value of a key, which is not `null`.
    #[inline(always)]
    fn value(&mut self, message: &'t Message, key: &Key, depth: u32) -> R<()> {
        let field = field_of(message, key.field)?;
        match key.form {
            Form::Value => match field.cardinality {
                Cardinality::Singular => {
                    let start = self.input.out.len();
                    self.singular(field, depth)?;
                    // A tag and the length of nothing.
                    let is_empty = self.input.out.len() == start + field.tag.len() + 1;
                    if key.empty_is_unset && is_empty {
                        self.input.out.truncate(start);
                    }
                    Ok(())
                }
                Cardinality::List => self.list(field, depth),
                Cardinality::Map => self.map(field),
            },
            Form::Vocabulary => self.vocabulary(message, key, field),
            Form::VocabularyList => self.vocabulary_list(message, key, field),
            Form::Pair => {
                let mut order = Order::new();
                let start = self.input.out.len();
                self.pair(message, key, &mut order, None, depth)?;
                self.sort(order, start)
            }
            Form::StringOr => {
                let is_string = self.input.scan.peek() == b'"';
                let set = if is_string {
                    field
                } else {
                    field_of(message, key.second)?
                };
                self.singular(set, depth)
            }
        }
    }

    #[inline(always)]
    fn singular(&mut self, field: &'t Field, depth: u32) -> R<()> {
        let start = self.input.out.len();
        put_tag(self.input.out, &field.tag);
        let is_zero = self.single(field, depth)?;
        if is_zero && !field.presence {
            self.input.out.truncate(start);
        }
        Ok(())
    }

    /// Reads one value and writes it without a tag, given the depth of the message with the field.
    /// Returns whether it is zero; messages never are.
    #[inline(always)]
    fn single(&mut self, field: &'t Field, depth: u32) -> R<bool> {
        match field.kind {
            Kind::Message => {
                let start = open(self.input.out);
                self.message(self.tables.message_of(field), depth + 1)?;
                close(self.input.out, start);
                Ok(false)
            }
            Kind::Enum => {
                let name = self.input.scan.string(&mut self.input.buffer)?;
                let number = self
                    .tables
                    .enum_of(field)
                    .short_names
                    .number(name)
                    .ok_or(Unsure)?;
                put_varint(self.input.out, i64::from(number) as u64);
                Ok(number == 0)
            }
            kind => self.input.scalar(kind, Quoted::No),
        }
    }

    fn list(&mut self, field: &'t Field, depth: u32) -> R<()> {
        if self.input.scan.open(b'[', b']')? {
            return Ok(());
        }
        let packed = field.packed.then(|| self.open_packed(field));
        loop {
            if packed.is_none() {
                put_tag(self.input.out, &field.tag);
            }
            // `null` is no item of a list, even of opaque values.
            if self.input.scan.peek() == b'n' {
                return Err(Unsure);
            }
            self.single(field, depth)?;
            if !self.input.scan.more(b']')? {
                break;
            }
        }
        if let Some(start) = packed {
            close(self.input.out, start);
        }
        Ok(())
    }

    /// Starts a packed list; the result is the position of its content.
    #[inline(always)]
    fn open_packed(&mut self, field: &Field) -> usize {
        put_varint(
            self.input.out,
            u64::from(field.number) << 3 | WireType::Bytes as u64,
        );
        open(self.input.out)
    }
}

#[inline(always)]
fn field_of(message: &Message, index: u8) -> R<&Field> {
    message.fields.get(usize::from(index)).ok_or(Unsure)
}
