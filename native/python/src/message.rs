//! The message types of a schema, and what the core does with messages of each.

use crucible_ir_core::{MessageType as CoreType, Schema, Trust};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::decoder::Decoder;
use crate::guarded::{guarded, guarded_detached};
use crate::splitter::Splitter;

/// A schema.
#[pyclass(frozen)]
pub struct Core {
    schema: Schema,
}

#[pymethods]
impl Core {
    /// Load a schema from the bytes of tables.binpb; a `ValueError` says why they do not load.
    #[new]
    #[pyo3(signature = (tables, /))]
    fn new(tables: &[u8]) -> PyResult<Self> {
        let loaded = guarded(|| Some(Schema::new(tables)))
            .ok_or_else(|| PyValueError::new_err("the core failed"))?;
        let schema = loaded.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { schema })
    }

    /// Return a message type by its full name; `None` if the schema does not have it.
    #[pyo3(signature = (name, /))]
    fn message(&self, name: &str) -> Option<MessageType> {
        let core = self.schema.message_type(name)?;
        Some(MessageType { core })
    }
}

/// A message type.
///
/// Its functions return `None` or `False` where they are not certain.
#[pyclass(frozen)]
pub struct MessageType {
    pub(crate) core: CoreType,
}

#[pymethods]
impl MessageType {
    /// The full name.
    #[getter]
    fn name(&self) -> &str {
        self.core.name()
    }

    /// Return whether a message certainly satisfies every rule.
    ///
    /// `parsed` says that protobuf's library has read the same bytes.
    #[pyo3(signature = (data, parsed, /))]
    fn check(&self, data: &Bound<'_, PyAny>, parsed: bool) -> bool {
        let trust = if parsed {
            Trust::Parsed
        } else {
            Trust::Unparsed
        };
        // Another type of bytes-like object may change while the core reads it.
        data.cast_exact::<PyBytes>().is_ok_and(|data| {
            let py = data.py();
            let data = data.as_bytes();
            guarded_detached(py, data.len(), || self.core.check(data, trust).ok()).is_some()
        })
    }

    /// Return a splitter of messages; `None` if there is no such list, or no such fields in it.
    #[pyo3(signature = (list, fields, /))]
    fn splitter(&self, list: &str, fields: Vec<String>) -> Option<Splitter> {
        Splitter::new(&self.core, list, &fields)
    }

    /// Return a function that parses a message, and calls a fallback unless it is valid.
    #[pyo3(signature = (parse, fallback, /))]
    fn decoder<'py>(
        &self,
        py: Python<'py>,
        parse: Py<PyAny>,
        fallback: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let decoder = Decoder {
            core: self.core.clone(),
            parse,
            fallback,
        };
        // A method is called faster than an object: its arguments are in no tuple.
        Bound::new(py, decoder)?.into_any().getattr("decode")
    }
}
