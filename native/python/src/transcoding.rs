//! Conversion of documents between formats, without message objects.

use crucible_ir_core::{MessageType as CoreType, Trust};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer::with_buffer;
use crate::message::{Convert, content, fill, write_json};

/// A conversion of the documents of one message type.
pub struct Conversion {
    core: CoreType,
    /// The reader of the source; `None` for binary.
    reader: Option<Convert>,
    /// The writer of the target; `None` for binary.
    writer: Option<Convert>,
    validate: bool,
}

impl Conversion {
    /// Returns a conversion; `None` for unknown formats, and from binary to binary.
    pub fn new(core: &CoreType, source: &str, target: &str, validate: bool) -> Option<Self> {
        let reader: Option<Convert> = match source {
            "binary" => None,
            "json" => Some(CoreType::from_protojson),
            "crucible-json" => Some(CoreType::from_crucible_json),
            _ => return None,
        };
        let writer: Option<Convert> = match target {
            "binary" => None,
            "json" => Some(write_json),
            "crucible-json" => Some(CoreType::to_crucible_json),
            _ => return None,
        };
        if reader.is_none() && writer.is_none() {
            return None;
        }
        Some(Self {
            core: core.clone(),
            reader,
            writer,
            validate,
        })
    }

    /// Returns a document in the other format; `None` if that is not certain.
    pub fn convert<'py>(&self, data: &Bound<'py, PyAny>) -> Option<Bound<'py, PyBytes>> {
        let py = data.py();
        let data = match self.reader {
            None => data.cast_exact::<PyBytes>().ok()?.as_bytes(),
            Some(_) => content(data)?,
        };
        let write = |out: &mut Vec<u8>| match (self.reader, self.writer) {
            (None, None) => None,
            (None, Some(write)) => {
                if self.validate {
                    self.core.check(data, Trust::Unparsed).ok()?;
                }
                write(&self.core, data, out).ok()
            }
            (Some(read), None) => fill(&self.core, read, data, self.validate, out),
            (Some(read), Some(write)) => {
                let mut message = Vec::with_capacity(data.len());
                fill(&self.core, read, data, self.validate, &mut message)?;
                write(&self.core, &message, out).ok()
            }
        };
        with_buffer(py, 2 * data.len(), write, |out| PyBytes::new(py, out))
    }
}

/// Converts documents, and leaves those that are not certain to a fallback.
#[pyclass(frozen)]
pub struct Transcoder {
    pub conversion: Conversion,
    pub fallback: Py<PyAny>,
}

#[pymethods]
impl Transcoder {
    /// Return a document in the other format, or what the fallback returns for it.
    fn transcode<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.conversion.convert(data) {
            Some(converted) => Ok(converted.into_any()),
            None => self.fallback.bind(data.py()).call1((data,)),
        }
    }
}
