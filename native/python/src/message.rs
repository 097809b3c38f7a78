//! The message types of a schema, and what the core does with messages of each.

use crucible_ir_core::{Exponents, MessageType as CoreType, Names, Schema, Trust, Unsure};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::buffer::with_buffer;
use crate::decoder::{Decoder, call_or_none};
use crate::guarded::{guarded, guarded_detached};
use crate::splitter::Splitter;
use crate::transcoding::{Conversion, Transcoder};

/// A schema.
#[pyclass(frozen)]
pub struct Core {
    schema: Schema,
}

#[pymethods]
impl Core {
    /// Load a schema from the bytes of tables.binpb; a `ValueError` says why they do not load.
    ///
    /// `large_number` is 1e16 as orjson writes it, which differs between its versions. The core is
    /// not certain about larger numbers if it knows no such version.
    #[new]
    #[pyo3(signature = (tables, large_number = None, /))]
    fn new(tables: &[u8], large_number: Option<&[u8]>) -> PyResult<Self> {
        let exponents = match large_number {
            Some(b"1e16") => Exponents::Bare,
            Some(b"1e+16") => Exponents::Signed,
            _ => Exponents::Unsure,
        };
        let loaded = guarded(|| Some(Schema::with_exponents(tables, exponents)))
            .ok_or_else(|| PyValueError::new_err("the core failed"))?;
        let schema = loaded.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { schema })
    }

    /// Return a message type by its full name; `None` if the schema does not have it.
    ///
    /// Its readers return what `parse` returns for the bytes of a message, or else the bytes.
    #[pyo3(signature = (name, parse = None, /))]
    fn message(&self, name: &str, parse: Option<Py<PyAny>>) -> Option<MessageType> {
        let core = self.schema.message_type(name)?;
        Some(MessageType { core, parse })
    }
}

/// A message type.
///
/// Its functions return `None` or `False` where they are not certain.
#[pyclass(frozen)]
pub struct MessageType {
    pub(crate) core: CoreType,
    parse: Option<Py<PyAny>>,
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

    /// Return the ProtoJSON of a message.
    #[pyo3(signature = (data, original_names, /))]
    fn to_json<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        original_names: bool,
    ) -> Option<Bound<'py, PyString>> {
        let convert: Convert = if original_names {
            |core, data, out| core.to_protojson(data, Names::Original, out)
        } else {
            write_json
        };
        self.write(convert, data)
    }

    /// Return the Crucible JSON of a message.
    #[pyo3(signature = (data, /))]
    fn to_crucible_json<'py>(&self, data: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
        self.write(CoreType::to_crucible_json, data)
    }

    /// Return the digest of a message that certainly has no unknown fields.
    #[pyo3(signature = (data, /))]
    fn digest(&self, data: &Bound<'_, PyAny>) -> Option<String> {
        let py = data.py();
        let data = data.cast_exact::<PyBytes>().ok()?.as_bytes();
        guarded_detached(py, data.len(), || self.core.digest(data).ok())
    }

    /// Return the message of bytes that nobody has parsed, which certainly satisfies every rule.
    #[pyo3(signature = (data, /))]
    fn from_binary<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.check(data, false) {
            self.parsed(data.clone())
        } else {
            Ok(None)
        }
    }

    /// Return the message of a ProtoJSON text; with `validate` only if it is certainly valid.
    #[pyo3(signature = (text, validate, /))]
    fn from_json<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        validate: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.read(CoreType::from_protojson, text, validate)
    }

    /// Return for a Crucible JSON text what `from_json` returns for a ProtoJSON text.
    #[pyo3(signature = (text, validate, /))]
    fn from_crucible_json<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        validate: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.read(CoreType::from_crucible_json, text, validate)
    }

    /// Return a document in another format; with `validate` only if it is certainly valid.
    ///
    /// The formats are those of `crucible_ir.transcode`. To write binary again is not certain.
    #[pyo3(signature = (data, source, target, validate, /))]
    fn transcode<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        source: &str,
        target: &str,
        validate: bool,
    ) -> Option<Bound<'py, PyBytes>> {
        Conversion::new(&self.core, source, target, validate)?.convert(data)
    }

    /// Return a function that does what `transcode` does, and calls a fallback if that is `None`.
    #[pyo3(signature = (source, target, validate, fallback, /))]
    fn transcoder<'py>(
        &self,
        py: Python<'py>,
        source: &str,
        target: &str,
        validate: bool,
        fallback: Py<PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(conversion) = Conversion::new(&self.core, source, target, validate) else {
            return Ok(None);
        };
        let transcoder = Transcoder {
            conversion,
            fallback,
        };
        // A method is called faster than an object: its arguments are in no tuple.
        let method = Bound::new(py, transcoder)?
            .into_any()
            .getattr("transcode")?;
        Ok(Some(method))
    }
}

/// A function of the core that appends its result to a buffer.
pub(crate) type Convert = fn(&CoreType, &[u8], &mut Vec<u8>) -> Result<(), Unsure>;

impl MessageType {
    /// Returns the text of a message.
    fn write<'py>(
        &self,
        convert: Convert,
        data: &Bound<'py, PyAny>,
    ) -> Option<Bound<'py, PyString>> {
        let py = data.py();
        let data = data.cast_exact::<PyBytes>().ok()?.as_bytes();
        let fill = |out: &mut Vec<u8>| convert(&self.core, data, out).ok();
        let make = |out: &[u8]| str::from_utf8(out).ok().map(|text| PyString::new(py, text));
        with_buffer(py, 2 * data.len(), fill, make)?
    }

    /// Returns the message of a text.
    fn read<'py>(
        &self,
        convert: Convert,
        text: &Bound<'py, PyAny>,
        validate: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = text.py();
        let Some(data) = content(text) else {
            return Ok(None);
        };
        let fill = |out: &mut Vec<u8>| fill(&self.core, convert, data, validate, out);
        let make = |out: &[u8]| PyBytes::new(py, out).into_any();
        match with_buffer(py, data.len(), fill, make) {
            Some(message) => self.parsed(message),
            None => Ok(None),
        }
    }

    /// Returns what the function for parsing returns for the bytes of a message.
    fn parsed<'py>(&self, message: Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.parse {
            Some(parse) => call_or_none(parse.bind(message.py()), &message),
            None => Ok(Some(message)),
        }
    }
}

/// Appends the bytes of the message of a text.
pub(crate) fn fill(
    core: &CoreType,
    read: Convert,
    data: &[u8],
    validate: bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    read(core, data, out).ok()?;
    if validate {
        core.check(out, Trust::Parsed).ok()?;
    }
    Some(())
}

pub(crate) fn write_json(core: &CoreType, data: &[u8], out: &mut Vec<u8>) -> Result<(), Unsure> {
    core.to_protojson(data, Names::Json, out)
}

/// Returns the bytes of a Python string or bytes object, but of no subclass and of no other type.
pub(crate) fn content<'a>(data: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    if let Ok(text) = data.cast_exact::<PyString>() {
        // A string with an unpaired surrogate has no UTF-8.
        text.to_str().ok().map(str::as_bytes)
    } else {
        data.cast_exact::<PyBytes>()
            .ok()
            .map(|data| data.as_bytes())
    }
}
