//! Messages as columns: the cells of each field are an array of Apache Arrow.
//!
//! The caller says which columns there are, since their types are those of its own schema. Beside a
//! column there may be others: after enum values, the numbers of those without a short name; after
//! timestamps, the nanoseconds beyond the microseconds; after an open vocabulary, the numbers and
//! the custom names that the column itself cannot express.

mod array;
mod content;
mod rows;

use std::ops::Range;
use std::sync::Arc;

use crate::MessageType;
use crate::json::entries::Entries;
use crate::records::RecordFormat;
use crate::rules::{self, Trust};
use crate::tables::{Cardinality, Field, Kind, Tables};
use crate::unsure::{R, Unsure};
use content::{Content, Scalars, Vocabulary, What};
use rows::{Column, Context, Form, Rows};

pub use array::{Array, Buffer};

/// The most bytes of messages in the columns. The JSON of their texts has at most six times as many,
/// which an offset of 32 bits can express.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// The form of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormSpec {
    /// The values of a field.
    Singular,
    /// Its lists.
    List,
    /// Its maps, sorted by key.
    Map,
    /// The names of an enum field and those of a field of strings.
    Open {
        /// The number of the field of strings.
        custom: u32,
    },
    /// The names in a list of enum values, and after them those in a list of strings.
    OpenList {
        /// The number of the list of strings.
        custom: u32,
    },
}

/// The content of a column.
#[derive(Clone, PartialEq, Debug)]
pub enum ContentSpec {
    /// Numbers, booleans, strings or bytes.
    Scalar,
    /// Dictionaries of the short names of enum values.
    Enum,
    /// Timestamps in microseconds.
    Timestamp,
    /// Texts with the ProtoJSON of messages.
    Json,
    /// Structs with the columns of messages.
    Struct(Vec<ColumnSpec>),
}

/// A column to be filled.
#[derive(Clone, PartialEq, Debug)]
pub struct ColumnSpec {
    /// The number of its field.
    pub field: u32,
    /// Its form.
    pub form: FormSpec,
    /// Its content, or that of the items of its lists or maps.
    pub content: ContentSpec,
}

/// How messages become rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowTask {
    /// The format of the messages.
    pub format: RecordFormat,
    /// Whether they must satisfy the rules of the schema.
    pub validate: bool,
    /// Whether unknown fields are left out; if not, they are unsure.
    pub skips_unknown: bool,
    /// The most bytes of a message; longer ones are unsure.
    pub max_bytes: usize,
}

/// The columns of a message type, one row for each message.
pub struct Columns {
    tables: Arc<Tables>,
    message: usize,
    rows: Rows,
    length: usize,
    bytes: usize,
}

impl MessageType {
    /// Returns empty columns; `None` if they do not fit this message type, or the core cannot fill
    /// one of them. Each field must have a column.
    ///
    /// ```
    /// use crucible_ir_core::{Buffer, ColumnSpec, ContentSpec, FormSpec, RecordFormat, RowTask, Schema};
    ///
    /// let choice = Schema::built_in().message_type("crucible_ir.v1.ToolChoice").unwrap();
    /// let column = |field, content| ColumnSpec { field, form: FormSpec::Singular, content };
    /// let specs = [column(1, ContentSpec::Enum), column(2, ContentSpec::Scalar)];
    /// let mut columns = choice.columns(&specs).unwrap();
    /// let format = RecordFormat::Delimited;
    /// let task = RowTask { format, validate: true, skips_unknown: false, max_bytes: 100 };
    /// columns.append(task, b"\x12\x01f").unwrap();
    /// let [mode, numbers, name] = &columns.finish()[..] else { panic!() };
    /// assert_eq!((mode.nulls, numbers.nulls, name.nulls), (1, 1, 0));
    /// assert_eq!(name.buffers, [Buffer::I32(vec![0, 1]), Buffer::U8(vec![b'f'])]);
    /// ```
    pub fn columns(&self, columns: &[ColumnSpec]) -> Option<Columns> {
        Some(Columns {
            tables: Arc::clone(&self.tables),
            message: self.index,
            rows: rows_of(&self.tables, self.index, columns)?,
            length: 0,
            bytes: 0,
        })
    }
}

