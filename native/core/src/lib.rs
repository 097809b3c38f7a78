//! Validates and converts messages of Crucible IR on their bytes, without message objects.
//!
//! The core is table-driven: it reads the schema and its rules from tables that are generated from
//! the descriptors. It answers if it is certain, and else returns [`Unsure`]: the input may be
//! valid or not, and another implementation must decide.
#![forbid(unsafe_code)]

mod rules;
mod tables;
mod unsure;
mod wire;

use std::sync::{Arc, LazyLock};

pub use rules::Trust;
pub use tables::{BUILT_IN, TablesError};
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
        Ok(Self {
            tables: Arc::new(Tables::load(tables)?),
        })
    }

    /// Returns the schema that this crate was built with.
    pub fn built_in() -> &'static Self {
        static SCHEMA: LazyLock<Schema> =
            LazyLock::new(|| Schema::new(BUILT_IN).expect("the tables of this crate are valid"));
        &SCHEMA
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

    fn message(&self) -> &tables::Message {
        &self.tables.messages[self.index]
    }
}
