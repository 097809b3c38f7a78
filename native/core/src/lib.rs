#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod columns;
mod json;
mod project;
mod records;
mod rules;
mod tables;
mod transcoding;
mod unsure;
mod wire;

use std::sync::{Arc, LazyLock};

pub use columns::{Array, Buffer, ColumnSpec, Columns, ContentSpec, FormSpec, RowTask};
pub use json::protojson_out::Names;
pub use json::text::Exponents;
pub use project::{Parts, Projection, Value};
pub use records::{Frames, RecordFormat, RecordTask, Records, Stop, UnsureRecord};
pub use rules::Trust;
pub use tables::{BUILT_IN, TablesError};
pub use transcoding::Format;
pub use unsure::Unsure;

use tables::Tables;

/// A schema: the message types that the core knows.
#[derive(Clone, Debug)]
pub struct Schema {
    tables: Arc<Tables>,
}

impl Schema {
    /// Reads the tables of a schema, the content of `tables.binpb`.
    ///
    /// # Errors
    ///
    /// They are not tables, or those of another version of the format.
    pub fn new(tables: &[u8]) -> Result<Self, TablesError> {
        Self::with_exponents(tables, Exponents::default())
    }

    /// Reads the tables of a schema, and sets how numbers of 1e16 and more are written in JSON.
    ///
    /// # Errors
    ///
    /// As those of `new`.
    pub fn with_exponents(tables: &[u8], exponents: Exponents) -> Result<Self, TablesError> {
        let mut tables = Tables::load(tables)?;
        tables.exponents = exponents;
        Ok(Self {
            tables: Arc::new(tables),
        })
    }

    /// Returns the schema that this crate was built with. It writes large numbers with
    /// signed exponents.
    pub fn built_in() -> &'static Self {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
            Schema::with_exponents(BUILT_IN, Exponents::Signed)
                .expect("the tables of this crate are valid")
        });
        &SCHEMA
    }

    /// Returns every message type of the schema.
    pub fn message_types(&self) -> impl Iterator<Item = MessageType> + Clone {
        (0..self.tables.messages.len()).map(|index| MessageType {
            tables: Arc::clone(&self.tables),
            index,
        })
    }

    /// Returns the message type of a full name, such as `crucible_ir.v1.FeedbackEvent`.
    pub fn message_type(&self, name: &str) -> Option<MessageType> {
        let index = self.tables.message(name)?;
        Some(MessageType {
            tables: Arc::clone(&self.tables),
            index,
        })
    }
}

/// A message type of a schema.
#[derive(Clone, Debug)]
pub struct MessageType {
    tables: Arc<Tables>,
    index: usize,
}

impl MessageType {
    /// Returns the full name.
    pub fn name(&self) -> &str {
        &self.message().name
    }

    /// Returns if bytes are certainly a message of this type that satisfies every rule.
    ///
    /// # Errors
    ///
    /// The core is unsure: the message may be valid or not.
    ///
    /// ```
    /// use crucible_ir_core::{Schema, Trust};
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// assert!(stage.check(b"\x0a\x05embed", Trust::Unparsed).is_ok());
    /// assert!(stage.check(b"", Trust::Unparsed).is_err());
    /// ```
    pub fn check(&self, data: &[u8], trust: Trust) -> Result<(), Unsure> {
        rules::check(&self.tables, self.message(), data, trust)
    }

    /// Returns the projection on fields by their names in the schema; `None` if there is no such
    /// field, or one that has more than one value.
    pub fn projection(&self, names: &[&str]) -> Option<Projection> {
        Projection::new(self.message(), names)
    }

    /// Reads the values of a projection from a message that `check` or `split` has accepted.
    ///
    /// # Errors
    ///
    /// The core is unsure.
    ///
    /// ```
    /// use crucible_ir_core::{Schema, Value};
    ///
    /// let stage = Schema::built_in().message_type("crucible_ir.v1.StageDef").unwrap();
    /// let projection = stage.projection(&["module", "name"]).unwrap();
    /// let mut row = Vec::new();
    /// stage.project(&projection, b"\x0a\x05embed", &mut row).unwrap();
    /// assert_eq!(row, [Value::Unset, Value::Bytes(b"embed")]);
    /// ```
    pub fn project<'a>(
        &self,
        projection: &Projection,
        data: &'a [u8],
        row: &mut Vec<Value<'a>>,
    ) -> Result<(), Unsure> {
        projection.row(&self.tables, self.message(), data, row)
    }

    /// Splits a message into the messages of a list and the other fields, if it is certainly valid
    /// and has no unknown fields, the messages inside included.
    ///
    /// # Errors
    ///
    /// The core is unsure, or there is no such list of messages.
    pub fn split<'a>(&self, list: &str, data: &'a [u8]) -> Result<Parts<'a>, Unsure> {
        let message = self.message();
        let field = message
            .fields
            .iter()
            .find(|field| *field.name == *list.as_bytes());
        let field = field.filter(|field| {
            field.kind == tables::Kind::Message && field.cardinality == tables::Cardinality::List
        });
        project::split(&self.tables, message, field.ok_or(Unsure)?, data)
    }

    /// Returns the type of the messages of a field by the field's name; `None` for other fields.
    pub fn message_type_of(&self, field: &str) -> Option<Self> {
        let field = self
            .message()
            .fields
            .iter()
            .find(|each| *each.name == *field.as_bytes())?;
        (field.kind == tables::Kind::Message).then(|| Self {
            tables: Arc::clone(&self.tables),
            index: field.message,
        })
    }

    fn message(&self) -> &tables::Message {
        &self.tables.messages[self.index]
    }
}