impl Columns {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether `finish` must be called before more rows can be appended.
    pub fn is_full(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    /// Appends a row with a binary message, whatever the format of the task.
    ///
    /// # Errors
    ///
    /// The core is unsure, or the columns are full. There is no new row.
    pub fn append(&mut self, task: RowTask, data: &[u8]) -> Result<(), Unsure> {
        let tables = Arc::clone(&self.tables);
        self.append_row(&mut context(&tables, task), task, data)
    }

    /// Appends a row with each of some messages, up to the first one that the core is unsure about.
    /// It returns how many rows were appended.
    ///
    /// # Arguments
    ///
    /// * `task` - How messages become rows.
    /// * `data` - The bytes that contain the messages.
    /// * `places` - Where each message is in the bytes.
    pub fn extend(
        &mut self,
        task: RowTask,
        data: &[u8],
        places: impl Iterator<Item = Range<usize>>,
    ) -> usize {
        let tables = Arc::clone(&self.tables);
        let before = self.length;
        let mut context = context(&tables, task);
        let mut message = Vec::new();
        for place in places {
            let record = data.get(place);
            let Some(record) = record.filter(|record| record.len() <= task.max_bytes) else {
                break;
            };
            let result = if task.format == RecordFormat::Delimited {
                self.append_row(&mut context, task, record)
            } else {
                message.clear();
                let read = self.read(task, record, &mut message);
                read.and_then(|()| self.append(task, &message))
            };
            if result.is_err() {
                break;
            }
        }
        self.length - before
    }

    /// Returns the arrays of the columns, and removes all rows.
    pub fn finish(&mut self) -> Vec<Array> {
        self.length = 0;
        self.bytes = 0;
        self.rows.finish()
    }

    /// Removes the cells of a row that was not completed, because the core panicked.
    pub fn truncate(&mut self) {
        self.rows.truncate(self.length);
    }

    /// Appends the bytes of the message of a line.
    fn read(&self, task: RowTask, line: &[u8], out: &mut Vec<u8>) -> R<()> {
        let type_ = MessageType {
            tables: Arc::clone(&self.tables),
            index: self.message,
        };
        match task.format {
            RecordFormat::JsonLines => type_.from_protojson(line, out),
            RecordFormat::CrucibleJsonLines => type_.from_crucible_json(line, out),
            RecordFormat::Delimited => Err(Unsure),
        }
    }

    #[inline]
    fn append_row<'a>(
        &mut self,
        context: &mut Context<'a>,
        task: RowTask,
        data: &'a [u8],
    ) -> R<()> {
        if self.is_full() || data.len() > MAX_BYTES {
            return Err(Unsure);
        }
        if task.validate {
            // To fill the cells checks what a parser would: texts, opaque JSON and unknown fields.
            let message = &context.tables.messages[self.message];
            rules::check(context.tables, message, data, Trust::Parsed)?;
        }
        if let Err(error) = self.rows.push(context, data, 0) {
            self.rows.truncate(self.length);
            context.entries.finish(0);
            return Err(error);
        }
        self.length += 1;
        self.bytes += data.len();
        Ok(())
    }
}

fn context(tables: &Tables, task: RowTask) -> Context<'_> {
    Context {
        tables,
        entries: Entries::default(),
        skips_unknown: task.skips_unknown,
    }
}

/// Returns no rows of a message type with some columns.
fn rows_of(tables: &Tables, message: usize, specs: &[ColumnSpec]) -> Option<Rows> {
    let columns = specs.iter().map(|spec| column_of(tables, message, spec));
    Rows::new(tables, message, columns.collect::<Option<_>>()?)
}

fn column_of(tables: &Tables, message: usize, spec: &ColumnSpec) -> Option<Column> {
    let message = tables.messages.get(message)?;
    let field = message.field(spec.field)?;
    let mut bits = field.bit;
    let mut custom_bit = 0;
    let (cardinality, form) = match spec.form {
        FormSpec::Singular => (Cardinality::Singular, Form::Singular),
        FormSpec::List => (
            Cardinality::List,
            Form::List(Default::default(), Default::default()),
        ),
        FormSpec::Map => (
            Cardinality::Map,
            Form::Map(Default::default(), Default::default()),
        ),
        FormSpec::Open { custom } => {
            custom_bit = string_field(message.field(custom)?)?;
            // Only members of a oneof exclude each other.
            (field.siblings & custom_bit != 0).then_some(())?;
            (
                Cardinality::Singular,
                Form::Open(Default::default(), Default::default()),
            )
        }
        FormSpec::OpenList { custom } => {
            custom_bit = string_field(message.field(custom)?)?;
            (Cardinality::List, Form::OpenList(Default::default()))
        }
    };
    bits |= custom_bit;
    if field.cardinality != cardinality || (custom_bit != 0 && spec.content != ContentSpec::Enum) {
        return None;
    }
    let value = match cardinality {
        Cardinality::Map => {
            let (key, value) = tables.entry_of(field)?;
            (key.kind == Kind::String).then_some(value)?
        }
        _ => field,
    };
    let content = content_of(tables, value, &spec.content)?;
    if cardinality == Cardinality::Map && content.beside.is_some() {
        return None;
    }
    Some(Column {
        bits,
        custom: custom_bit,
        is_nullable: field.presence || field.kind == Kind::Enum,
        form,
        content,
    })
}

/// Returns the bit of a field of strings.
fn string_field(field: &Field) -> Option<u64> {
    (field.kind == Kind::String).then_some(field.bit)
}

fn content_of(tables: &Tables, field: &Field, spec: &ContentSpec) -> Option<Content> {
    let what = match spec {
        ContentSpec::Scalar => What::Scalar(Scalars::of(field.kind)?),
        ContentSpec::Enum if field.kind == Kind::Enum => {
            What::Enum(Vocabulary::new(tables, field.enumeration))
        }
        ContentSpec::Timestamp if field.kind == Kind::Message => {
            let is_timestamp = &*tables.message_of(field).name == "google.protobuf.Timestamp";
            is_timestamp.then(|| What::Timestamp(Vec::new()))?
        }
        ContentSpec::Json if field.kind == Kind::Message => What::Json(Default::default()),
        ContentSpec::Struct(columns) if field.kind == Kind::Message => {
            What::Struct(Box::new(rows_of(tables, field.message, columns)?))
        }
        _ => return None,
    };
    Some(Content::new(what))
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use super::*;
    use crate::Schema;

    const TASK: RowTask = RowTask {
        format: RecordFormat::Delimited,
        validate: false,
        skips_unknown: false,
        max_bytes: 1000,
    };

    fn spec(field: u32, form: FormSpec, content: ContentSpec) -> ColumnSpec {
        ColumnSpec {
            field,
            form,
            content,
        }
    }

    fn stages() -> Columns {
        let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef");
        let scalar = |field| spec(field, FormSpec::Singular, ContentSpec::Scalar);
        let options = spec(3, FormSpec::Singular, ContentSpec::Json);
        let specs = [scalar(1), scalar(2), options, scalar(4)];
        stage.unwrap().columns(&specs).unwrap()
    }

    #[test]
    fn a_message_that_is_unsure_leaves_no_cells() {
        let data = b"\x0a\x01a\x0a\x01b\x12\x01m\x0a\x01c\x0a\x01d";
        let mut columns = stages();
        // The third message has the field 1 twice.
        let places = [0..3, 3..9, 9..15];
        assert_eq!(columns.extend(TASK, data, places.into_iter()), 2);
        assert_eq!(columns.extend(TASK, data, once(3..9)), 1);
        assert_eq!(columns.len(), 3);
        let [name, module, options, enabled] = &columns.finish()[..] else {
            panic!()
        };
        assert_eq!(
            name.buffers,
            [Buffer::I32(vec![0, 1, 2, 3]), Buffer::U8(b"abb".to_vec())]
        );
        assert_eq!(module.validity, Some(vec![0b110]));
        assert_eq!((options.nulls, enabled.nulls), (3, 3));
        assert!(columns.is_empty());
    }

    #[test]
    fn places_outside_of_the_data_and_long_messages_end_the_rows() {
        let mut columns = stages();
        #[allow(clippy::reversed_empty_ranges)]
        for place in [0..4, 3..0, 0..usize::MAX, usize::MAX..usize::MAX] {
            assert_eq!(columns.extend(TASK, b"\x0a\x01a", [place].into_iter()), 0);
        }
        let short = RowTask {
            max_bytes: 2,
            ..TASK
        };
        assert_eq!(columns.extend(short, b"\x0a\x01a", once(0..3)), 0);
    }

    #[test]
    fn columns_that_do_not_fit_are_rejected() {
        let backend = Schema::built_in().message_type("crucible_ir.v1.ToolChoice");
        let backend = backend.unwrap();
        let mode = spec(1, FormSpec::Singular, ContentSpec::Enum);
        let name = spec(2, FormSpec::Singular, ContentSpec::Scalar);
        assert!(backend.columns(&[mode.clone(), name.clone()]).is_some());
        for specs in [
            // A field without a column, a field that does not exist, and wrong forms and contents.
            vec![mode.clone()],
            vec![
                mode.clone(),
                spec(9, FormSpec::Singular, ContentSpec::Scalar),
            ],
            vec![mode.clone(), spec(2, FormSpec::List, ContentSpec::Scalar)],
            vec![mode.clone(), spec(2, FormSpec::Map, ContentSpec::Scalar)],
            vec![mode.clone(), spec(2, FormSpec::Singular, ContentSpec::Enum)],
            vec![mode.clone(), spec(2, FormSpec::Singular, ContentSpec::Json)],
            vec![
                spec(1, FormSpec::Singular, ContentSpec::Timestamp),
                name.clone(),
            ],
            vec![
                spec(1, FormSpec::Open { custom: 1 }, ContentSpec::Enum),
                name,
            ],
        ] {
            assert!(backend.columns(&specs).is_none(), "{specs:?}");
        }
    }
}
